"""Label maps in which structures may overlap: a value for each structure, and one for each combination."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class LabelMap:
    """Which structure each voxel belongs to.

    Args:
        values: whole numbers of any shape, 0 for background.
        names: of the structures by number; empty where the file does not name them.
        covered: structure -> all values that mean it, where that is not its number alone.
    """

    values: np.ndarray
    names: dict[int, str] = field(default_factory=dict)
    covered: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def values_of(self, number: int) -> tuple[int, ...]:
        """The values that mean the structure `number`, alone or beside others."""
        return self.covered.get(number, (number,))


class Overlaps:
    """Gives a value to every combination of structures that comes up.

    A structure alone has its own number; combinations get the numbers above the largest.
    """

    def __init__(self, numbers: list[int]) -> None:
        self._members: dict[int, tuple[int, ...]] = {0: (), **{number: (number,) for number in numbers}}
        self._value = {members: value for value, members in self._members.items()}
        self._next = max(numbers, default=0) + 1

    def add(self, values: np.ndarray, inside: np.ndarray, number: int) -> None:
        """Add the structure `number` to `values` where `inside`, bool of the same shape."""
        for value in np.unique(values[inside]):
            values[inside & (values == value)] = self._joined(int(value), number)

    def _joined(self, value: int, number: int) -> int:
        members = tuple(sorted({*self._members[value], number}))
        if members not in self._value:
            self._members[self._next] = members
            self._value[members] = self._next
            self._next += 1
        return self._value[members]

    def covered(self) -> dict[int, tuple[int, ...]]:
        """See `LabelMap.covered`."""
        found: dict[int, list[int]] = {}
        for value, members in self._members.items():
            for number in members:
                found.setdefault(number, []).append(value)
        return {number: tuple(values) for number, values in found.items()}
