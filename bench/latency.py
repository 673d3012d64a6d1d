"""How fast the embedded pair answers on this machine: time to the first token, tokens per second, mask,
memory, and what streaming costs.

Prints medians over repeated runs of the library's own path at 1024 x 768, and of the same answer through
plain `generate` in turn.

    python -m bench.latency [--runs 7]
"""

import argparse
import resource
import statistics
import time

import torch
from PIL import Image

from medreasoner import MedReasoner
from medreasoner.events import Done
from medreasoner.reasoners.base import EncodedImage

QUESTION = "Which part of this breast scan would you put the biopsy needle into?"


def plain_seconds(pair: MedReasoner, encoded: EncodedImage) -> tuple[float, int]:
    """(seconds, tokens) of the same answer through `generate` alone, the image already encoded; the same
    number of tokens as streamed.
    """
    reasoner = pair.reasoner
    stop = reasoner._processor.tokenizer.convert_tokens_to_ids("</answer>")
    started = time.perf_counter()
    inputs = reasoner._inputs(encoded, QUESTION, True)
    out = reasoner._model.generate(**inputs, eos_token_id=stop)
    return time.perf_counter() - started, out.shape[1] - inputs["input_ids"].shape[1]


def streamed_seconds(pair: MedReasoner, encoded: EncodedImage) -> tuple[float, int]:
    started, count = time.perf_counter(), 0
    for _ in pair.reasoner.stream(encoded, QUESTION):
        count += 1
    return time.perf_counter() - started, count


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", default="medreasoner/examples/busi_benign__157.jpg")
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    started = time.perf_counter()
    pair = MedReasoner.from_pretrained(device="cpu")
    loaded = time.perf_counter() - started
    image = Image.open(args.image).convert("RGB").resize((1024, 768))
    last = [event for event in pair.stream(image, QUESTION)][-1]
    runs = [[event for event in pair.stream(image, QUESTION)][-1] for _ in range(args.runs)]
    if not all(isinstance(run, Done) for run in runs):
        raise SystemExit(f"the run did not end with a mask: {last}")
    middle = statistics.median
    print(f"{torch.get_num_threads()} threads, image 1024 x 768, {args.runs} runs, medians")
    print(f"model loaded in             {loaded:6.2f} s")
    print(f"image read                  {middle(r.timings_s['read'] for r in runs):6.2f} s")
    print(f"first token                 {middle(r.timings_s['first_token'] for r in runs):6.2f} s")
    print(f"tokens per second           {middle(r.tokens_per_s for r in runs):6.0f}")
    print(f"mask after the last token   {middle(r.timings_s['mask_after_last_token'] for r in runs):6.3f} s")
    print(f"whole run                   {middle(r.timings_s['total'] for r in runs):6.2f} s")
    encoded = pair.reasoner.encode(image)
    pairs = [(streamed_seconds(pair, encoded), plain_seconds(pair, encoded)) for _ in range(args.runs)]
    ratio = middle((s / n) / (p / m) for (s, n), (p, m) in pairs)
    print(f"streaming / plain generate  {ratio:6.3f} (seconds per token, pair by pair)")
    print(
        f"peak memory                 {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:6.2f} GiB"
    )


if __name__ == "__main__":
    main()
