"""The bracket tree of a chain's plan: which block is multiplied by which, what each product costs.

Leaves are elementals in the order of the product. Of a tree of more than `MAX_WHOLE_TREE_LEAVES` leaves the costly part
is drawn: boxes are opened, the dearest first, until `MAX_TREE_EXCERPT_LEAVES` of them are on the page; a box that stays
closed says what is in it. What a product costs stands above it, on the side that the edge to it does not come from, so
that no edge crosses it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush

from chainplan.plans.replay import Replay
from chainplan.plans.steps import Accumulate, Again, Application, Decompress, Load, Multiply, Plan, Propagate
from chainplan.problem.graph import Mode
from chainplan.report.html.markup import Drawing, text
from chainplan.report.words.figures import brief, figure

MAX_WHOLE_TREE_LEAVES, MAX_TREE_EXCERPT_LEAVES = 16, 11
"""Leaves of the largest tree that is drawn as a whole, and of the drawing of a larger one."""
_LEAF_WIDTH, _LEVEL_HEIGHT, _TREE_TOP = 92, 62, 58


@dataclass
class _TreeNode:
    """A block of the tree: that of step `of`, or the elemental which that step propagates where `side` is given.

    `turned` is a left factor, to which an edge leads down from the right.
    """

    of: int
    side: str | None = None
    turned: bool = False
    parts: list[_TreeNode] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0


def picture(plan: Plan, replayed: Replay, unit: str, most: int | None = None) -> tuple[Drawing, str]:
    """Draw the tree of a plan, with at most so many leaves, and say in a caption what the drawing leaves out."""
    inside = _inside(plan, replayed)
    root, closed = _opened(plan, inside, most)
    leaves, depth = _place(root)
    width, height = max(320.0, 30 + _LEAF_WIDTH * leaves), _TREE_TOP + 68.0 + _LEVEL_HEIGHT * depth
    parts: list[str] = []
    todo = [root]
    while todo:
        node = todo.pop()
        for part in node.parts:
            parts.insert(0, f'<path class="branch" d="M{node.x:.1f} {node.y:.1f}L{part.x:.1f} {part.y:.1f}"/>')
            todo.append(part)
        parts.append(_drawn(node, plan, replayed, inside, unit))
    words = "Each circle is a product of what hangs below it, left factor on the left; larger circles cost more."
    if closed:
        boxes = "1 box with more in it stays" if closed == 1 else f"{closed:,} boxes with more in them stay"
        words += f" Only the dearest products are drawn: {boxes} closed."
    return Drawing("".join(parts), width, height, "Bracket tree of the plan"), words


def _factors(plan: Plan, node: _TreeNode) -> list[_TreeNode]:
    if node.side is not None:
        return []
    match plan.steps[node.of]:
        case Multiply(left, right, None):
            return [_TreeNode(left), _TreeNode(right)]
        case Propagate(_, arg, Mode.TANGENT):
            return [_TreeNode(node.of, "tangent"), _TreeNode(arg)]
        case Propagate(_, arg, Mode.ADJOINT):
            return [_TreeNode(arg), _TreeNode(node.of, "adjoint")]
    return []


def _inside(plan: Plan, replayed: Replay) -> list[tuple[int, int]]:
    """Sum up (price, elementals) of all that each step is made of; a block that stands again has its price once."""
    sums: list[tuple[int, int]] = []
    for position, step in enumerate(plan.steps):
        below = [sums[n.of] for n in _factors(plan, _TreeNode(position)) if n.side is None]
        if isinstance(step, Again):
            sums.append((0, sums[step.arg][1]))
            continue
        own = 1 if isinstance(step, Load | Application | Decompress) else 0
        sums.append((replayed.prices[position] + sum(b[0] for b in below), own + sum(b[1] for b in below)))
    return sums


def _opened(plan: Plan, inside: list[tuple[int, int]], most: int | None) -> tuple[_TreeNode, int]:
    """Return the root with the dearest boxes opened, and how many boxes with factors in them stay closed."""
    root = _TreeNode(plan.outputs[0].step)
    queue = [(-inside[root.of][0], 0, root)]
    leaves, count, closed = 1, 0, 0
    if most is None:
        whole = len(plan.graph.useful) <= MAX_WHOLE_TREE_LEAVES
        most = MAX_WHOLE_TREE_LEAVES if whole else MAX_TREE_EXCERPT_LEAVES
    while queue:
        _, _, node = heappop(queue)
        factors = _factors(plan, node)
        if not factors:
            continue
        if leaves >= most:
            closed += 1
            continue
        node.parts = factors
        factors[0].turned = True
        leaves += len(factors) - 1
        for factor in factors:
            count += 1
            heappush(queue, (-inside[factor.of][0] if factor.side is None else 1, count, factor))
    return root, closed


def _place(root: _TreeNode) -> tuple[int, int]:
    """Give every node its place without recursion; return the number of leaves and the depth."""
    ordered: list[tuple[_TreeNode, int]] = []
    todo = [(root, 0)]
    while todo:
        node, depth = todo.pop()
        ordered.append((node, depth))
        todo += [(part, depth + 1) for part in reversed(node.parts)]
    leaves = 0
    for node, depth in ordered:
        node.y = float(_TREE_TOP + _LEVEL_HEIGHT * depth)
        if not node.parts:
            node.x = 15 + _LEAF_WIDTH * (leaves + 0.5)
            leaves += 1
    for node, _ in reversed(ordered):
        if node.parts:
            node.x = sum(part.x for part in node.parts) / len(node.parts)
    return leaves, max(depth for _, depth in ordered)


def _drawn(node: _TreeNode, plan: Plan, replayed: Replay, inside: list[tuple[int, int]], unit: str) -> str:
    total = max(1, replayed.total)
    if node.parts:
        price = replayed.prices[node.of]
        radius = 5 + 15 * (price / total) ** 0.5
        side, beside = ("right", node.x - 3) if node.turned else ("left", node.x + 3)
        above = node.y - radius - 4
        title = f"step {node.of}: {figure(price)} {unit}, {100 * price / total:.1f} % of the plan"
        return (
            f'<g data-step="{node.of}" class="node"><title>{text(title)}</title>'
            f'<circle class="dot" cx="{node.x:.1f}" cy="{node.y:.1f}" r="{radius:.1f}"/>'
            f'<text class="small {side} halo" x="{beside:.1f}" y="{above - 13:.1f}">#{node.of}</text>'
            f'<text class="small {side} halo" x="{beside:.1f}" y="{above:.1f}">{brief(price)}</text></g>'
        )
    lines = _leaf(node, plan, replayed, inside)
    height = 6 + 14 * len(lines)
    words = (
        f'<text class="{"small" if i else "name"}" x="{node.x:.1f}" y="{node.y + 14 * i:.1f}">{text(line, 12)}</text>'
        for i, line in enumerate(lines)
    )
    return (
        f'<g data-step="{node.of}" class="node"><title>{text(", ".join(lines), 200)}</title>'
        f'<rect class="leaf" x="{node.x - 42:.1f}" y="{node.y - 14:.1f}" width="84" height="{height}" rx="4"/>'
        f"{''.join(words)}</g>"
    )


def _leaf(node: _TreeNode, plan: Plan, replayed: Replay, inside: list[tuple[int, int]]) -> tuple[str, ...]:
    """Return the lines in a box: the elemental and how it is taken, or what is in a closed box."""
    match plan.steps[node.of], node.side:
        case Load(name), None:
            return name, "loaded"
        case Accumulate(name, mode), None:
            return name, f"by {mode.value}s"
        case Propagate(name, _, mode), str():
            return name, mode.value
        case Again(arg), None:
            return f"#{arg}", "again"
    price, elementals = inside[node.of]
    if isinstance(plan.steps[node.of], Decompress):
        return "coloured", f"sweep #{node.of}", brief(price)
    return f"{elementals:,}", "factors", brief(price)
