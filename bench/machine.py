"""What a figure was measured on: processor, its cores and the instructions that decide, and the libraries."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
LIBRARIES = ("torch", "transformers", "trl", "sam2")


def processor() -> str:
    """Name, cores this process may use, and which of FLAGS the processor has; the architecture alone where
    there is no /proc/cpuinfo."""
    if not CPUINFO.exists():
        return platform.machine()
    lines = (line.partition(":") for line in CPUINFO.read_text(encoding="utf-8").splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    flags = [flag for flag in FLAGS if flag in fields.get("flags", "").split()]
    name = fields.get("model name", platform.machine())
    return f"{name}, {len(os.sched_getaffinity(0))} cores ({' '.join(flags) or 'none of ' + ' '.join(FLAGS)})"


def libraries() -> str:
    """Names and versions of the libraries that do the work."""
    return ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
