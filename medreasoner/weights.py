"""How much memory the weights of models take, counting once what two of them share."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable


@runtime_checkable
class InMemory(Protocol):
    """A model whose weights lie in this process; a served model and a recording have none."""

    def weights(self) -> dict[int, int]:
        """Address of each tensor -> its bytes; see `weights_of`."""


class Module(Protocol):
    """What is needed of a `torch.nn.Module`."""

    def parameters(self) -> Iterable: ...

    def buffers(self) -> Iterable: ...


def weights_of(module: Module) -> dict[int, int]:
    """Address of each tensor of `module` -> its bytes."""
    return {tensor.data_ptr(): tensor.nbytes for tensor in (*module.parameters(), *module.buffers())}


def bytes_in_memory(models: Iterable[object]) -> int:
    """Bytes that the weights of all `models` take together."""
    held: dict[int, int] = {}
    for model in models:
        if isinstance(model, InMemory):
            held |= model.weights()
    return sum(held.values())
