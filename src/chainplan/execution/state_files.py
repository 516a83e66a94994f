"""States that a plan writes to disk: one file for each in a temporary folder, until the plan has read it last.

A state is what the primal chain makes it, so that it is pickled; only this process reads the files, while it runs.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


class StateFiles:
    """The files of one run, which go with it; the folder lies where `tempfile` puts it."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._names: dict[str, str] = {}

    def write(self, vertex: str, state: Any) -> None:
        """Write the state of a vertex, in the place of an earlier one."""
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="chainplan-")
        name = self._names.setdefault(vertex, f"{len(self._names)}.pickle")
        with (Path(self._folder.name) / name).open("wb") as file:
            pickle.dump(state, file, protocol=pickle.HIGHEST_PROTOCOL)

    def read(self, vertex: str) -> Any:
        """Read the state of a vertex that was written."""
        with self._path(vertex).open("rb") as file:
            return pickle.load(file)

    def drop(self, vertex: str) -> None:
        """Remove the file of a vertex."""
        self._path(vertex).unlink()

    def _path(self, vertex: str) -> Path:
        assert self._folder is not None, "a state is written first"
        return Path(self._folder.name) / self._names[vertex]
