"""What stands for a block in the function of a plan (`straight`): an expression, and what is known of its value."""

from __future__ import annotations

from typing import NamedTuple

from scipy.sparse import csr_array

from chainplan.structures import Block


class Term(NamedTuple):
    """The value of a block by its name: its entries where it has lists, which `ones` says to be all one.

    `numbers` says that the value are the coefficients of shifts as a tuple or a list of Python numbers.
    """

    value: str
    block: Block
    lists: csr_array | None = None
    ones: bool = False
    numbers: bool = False
