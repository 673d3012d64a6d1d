"""What was freed is no longer in the memory of the process.

python -m pytest tests/imaging/test_freed_memory.py
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from medreasoner.imaging import freed_memory

# 13 MB of a name in blocks that come from the heap, freed below one that stays, so that the C library keeps them
HOLDER = """
import sys
from medreasoner.imaging.freed_memory import give_back
name = ("Doe^" + "Jane").encode()
blocks = [name * 8000 for _ in range(200)]
above = bytes(60_000)
del blocks
print("freed", flush=True)
sys.stdin.readline()
give_back(collect=True)
print("given back", flush=True)
sys.stdin.readline()
"""


def times_in_memory(process: int, word: bytes) -> int:
    """How often `word` stands in what a process of ours may write to."""
    found = 0
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            start, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if rights.startswith("rw") and not line.endswith("[vvar]"):
                memory.seek(int(start, 16))
                found += memory.read(int(end, 16) - int(start, 16)).count(word)
    return found


@pytest.mark.skipif(freed_memory._TRIM is None or not Path("/proc/self/mem").exists(), reason="not glibc")
def test_freed_memory_is_given_back_to_the_system():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDER], text=True, **pipes) as process:
        assert process.stdout.readline() == "freed\n"
        before = times_in_memory(process.pid, b"Doe^Jane" * 10)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "given back\n"
        after = times_in_memory(process.pid, b"Doe^Jane" * 10)
        process.kill()
    assert before > 10_000 and after < 1_000
