"""Many visitors at once: that every answer is right and none is lost, memory, and that a client that vanishes
frees its place.

The page runs as `make demo` serves it, with the embedded model; each client asks about another image at the
same moment. An answer is right when box and points are those of the same question asked alone.

    python -m bench.load_page [--clients 20] [--rounds 2]
"""

import argparse
import concurrent.futures
import statistics
import threading
import time

import psutil
from gradio_client import Client, handle_file

from bench.picture import PATIENCE, served
from medreasoner.page.examples import Example, load_examples


def visitor(address: str) -> Client:
    """A client that waits as long as a person would; httpx by itself gives a busy machine five seconds."""
    return Client(address, verbose=False, analytics_enabled=False, httpx_kwargs={"timeout": PATIENCE})


def ask(client: Client, example: Example) -> tuple[dict, float]:
    """(the answer, seconds) of one question over the API."""
    started = time.monotonic()
    answer, _ = client.predict(handle_file(example.image), example.question, api_name="/ground")
    return answer, time.monotonic() - started


def place(answer: dict) -> tuple:
    return tuple(answer["box_xyxy"]), tuple(map(tuple, answer["points_xy"]))


def vanish(address: str, example: Example) -> None:
    """Ask, hear the first word, and be gone without a goodbye."""
    client = visitor(address)
    job = client.submit(handle_file(example.image), example.question, api_name="/ground_stream")
    next(iter(job))
    client.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    examples = load_examples()
    with served() as (address, process):
        alone = visitor(address)
        expected = [place(ask(alone, example)[0]) for example in examples]
        clients = [visitor(address) for _ in range(args.clients)]
        memory = psutil.Process(process).memory_info
        for number in range(1, args.rounds + 1):
            results, seconds = at_once(clients, examples, expected)
            right, times = sum(ok for ok, _ in results), [one for _, one in results]
            print(
                f"round {number}: {right} of {args.clients} answers right, {seconds:.1f} s in all, "
                f"median {statistics.median(times):.1f} s, slowest {max(times):.1f} s, "
                f"memory {memory().rss / 2**20:.0f} MiB",
                flush=True,
            )
        vanish(address, examples[0])
        answer, seconds = ask(alone, examples[1])
        right = place(answer) == expected[1]
        print(f"after a client vanished while it was answered: right {right}, after {seconds:.1f} s")


def at_once(
    clients: list[Client], examples: list[Example], expected: list[tuple]
) -> tuple[list[tuple[bool, float]], float]:
    """Every client asks at the same moment: (right or not, seconds) of each, and seconds for all."""
    barrier = threading.Barrier(len(clients))

    def one(number: int) -> tuple[bool, float]:
        example = number % len(examples)
        barrier.wait()
        answer, seconds = ask(clients[number], examples[example])
        return place(answer) == expected[example], seconds

    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        results = list(pool.map(one, range(len(clients))))
    return results, time.monotonic() - started


if __name__ == "__main__":
    main()
