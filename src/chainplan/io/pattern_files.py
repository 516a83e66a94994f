"""Reads the structures of one spec: it bounds what they list together, and reads a pattern file named twice only once.

Each row and column of a listed pattern takes memory, whether it has entries or not, so that a single line of a spec
could ask for gigabytes. `structures.from_indices` bounds one pattern by its entries; here the same bound holds for all
patterns of a spec together.
"""

from __future__ import annotations

from pathlib import Path

from chainplan.structures import Structure, from_spec
from chainplan.structures.from_indices import hollow, most_lines


class SpecPatterns:
    """The structures of a spec, which are read one after the other."""

    def __init__(self) -> None:
        self._lines = self._entries = 0
        self._files: dict[tuple[str, tuple[int, int] | None], Structure] = {}

    def read(self, word: str, argument: object, shape: tuple[int, int] | None, folder: Path | None) -> Structure:
        """Read the structure that a spec names.

        Raises
        ------
        ValueError
            Where the argument does not fit, or where the patterns so far have too many rows and columns for their
            entries; the message says what was expected.
        """
        if word != "sparse" or not isinstance(argument, str):
            return self._counted(from_spec(word, argument, shape, folder))
        structure = self._files.get((argument, shape))
        if structure is None:
            structure = self._files[argument, shape] = self._counted(from_spec(word, argument, shape, folder))
        return structure

    def _counted(self, structure: Structure) -> Structure:
        """Add what a structure lists to the totals, and refuse it where these get out of proportion."""
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
