"""Second derivatives by a pair of arguments, and what an elemental or a pair brings into plans of second order.

A vertex h of a graph is a function of the vertices before it. Its second derivative by one of them belongs to the
elemental on the edge, an `ElementalSecond`; that by two of them, x and u, is a block of size(h) x size(x) x size(u) of
its own. Pairs that are not listed are zero: h is then a sum of functions of x and of u. The block of the pair (u, x) is
that of (x, u) with its column sides exchanged, and is listed once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chainplan.problem.second import patterned, require_pattern
from chainplan.structures.second import ListedSecond, SecondBlock


class OwnSecond(NamedTuple):
    """A second derivative as steps take it: the name of its values, its vertex, its two arguments and its block.

    One that is matrix-free has a price in fma: of each pair of directions (`tangent`), or of each weighted direction
    (`adjoint`).
    """

    given: str
    target: str
    left: str
    right: str
    block: SecondBlock
    tangent: int | None = None
    adjoint: int | None = None

    @property
    def explicit(self) -> bool:
        """Whether the entries are given, so that a step can load them."""
        return self.tangent is None and self.adjoint is None

    def price(self, mode: str) -> int | None:
        """Return the fma of a call of a second tangent or second adjoint, None where there is none."""
        return self.tangent if mode == "tangent" else self.adjoint


@dataclass(frozen=True)
class MixedSecond:
    """The second derivative of a vertex by two of its arguments, of size(target) x size(left) x size(right).

    Parameters
    ----------
    name : str
        A name that no elemental has; its values are given under this name with two primes.
    target : str
        The vertex that is differentiated.
    left : str
        The argument of the left column side; an edge leads from it to the target.
    right : str
        The argument of the right column side, another one.
    pattern : str | ListedSecond
        `dense`, `zero` or `diagonal` (products entry by entry), or the entries (i, j, k) that may be nonzero.

    Raises
    ------
    ArgumentError
        If the pattern is something else.

    Examples
    --------
    >>> MixedSecond("h/x/u", "h", "x", "u", "diagonal").block({"h": 3, "x": 3, "u": 3}).nnz
    3
    """

    name: str
    target: str
    left: str
    right: str
    pattern: str | ListedSecond

    def __post_init__(self) -> None:
        require_pattern(self.pattern, "Make a list by listed_second(entries, mixed=True).")

    @property
    def ends(self) -> tuple[str, str, str]:
        """The vertex and its two arguments."""
        return self.target, self.left, self.right

    def block(self, sizes: Mapping[str, int]) -> SecondBlock:
        """Return the second-order block.

        Parameters
        ----------
        sizes : Mapping[str, int]
            The sizes of the vertices.

        Returns
        -------
        SecondBlock
            The block of size(target) x size(left) x size(right), without values.
        """
        return patterned(SecondBlock(sizes[self.target], sizes[self.left], sizes[self.right]), self.pattern)

    def to_spec(self) -> dict[str, object]:
        """Return it as a spec writes it.

        Returns
        -------
        dict
            An entry of `seconds`.
        """
        listed: object = self.pattern
        if isinstance(listed, ListedSecond):
            entries = zip(listed.i, listed.j, listed.k, strict=True)
            listed = {"coo": [[int(i), int(j), int(k)] for i, j, k in entries]}
        return {"name": self.name, "at": self.target, "args": [self.left, self.right], "second": listed}


def mixed_faults(
    mixed: Sequence[MixedSecond], sizes: Mapping[str, int], names: Collection[str], edges: Collection[tuple[str, str]]
) -> Iterator[tuple[int, str, str]]:
    """Yield (index, key, message) of every second derivative that fits neither the graph nor those before it."""
    taken, pairs = set(names), set[tuple[str, frozenset[str]]]()
    for i, one in enumerate(mixed):
        if one.name in taken:
            yield i, "name", f"the name '{one.name}' is taken; expected unique names. Rename one."
        taken.add(one.name)
        if one.left == one.right:
            text = f"'{one.left}' stands twice; expected two arguments. Write 'second' at the jacobian for one."
            yield i, "args", text
            continue
        lacking = next((v for v in (one.left, one.right) if (v, one.target) not in edges), None)
        if lacking is not None:
            text = f"no jacobian leads from '{lacking}' to '{one.target}'; expected two arguments of '{one.target}'."
            yield i, "args", f"{text} Add the jacobian, or correct the names."
            continue
        pair = one.target, frozenset((one.left, one.right))
        if pair in pairs:
            text = f"'{one.left}' and '{one.right}' stand together for '{one.target}' before; expected each pair once."
            yield i, "args", f"{text} Remove one: the order of a pair says nothing."
        pairs.add(pair)
        wrong = _misfit(one, sizes)
        if wrong:
            yield i, "second", f"the second derivative '{one.name}' {wrong}. Correct it."


def _misfit(one: MixedSecond, sizes: Mapping[str, int]) -> str | None:
    """Say why a pattern does not fit the sizes, None where it does."""
    rows, left, right = sizes[one.target], sizes[one.left], sizes[one.right]
    if one.pattern == "diagonal" and not rows == left == right:
        return f"is diagonal, but its vertices have {rows}, {left} and {right} entries; expected equal sizes"
    if isinstance(one.pattern, ListedSecond) and len(one.pattern):
        i, j, k = (int(side.max()) for side in (one.pattern.i, one.pattern.j, one.pattern.k))
        if i >= rows or j >= left or k >= right:
            return f"has entries up to ({i}, {j}, {k}), but is {rows} x {left} x {right}"
    return None
