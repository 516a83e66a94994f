"""The stored chains of dense, diagonal and CSR factors.

The patterns of stored CSR factors are too large to be listed; each is drawn by `Random(INSTANCE/FACTOR).random()`
alone, the same in every version of Python, and its number of nonzeros and a checksum are in the file.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.sparse import csr_array

from bench.instances import FOLDER
from chainplan.problem.problem import Problem
from chainplan.structures import PLAIN_STRUCTURES, Structure
from chainplan.structures.explicit import Explicit
from generators.chains import drawn_pattern, structured_chain

FILE = FOLDER / "mixed_chains.json"


@dataclass(frozen=True)
class MixedChain:
    """A stored chain: `factors` are "dense", "diagonal" or the density, nonzeros and checksum of a CSR factor."""

    name: str
    sizes: tuple[int, ...]
    factors: tuple[Any, ...]

    @property
    def n(self) -> int:
        """Number of factors."""
        return len(self.factors)

    def problem(self) -> Problem:
        """The chain as a problem.

        Raises
        ------
        ValueError
            If a pattern is not the one that was stored.
        """
        structures: list[Structure] = []
        for i, factor in enumerate(self.factors):
            if isinstance(factor, str):
                structures.append(PLAIN_STRUCTURES[factor])
                continue
            csr = drawn_pattern(f"{self.name}/F{i + 1}", self.sizes[i + 1], self.sizes[i], factor["csr"])
            if checksum(csr) != factor["crc32"]:
                raise ValueError(f"{self.name}: the pattern of F{i + 1} is not the stored one; expected its checksum.")
            structures.append(Explicit(csr))
        return structured_chain(self.sizes, structures, self.name)


def stored_mixed(file: Path = FILE) -> list[MixedChain]:
    """The stored chains."""
    entries = json.loads(file.read_text(encoding="utf-8"))["instances"]
    return [MixedChain(e["name"], tuple(e["sizes"]), tuple(e["factors"])) for e in entries]


def checksum(csr: csr_array) -> int:
    """CRC-32 of the rows' ends and columns as little-endian 64-bit integers."""
    return zlib.crc32(csr.indices.astype("<i8").tobytes(), zlib.crc32(csr.indptr.astype("<i8").tobytes()))
