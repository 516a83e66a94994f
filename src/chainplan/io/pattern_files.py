"""The structures of one spec: what they list in all is bounded, and a pattern file that is named twice is read once.

Each row and column of a listed pattern takes memory, whether it has entries or not, so that a line of a spec could ask
for gigabytes. `structures.listed` bounds one pattern by its entries; here the same bound holds for all together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chainplan.structures import Structure, from_spec
from chainplan.structures.from_indices import hollow, most_lines


class Patterns:
    """Reads the structures of a spec one after the other."""

    def __init__(self) -> None:
        self._lines = self._entries = 0
        self._files: dict[tuple[str, tuple[int, int] | None], Structure] = {}

    def read(self, word: str, argument: Any, shape: tuple[int, int] | None, folder: Path | None) -> Structure:
        """The structure that a spec names.

        Raises
        ------
        ValueError
            With what was expected, where the argument does not fit or the patterns read so far list too little.
        """
        if word != "sparse" or not isinstance(argument, str):
            return self._counted(from_spec(word, argument, shape, folder))
        found = self._files.get((argument, shape))
        if found is None:
            found = self._files[argument, shape] = self._counted(from_spec(word, argument, shape, folder))
        return found

    def _counted(self, structure: Structure) -> Structure:
        csr = getattr(structure, "csr", None)
        if csr is not None:
            self._lines += sum(csr.shape)
            self._entries += int(csr.nnz)
            if hollow(self._lines, self._entries):
                raise ValueError(
                    f"at most {most_lines(self._entries):,} rows and columns of all listed patterns together where "
                    f"they list {self._entries:,} entries, not {self._lines:,}; leave out those without entries"
                )
        return structure
