"""What is asked for where second derivatives are: the Hessian of the whole function, weighted or along directions.

The second derivative H of a function has the entries d²y_i / dx_j dx_k. With weights w it is that of the sum of the
outputs weighted by w, one row; along directions U and V its column sides are multiplied by them. What each elemental
brings in is its own second derivative, an `ElementalSecond`, which is a part of the elemental like its Jacobian.
"""

from __future__ import annotations

from dataclasses import dataclass

from chainplan.errors.arguments import refuse, whole
from chainplan.structures.second import ListedSecond, SecondBlock, Side, diagonal_second, listed_second

MAX_DIRECTIONS = 10**12
"""The most directions on a side."""
MAX_SECOND_PRICE = 10**36
"""The most fma of one second tangent or second adjoint."""
PATTERN_WORDS = ("dense", "diagonal", "zero")
"""The patterns that have a name."""
SIDE_WORDS = {Side.ROWS: "weights", Side.LEFT: "left", Side.RIGHT: "right"}
"""What the names of weights and directions end with."""


def second_name(elemental: str) -> str:
    """Return the name under which the second derivative of an elemental is given."""
    return f"{elemental}''"


def side_name(vertex: str, side: Side) -> str:
    """Return the name under which the weights of an output, or the directions at an input, are given."""
    return f"{vertex}:{SIDE_WORDS[side]}"


@dataclass(frozen=True)
class SecondOrder:
    """The second derivative that is asked for.

    Parameters
    ----------
    weights : bool
        Whether the outputs are weighted, so that the result has one row.
    left : int | None
        The number of directions on the left column side; None for all columns of the input.
    right : int | None
        The same on the right column side.

    Raises
    ------
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> SecondOrder(weights=True, right=1).symmetric
    False
    """

    weights: bool = False
    left: int | None = None
    right: int | None = None

    def __post_init__(self) -> None:
        if type(self.weights) is not bool:
            raise refuse("weights", self.weights, "True or False", "Pass one of them.")
        for side in ("left", "right"):
            count = getattr(self, side)
            if count is not None:
                object.__setattr__(self, side, whole(side, count, least=1, most=MAX_DIRECTIONS))

    @property
    def symmetric(self) -> bool:
        """Whether the result is symmetric, because all columns are asked for on both sides."""
        return self.left is None and self.right is None


HESSIAN_WORDS = "one row and no directions, so that H is a matrix of inputs x inputs"
"""What second derivatives are that can be multiplied by vectors."""


def no_hessian(second: SecondOrder, rows: int) -> str | None:
    """Say what makes the second derivative of a function of so many rows no Hessian, None where it is one."""
    if not second.symmetric:
        return f"directions, {second.left or 0:,} on the left and {second.right or 0:,} on the right"
    return None if second.weights or rows == 1 else f"{rows:,} rows without weights"


def require_pattern(pattern: object, advice: str) -> None:
    """Refuse what is neither a word for a pattern nor a list of entries; the advice says how to make a list."""
    if not isinstance(pattern, ListedSecond) and pattern not in PATTERN_WORDS:
        raise refuse("pattern", pattern, f"{', '.join(PATTERN_WORDS)}, or a list of entries", advice)


def patterned(whole: SecondBlock, pattern: str | ListedSecond | None) -> SecondBlock:
    """Return a second-order block with the entries of a pattern alone; with all entries where there is none."""
    if isinstance(pattern, ListedSecond):
        return whole._replace(pattern=pattern)
    if pattern is None or pattern == "dense":
        return whole
    listed = listed_second([]) if pattern == "zero" else diagonal_second(whole.rows)
    return whole._replace(pattern=listed, exact=listed is not None)


@dataclass(frozen=True)
class ElementalSecond:
    """The second derivative of an elemental, of rows x cols x cols.

    One with neither `tangent` nor `adjoint` is explicit: its entries are given. Any other is matrix-free.

    Parameters
    ----------
    pattern : str | ListedSecond | None
        `dense`, `zero` or `diagonal` (elementwise functions), or the entries (i, j, k) that may be nonzero; None stands
        for all that the structure of the Jacobian allows.
    tangent : int | None
        The cost of a second tangent F''[u, v] in fma per pair of directions; None where there is none.
    adjoint : int | None
        The cost of a second adjoint w·F''[·, v] in fma per weighted direction, a row with a direction; None where there
        is none.

    Raises
    ------
    ArgumentError
        If the pattern is something else.

    Examples
    --------
    >>> ElementalSecond("diagonal").block(3, 3).nnz
    3
    >>> ElementalSecond(adjoint=500).explicit
    False
    """

    pattern: str | ListedSecond | None = None
    tangent: int | None = None
    adjoint: int | None = None

    def __post_init__(self) -> None:
        if self.pattern is not None:
            require_pattern(self.pattern, "Make a list by listed_second.")
        for mode in ("tangent", "adjoint"):
            price = getattr(self, mode)
            if price is not None:
                object.__setattr__(self, mode, whole(mode, price, most=MAX_SECOND_PRICE))

    @property
    def explicit(self) -> bool:
        """Whether the entries are given, so that a step can load them."""
        return self.tangent is None and self.adjoint is None

    def block(self, rows: int, cols: int) -> SecondBlock:
        """Return the second-order block of an elemental of rows x cols.

        Parameters
        ----------
        rows : int
            The rows of its Jacobian.
        cols : int
            The columns of its Jacobian.

        Returns
        -------
        SecondBlock
            The block of rows x cols x cols, without values.
        """
        return patterned(SecondBlock(rows, cols, cols, symmetric=True), self.pattern)

    def misfit(self, rows: int, cols: int) -> str | None:
        """Say why an elemental of rows x cols cannot have this second derivative, None where it can.

        Parameters
        ----------
        rows : int
            The rows of its Jacobian.
        cols : int
            The columns of its Jacobian.

        Returns
        -------
        str | None
            The end of a sentence about it.
        """
        if self.pattern == "diagonal" and rows != cols:
            return f"is diagonal, but the elemental is {rows} x {cols}; expected a square one"
        if isinstance(self.pattern, ListedSecond) and len(self.pattern):
            i, j, k = (int(side.max()) for side in (self.pattern.i, self.pattern.j, self.pattern.k))
            if i >= rows or max(j, k) >= cols:
                return f"has the entry of row {i} or column {max(j, k)}, but the elemental is {rows} x {cols}"
        return None

    def to_spec(self) -> dict[str, object]:
        """Return it as a spec writes it.

        Returns
        -------
        dict
            The keys of an elemental that say it.
        """
        pattern: object = self.pattern
        if isinstance(pattern, ListedSecond):
            entries = zip(pattern.i, pattern.j, pattern.k, strict=True)
            pattern = {"coo": [[int(i), int(j), int(k)] for i, j, k in entries if j <= k]}
        words = {"second": pattern, "second_tangent": self.tangent, "second_adjoint": self.adjoint}
        return {key: value for key, value in words.items() if value is not None}
