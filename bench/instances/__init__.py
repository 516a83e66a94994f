"""The instances: chains stored in JSON files, so that results refer to sizes and not to a generator.

`make.py` wrote the files; the README says what each family is for.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
DATA = Path(os.environ.get("CHAINPLAN_DATA", ROOT / ".." / "shared" / "data"))
"""Reference instances that are not part of the tree."""


@dataclass(frozen=True)
class Instance:
    """A dense chain. `published` is the ratio of the best published order to the optimum, where one is published."""

    name: str
    family: str
    sizes: tuple[int, ...]
    optimum: int
    proof: tuple[str, ...]
    published: float | None = None

    @property
    def n(self) -> int:
        """Number of factors."""
        return len(self.sizes) - 1


def stored_chains(folder: Path = FOLDER) -> list[Instance]:
    """All stored chains, by family and length."""
    found = []
    for file in sorted(folder.glob("chains_*.json")):
        for entry in json.loads(file.read_text(encoding="utf-8"))["instances"]:
            found.append(
                Instance(
                    entry["name"],
                    entry["family"],
                    tuple(entry["sizes"]),
                    entry["optimum"],
                    tuple(entry["proof"]),
                    entry.get("published"),
                )
            )
    return found
