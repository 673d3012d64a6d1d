"""Seconds and peak memory on a device whose work goes on after a call returns."""

import time

import torch


def now(device: str) -> float:
    """Seconds, when everything that was asked of `device` is done."""
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter()


def forget_peak(device: str) -> None:
    """Peak memory is counted from here."""
    if device != "cpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gib(device: str) -> float | None:
    """Most memory that tensors took on the GPU since `forget_peak`, in GiB; None on a CPU."""
    return None if device == "cpu" else torch.cuda.max_memory_allocated() / 2**30
