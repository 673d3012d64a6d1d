"""Chooses the device that models run on; reasoner and segmenter get the same one."""


def pick_device(device: str | None) -> str:
    """`device` if it can be used here; for None and "auto" the best there is: "cuda", else "mps", else "cpu".

    Args:
        device: as torch names it, "cuda:1" say.

    Errors: ValueError for a device that torch does not know or that this machine lacks.
    """
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device in (None, "auto"):
        return next((kind for kind, there in present.items() if there), "cpu")
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ValueError(f"the device {device!r} is not known; expected cpu, cuda, cuda:N or mps") from error
    if not present.get(kind, True):
        raise ValueError(
            f"the device {device!r} was asked for, but torch finds no {kind} device on this machine; "
            "leave the device out to take the best there is"
        )
    return device
