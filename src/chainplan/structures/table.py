"""The table of structures. A new structure is one file beside this one and one line here.

Order matters: in a product or sum the structure that stands first decides (see `base`), from the one that says most to
the one that says nothing.
"""

from __future__ import annotations

from chainplan.structures.banded import Banded
from chainplan.structures.base import Structure
from chainplan.structures.dense import Dense
from chainplan.structures.diagonal import Diagonal
from chainplan.structures.identity import Identity
from chainplan.structures.negated_identity import NegatedIdentity
from chainplan.structures.zero import Zero

STRUCTURES: tuple[type[Structure], ...] = (Zero, Identity, NegatedIdentity, Diagonal, Banded, Dense)

RANK: dict[type[Structure], int] = {structure: rank for rank, structure in enumerate(STRUCTURES)}
BY_NAME: dict[str, type[Structure]] = {structure.name: structure for structure in STRUCTURES}
