"""Second derivatives straight from the definitions: exact integers by hyper-dual numbers, and the prices of all plans.

A hyper-dual number x + a·e + b·f + c·e·f with e² = f² = 0 carries a value, two directions and the mixed second
derivative along them (Fike & Alonso 2011). Around a point an elemental is y = F'·x + F''[x, x] / 2, whose mixed part is
F'·c + F''[a, b].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

Vector = list[int]


def along(chain: Sequence[tuple[Any, Any]], left: Vector, right: Vector) -> Vector:
    """The second derivative of a chain of pairs (F', F'') along two directions, in whole numbers of any size."""
    a, b, mixed = list(left), list(right), [0] * len(left)
    for slope, bend in chain:
        mixed = [
            sum(row[j] * mixed[j] for j in range(len(a)))
            + sum(bend[i][j][k] * a[j] * b[k] for j in range(len(a)) for k in range(len(b)) if bend[i][j][k])
            for i, row in enumerate(slope)
        ]
        a, b = _times(slope, a), _times(slope, b)
    return mixed


def along_graph(
    order: Sequence[str],
    edges: Sequence[tuple[str, str, Any, Any]],
    pairs: Sequence[tuple[str, str, str, Any]],
    sizes: Mapping[str, int],
    given: Mapping[str, tuple[Vector, Vector]],
) -> dict[str, Vector]:
    """The second derivative of each vertex along two directions of each input.

    `edges` are (source, target, F', F''), `pairs` are (vertex, argument, argument, M); `order` is topological.
    """
    zero = {v: [0] * size for v, size in sizes.items()}
    a, b = ({v: list(given[v][which]) if v in given else zero[v] for v in order} for which in (0, 1))
    mixed = {v: list(zero[v]) for v in order}
    for v in order:
        for one, target, slope, bend in edges:
            if target == v:
                a[v] = _sum(a[v], _times(slope, a[one]))
                b[v] = _sum(b[v], _times(slope, b[one]))
                mixed[v] = _sum(mixed[v], _times(slope, mixed[one]), _bilinear(bend, a[one], b[one]))
        for target, one, other, bend in pairs:
            if target == v:
                crossed = [[list(column) for column in zip(*plane, strict=True)] for plane in bend]
                turned = _bilinear(crossed, a[other], b[one]) if a[other] and b[one] else zero[v]
                mixed[v] = _sum(mixed[v], _bilinear(bend, a[one], b[other]), turned)
    return mixed


def _sum(*vectors: Vector) -> Vector:
    return [sum(entries) for entries in zip(*vectors, strict=True)]


def _bilinear(bend: Any, a: Vector, b: Vector) -> Vector:
    return [sum(plane[j][k] * a[j] * b[k] for j in range(len(a)) for k in range(len(b))) for plane in bend]


def _times(matrix: Any, vector: Vector) -> Vector:
    return [sum(int(entry) * x for entry, x in zip(row, vector, strict=True)) for row in matrix]


def second_derivative(chain: Sequence[tuple[Any, Any]], inputs: int) -> list[list[list[int]]]:
    """The second derivative of a chain as outputs x inputs x inputs, entry by entry."""
    units = [[int(i == j) for j in range(inputs)] for i in range(inputs)]
    columns = [[along(chain, left, right) for right in units] for left in units]
    outputs = len(chain[-1][0])
    return [[[columns[j][k][i] for k in range(inputs)] for j in range(inputs)] for i in range(outputs)]


Interval = tuple[int, int]
Tree = dict[Interval, int]


def trees(i: int, j: int) -> Iterator[Tree]:
    """Every bracketing of an interval, as the split of each interval in it."""
    if j - i == 1:
        yield {}
        return
    for k in range(i + 1, j):
        for before in trees(i, k):
            for after in trees(k, j):
                yield {(i, j): k, **before, **after}


def contractions(sizes: Sequence[int], tree: Tree) -> int:
    """The price of all contractions of dense blocks by the splits of a tree, with half of what is symmetric."""
    total = 0
    for (i, j), k in tree.items():
        n, p, m = sizes[i], sizes[k], sizes[j]
        total += m * p * p * n + 2 * m * p * (n * (n + 1) // 2)
    return total


def least_by_splits(sizes: Sequence[int]) -> int:
    """The price of the cheapest plan whose Jacobians are made by the splits of the second derivatives."""
    q = len(sizes) - 1
    return min(
        contractions(sizes, tree)
        + sum(sizes[j] * sizes[k] * sizes[i] for (i, j), k in tree.items() if (i, j) != (0, q))
        for tree in trees(0, q)
    )


def least_with_equal_once(sizes: Sequence[int], kinds: Sequence[str]) -> int:
    """The price of the cheapest plan by splits that makes the derivatives of equal parts, split alike, once."""
    q = len(sizes) - 1
    best = None
    for tree in trees(0, q):
        seconds, jacobians = dict[str, int](), dict[str, int]()
        for (i, j), k in tree.items():
            n, p, m, key = sizes[i], sizes[k], sizes[j], _written(kinds, tree, i, j)
            seconds[key] = m * p * p * n + 2 * m * p * (n * (n + 1) // 2)
            if (i, j) != (0, q):
                jacobians[key] = m * p * n
        price = sum(seconds.values()) + sum(jacobians.values())
        best = price if best is None else min(best, price)
    return 0 if best is None else best


def _written(kinds: Sequence[str], tree: Tree, i: int, j: int) -> str:
    """The kinds of a part with brackets as it is split."""
    if j - i == 1:
        return kinds[i]
    return f"({_written(kinds, tree, i, tree[i, j])} {_written(kinds, tree, tree[i, j], j)})"


Prices = tuple[int | None, int | None]
"""The fma of a second tangent and of a second adjoint, None where there is none."""
_ENTRIES: Prices = (None, None)
"""The prices of what has no calls."""


def formed(rows: int, cols: int, prices: Prices) -> int:
    """The price of forming a dense second derivative: of all pairs of columns, or of each column in each row."""
    tangent, adjoint = prices
    pairs = [] if tangent is None else [cols * (cols + 1) // 2 * tangent]
    lines = [] if adjoint is None else [rows * cols * adjoint]
    return min(pairs + lines, default=0)


def _pushed(m: int, p: int, n: int, prices: Prices) -> int:
    """The least price of F''[J, J] for F'' of m x p x p and J of p x n."""
    last = m * p * (n * (n + 1) // 2)
    ways = [formed(m, p, prices) + m * p * p * n + last]
    if prices[0] is not None:
        ways += [n * (n + 1) // 2 * prices[0], p * n * prices[0] + last]
    if prices[1] is not None:
        ways += [m * n * prices[1] + last]
    return min(ways)


def _weighted(m: int, p: int, n: int, prices: Prices) -> int:
    """The least price of J · F'' for J of m x p and F'' of p x n x n."""
    ways = [formed(p, n, prices) + m * p * (n * (n + 1) // 2)]
    if prices[1] is not None:
        ways += [m * n * prices[1]]
    return min(ways)


def _pushed_weighted(rows: int, m: int, p: int, n: int, prices: Prices) -> int:
    """The least price of Y · F''[J, J] for Y of rows x m, F'' of m x p x p and J of p x n, which has calls."""
    half, last = n * (n + 1) // 2, rows * m * (n * (n + 1) // 2)
    ways = [
        _weighted(rows, m, p, prices) + rows * p * p * n + rows * p * half,
        _pushed(m, p, n, prices) + last,
    ]
    if prices[0] is not None:
        ways += [p * n * prices[0] + rows * m * p * n + rows * p * half]
    if prices[1] is not None:
        ways += [rows * n * prices[1] + rows * p * half, m * n * prices[1] + rows * m * p * n + rows * p * half]
    return min(ways)


def least_with_carried_rows(
    sizes: Sequence[int],
    weights: bool = False,
    any_order: bool = False,
    calls: Sequence[Prices] = (),
    at: int | None = None,
) -> int:
    """The price of the cheapest plan of a dense chain with every part formed or weighted, and any rows carried.

    Behind the last elemental there is a link of one row, without a second derivative, where there are `weights`. What
    the splits need, Jacobians of parts and rows behind them, is made with any others: by the splits of a tree, rows
    from the Jacobian of any of its parts, or else in `any_order` of each other. Second derivatives have `calls` or,
    without prices, entries. Only plans whose last split is `at` a vertex are looked at, if that is given.
    """
    bent = len(sizes) - 1
    if len(sizes) == 2 and not weights:
        return formed(sizes[1], sizes[0], calls[0] if calls else _ENTRIES)
    sizes = [*sizes, *([1] if weights else [])]
    q, rows = len(sizes) - 1, sizes[-1]
    prices = {some: _products(sizes, some, None) for some in _subsets(_longer(q))} if any_order else {}
    best = None
    for tree in trees(0, q):
        if at not in (None, tree[0, q]):
            continue
        if not any_order:
            nodes = {node for node in tree if node != (0, q)}
            carried = {(k, q) for k in range(1, q - 1)}
            prices = {some: _products(sizes, some, tree) for some in _subsets(nodes | carried)}
        for whole in _formed_parts(tree, q):
            price, needed = 0, set[Interval]()
            for (i, j), k in tree.items():
                n, p, m = sizes[i], sizes[k], sizes[j]
                own = calls[k] if calls and j - k == 1 and k < bent else _ENTRIES
                if k < bent:
                    needed.add((i, k))
                if (i, j) in whole:
                    price += _pushed(m, p, n, own) + _weighted(m, p, n, calls[i] if calls and k - i == 1 else _ENTRIES)
                    needed.add((k, j))
                    continue
                needed.add((k, q))
                if k < bent and j < q and own != _ENTRIES:
                    price += _pushed_weighted(rows, m, p, n, own)
                elif k < bent:
                    price += _pushed(rows, p, n, own)
            for i, j, after in _weighed(tree, whole, q):
                own = calls[i] if calls and j - i == 1 and i < bent else _ENTRIES
                if i < bent and not (after and own != _ENTRIES):
                    price += _weighted(rows, sizes[j], sizes[i], own)
            needed = {(i, j) for i, j in needed if j - i > 1}
            price += min(made for some, made in prices.items() if made is not None and needed <= some)
            best = price if best is None else min(best, price)
    assert best is not None
    return best


def _longer(q: int) -> set[Interval]:
    return {(i, j) for i in range(q) for j in range(i + 2, q + 1) if (i, j) != (0, q)}


def _subsets(some: set[Interval]) -> Iterator[frozenset[Interval]]:
    for count in range(len(some) + 1):
        yield from map(frozenset, combinations(sorted(some), count))


def _formed_parts(tree: Tree, q: int) -> Iterator[set[Interval]]:
    """Every set of nodes of a tree, none at the end of the chain, that has with a node all nodes inside of it."""
    nodes = [node for node in tree if node[1] != q]
    for some in _subsets(set(nodes)):
        if all(other in some for i, j in some for other in nodes if i <= other[0] and other[1] <= j):
            yield set(some)


def _weighed(tree: Tree, whole: set[Interval], q: int) -> Iterator[tuple[int, int, bool]]:
    """The parts that are multiplied by rows: those that are formed, or single, inside of one that is not.

    Each comes with whether it is the later one of a split.
    """
    for (i, j), k in tree.items():
        if (i, j) not in whole:
            parts = (i, k, False), (k, j, True)
            yield from (part for part in parts if part[1] != q and (part[:2] in whole or part[:2] not in tree))


def _products(sizes: Sequence[int], some: frozenset[Interval], tree: Tree | None) -> int | None:
    """The price of some Jacobians, each made of two others or of elementals; None where one cannot be made.

    With a tree the Jacobian of a part is made by its split, and rows from others by that of any part.
    """
    q, total = len(sizes) - 1, 0
    for i, j in some:
        ways = [
            sizes[j] * sizes[k] * sizes[i]
            for k in range(i + 1, j)
            if (k - i == 1 or (i, k) in some) and (j - k == 1 or (k, j) in some)
            if tree is None or (j == q and (k - i == 1 or (i, k) in tree)) or (j != q and tree[i, j] == k)
        ]
        if not ways:
            return None
        total += min(ways)
    return total


def fma_of_lists(spec: Mapping[str, Any]) -> int:
    """The multiply-adds of the steps of a plan file, counted entry by entry on its own sets of entries."""
    blocks: list[Any] = []
    total = 0
    for step in spec["steps"]:
        made, price = _made(step, blocks, spec["patterns"])
        blocks.append(made)
        total += price
    return total


def _made(step: Mapping[str, Any], blocks: list[Any], patterns: Mapping[str, Any]) -> tuple[set[Any], int]:
    """The entries of a step's block, and its multiply-adds."""
    op = step["op"]
    if op in ("load", "load_second"):
        return patterns[step["elemental"] + ("" if op == "load" else "''")], 0
    if op == "given":
        return patterns[f"{step['vertex']}:weights"], 0
    if op == "multiply":
        pairs = [(i, k, j) for i, at in blocks[step["left"]] for k, j in blocks[step["right"]] if k == at]
        onto = set() if step["onto"] is None else blocks[step["onto"]]
        return onto | {(i, j) for i, _, j in pairs}, len(pairs)
    if op == "add":
        return blocks[step["left"]] | blocks[step["right"]], 0
    if op == "exchange":
        return {(i, k, j) for i, j, k in blocks[step["second"]]}, 0
    second, block, half = blocks[step["second"]], blocks[step["block"]], step["symmetric"]
    if step["side"] == "rows":
        terms = [(r, j, k) for i, j, k in second for r, at in block if at == i]
        made, price = set(terms), sum(j <= k for _, j, k in terms) if half else len(terms)
    elif step["side"] in ("left", "right"):
        left = step["side"] == "left"
        terms = [(i, c, k) if left else (i, j, c) for i, j, k in second for at, c in block if at == (j if left else k)]
        made, price = set(terms), sum(j <= k for _, j, k in terms) if half else len(terms)
    else:
        assert step["side"] == "both"
        first = [(i, j, c) for i, j, k in second for at, c in block if at == k]
        terms = [(i, b, c) for i, j, c in set(first) for at, b in block if at == j]
        made, price = set(terms), len(first) + (sum(b <= c for _, b, c in terms) if half else len(terms))
    return made | (set() if step["onto"] is None else blocks[step["onto"]]), price
