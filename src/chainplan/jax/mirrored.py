"""The graph of a symmetric product JᵀWJ: the graph of a function, weights, and a transposed copy of that graph.

Every path from an argument through a result and back to an argument is a term of the product, so that a plan for this
graph may bracket it anywhere, as in ((J₁ᵀ · (J₂ᵀ W J₂)) · J₁). Every vertex but the ends has a mirror image, and so has
every block of a plan. A run of a plan names its blocks by what they are on paper, products by their factors and sums by
their terms: the mirror image of a block that was made before is its transpose, and a block that is its own mirror image
is symmetric. Neither is computed in full. Orders that go through a vertex and its mirror image together profit most, so
that some of them compete with what a search for the whole graph finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jax import Array

from chainplan.jax.emit import TracedRun
from chainplan.jax.forms import HeldBlock, HeldDiagonal, transposed
from chainplan.jax.linearise import LinearisedFunction
from chainplan.jax.products import product, total
from chainplan.jax.symmetric import symmetric_product, symmetrised
from chainplan.plans.candidate import Candidate
from chainplan.plans.steps import Accumulate, Add, Again, Decompress, Load, Multiply, Propagate, Seed
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from chainplan.solvers.elimination.propagation_graph import propagation_plan
from chainplan.structures import Block, from_spec

if TYPE_CHECKING:
    from jax.typing import DTypeLike

MIRROR = "'"
"""What the name of a mirror image ends with."""
MAX_GREEDY_VERTICES = 300
"""The most vertices of a graph that is gone through in greedy order."""


@dataclass(frozen=True, eq=False)
class MirroredFunction:
    """A linearised function and the graph of the symmetric product of its Jacobian.

    `weights` names the elemental of each result's weights, None where no path leads to the result.
    """

    forward: LinearisedFunction
    graph: Graph
    weights: tuple[str | None, ...]

    @property
    def outputs(self) -> tuple[str | None, ...]:
        """The mirror images of the arguments' vertices."""
        return tuple(None if name is None else name + MIRROR for name in self.forward.inputs)


def mirrored_function(linearised: LinearisedFunction, words: Sequence[str]) -> MirroredFunction | None:
    """Make the graph of a symmetric product, None where the Jacobian is zero.

    `words` are the structures of the weights of all results, in the words of a spec.
    """
    graph = linearised.graph
    if graph is None:
        return None
    weights = [
        None if end is None else _weights(f"w{i}", end, graph.sizes[end], word)
        for i, (end, word) in enumerate(zip(linearised.outputs, words, strict=True))
    ]
    sizes = {**graph.sizes, **{vertex + MIRROR: size for vertex, size in graph.sizes.items()}}
    ends = tuple(vertex + MIRROR for vertex in graph.inputs)
    elementals = (*graph.elementals, *filter(None, weights), *map(_mirror_image, reversed(graph.elementals)))
    names = tuple(None if e is None else e.name for e in weights)
    return MirroredFunction(linearised, Graph(sizes, graph.inputs, ends, elementals), names)


def _weights(name: str, vertex: str, size: int, word: str) -> Elemental:
    """Make the elemental of a result's weights."""
    return Elemental(name, vertex, vertex + MIRROR, Block(size, size, from_spec(word, None, (size, size), None)))


def _mirror_image(e: Elemental) -> Elemental:
    return replace(
        e,
        name=e.name + MIRROR,
        source=e.target + MIRROR,
        target=e.source + MIRROR,
        block=e.block.transpose(),
        tangent=e.adjoint,
        adjoint=e.tangent,
        values=None if e.values is None else e.values + MIRROR,
    )


def symmetric_plans(graph: Graph, first: Callable[[], Sequence[str]]) -> Iterator[Candidate]:
    """Yield plans that go through every vertex together with its mirror image.

    They go through the vertices of the function as a plan of its Jacobian does, whose order `first` gives; from the
    results back to the arguments; and where the pair is cheapest.
    """
    for order in (_paired_order(graph, first()), _paired_order(graph, graph.order[::-1]), _greedy_order(graph)):
        if order is not None:
            plan = order_plan(graph, order) if graph.explicit else propagation_plan(graph, order)
            yield Candidate(plan, FMA)


def _paired_order(graph: Graph, names: Sequence[str]) -> list[int]:
    """Return the order of a work graph that goes through pairs of vertices, as their first ones come; others last."""
    work = WorkGraph(graph)
    order = [work.index[v] for name in names for v in (name, name + MIRROR) if work.index.get(v) in work.middle]
    return [*dict.fromkeys(order), *sorted(work.middle - set(order))]


def _greedy_order(graph: Graph) -> list[int] | None:
    """Return the order that goes through the cheapest pair next, the first of equal ones; None for large graphs."""
    work = WorkGraph(graph)
    if len(work.middle) > MAX_GREEDY_VERTICES:
        return None
    pairs = {v: work.index.get(work.names[v] + MIRROR) for v in work.middle if not work.names[v].endswith(MIRROR)}
    prices = {v: work.price(v) for v in pairs}
    order: list[int] = []
    while prices:
        v = min(prices, key=lambda vertex: (prices[vertex], vertex))
        del prices[v]
        near = {*work.into[v], *work.out[v]}
        for one in (v, pairs[v]):
            if one is not None:
                order.append(one)
                work.eliminate(one)
        for other in near & prices.keys():
            prices[other] = work.price(other)
    return [*order, *sorted(work.middle)]


def symmetric_blocks(
    mirrored: MirroredFunction,
    candidate: Candidate,
    values: dict[int, Array],
    weights: Mapping[str, HeldBlock],
    dtype: DTypeLike,
) -> dict[tuple[str, str], HeldBlock]:
    """Run a plan of a symmetric product at a point; what is known to be symmetric is so to the bit.

    Parameters
    ----------
    values : dict[int, Array]
        The values of the trace, by number.
    weights : Mapping[str, HeldBlock]
        The symmetric blocks of the weights, by the names of their elementals.
    dtype : DTypeLike
        The dtype of entries that no value decides.

    Returns
    -------
    dict
        (mirror image of an argument, argument) -> block, for every pair that a path connects.
    """
    run = _SymmetricRun(mirrored, candidate, values, weights, dtype)
    made = run.blocks()
    return {
        (output, source): symmetrised(made[at], dtype) if run.is_symmetric(at) else made[at]
        for output, source, at in candidate.plan.outputs
    }


class _Names:
    """Numbers for what blocks are on paper, each with the number of its transpose."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, tuple[int | str, ...]], int] = {}
        self.twins: list[int] = []
        self._parts: list[tuple[str, tuple[int | str, ...]]] = []

    def of(self, kind: str, parts: tuple[int | str, ...], twin: tuple[int | str, ...]) -> int:
        """Return the number of what consists of some parts and whose transpose consists of others."""
        for each in (parts, twin):
            if (kind, each) not in self._numbers:
                self._numbers[kind, each] = len(self._parts)
                self._parts.append((kind, each))
                self.twins.append(-1)
        one, other = self._numbers[kind, parts], self._numbers[kind, twin]
        self.twins[one], self.twins[other] = other, one
        return one

    def identity(self) -> int:
        """Return the number of an identity, the product of nothing."""
        return self.of("product", (), ())

    def product(self, left: int, right: int) -> int:
        """Return the number of a product; brackets make no difference."""
        factors = self._inner("product", left) + self._inner("product", right)
        if len(factors) == 1:
            return factors[0]
        return self.of("product", factors, tuple(self.twins[factor] for factor in reversed(factors)))

    def sum(self, left: int, right: int) -> int:
        """Return the number of a sum; neither brackets nor the order make a difference."""
        terms = tuple(sorted(self._inner("sum", left) + self._inner("sum", right)))
        return self.of("sum", terms, tuple(sorted(self.twins[term] for term in terms)))

    def _inner(self, kind: str, number: int) -> tuple[int, ...]:
        own, parts = self._parts[number]
        return tuple(part for part in parts if isinstance(part, int)) if own == kind else (number,)


class _SymmetricRun(TracedRun):
    """One run of a plan in which transposes of blocks are not computed again."""

    def __init__(
        self,
        mirrored: MirroredFunction,
        candidate: Candidate,
        values: dict[int, Array],
        weights: Mapping[str, HeldBlock],
        dtype: DTypeLike,
    ) -> None:
        super().__init__(mirrored.forward, candidate, values, dtype)
        self._weights = weights
        self._names = _Names()
        self._numbers: list[int] = []
        self._known: dict[int, HeldBlock] = {}

    def is_symmetric(self, position: int) -> bool:
        """Say whether the block of a step is its own mirror image."""
        return self._own_image(self._numbers[position])

    def load(self, step: Load) -> HeldBlock:
        name = step.elemental
        if name in self._weights:
            block = self._weights[name]
            unit = isinstance(block, HeldDiagonal) and block.vector is None
            number = self._names.identity() if unit else self._names.of("load", (name,), (name,))
            return self._noted(number, lambda: block)
        return self._noted(self._elemental(name), lambda: self._turned(name, self._load))

    def accumulate(self, step: Accumulate) -> HeldBlock:
        own = step.mode if not step.elemental.endswith(MIRROR) else _other(step.mode)
        return self._noted(
            self._elemental(step.elemental),
            lambda: self._turned(step.elemental, lambda name: self._apply(name, None, own)),
        )

    def propagate(self, step: Propagate) -> HeldBlock:
        own, arg = self._elemental(step.elemental), self._numbers[step.arg]
        number = self._names.product(*((own, arg) if step.mode is Mode.TANGENT else (arg, own)))
        return self._noted(number, lambda: self._propagated(step.elemental, self._held(step.arg), step.mode))

    def multiply(self, step: Multiply) -> HeldBlock:
        left, right = self._numbers[step.left], self._numbers[step.right]
        number = self._names.product(left, right)
        block = self._found(number, lambda: self._product(step, number))
        if step.onto is None:
            return self._noted(number, lambda: block)
        return self._noted(
            self._names.sum(self._numbers[step.onto], number),
            lambda: total(self._held(step.onto or 0), block, self._dtype),
        )

    def add(self, step: Add) -> HeldBlock:
        number = self._names.sum(self._numbers[step.left], self._numbers[step.right])
        return self._noted(number, lambda: total(self._held(step.left), self._held(step.right), self._dtype))

    def seed(self, step: Seed) -> HeldBlock:
        return self._alone(super().seed(step))

    def decompress(self, step: Decompress) -> HeldBlock:
        return self._alone(super().decompress(step))

    def again(self, step: Again) -> HeldBlock:
        return self._noted(self._numbers[step.arg], lambda: self._held(step.arg))

    def _product(self, step: Multiply, number: int) -> HeldBlock:
        left, right = self._held(step.left), self._held(step.right)
        if not self._own_image(number):
            return product(left, right, self._dtype)
        square = self._numbers[step.left] == self._names.twins[self._numbers[step.right]]
        return symmetric_product(left, right, self._dtype, square)

    def _propagated(self, name: str, arg: HeldBlock, mode: Mode) -> HeldBlock:
        if not name.endswith(MIRROR):
            return super()._propagated(name, arg, mode)
        return transposed(super()._propagated(name.removesuffix(MIRROR), transposed(arg), _other(mode)))

    def _turned(self, name: str, make: Callable[[str], HeldBlock]) -> HeldBlock:
        """Make the block of an elemental; that of a mirror image is the transpose of the original's."""
        own = name.removesuffix(MIRROR)
        return make(own) if own == name else transposed(make(own))

    def _elemental(self, name: str) -> int:
        own = self._plan.graph[name].first
        image = own.removesuffix(MIRROR) if own.endswith(MIRROR) else own + MIRROR
        return self._names.of("load", (own,), (image,))

    def _own_image(self, number: int) -> bool:
        return self._names.twins[number] == number

    def _noted(self, number: int, make: Callable[[], HeldBlock]) -> HeldBlock:
        """Note the number of the step, and return its block."""
        self._numbers.append(number)
        return self._found(number, make)

    def _found(self, number: int, make: Callable[[], HeldBlock]) -> HeldBlock:
        """Return the block of a number, made before, as the transpose of one made before, or made now."""
        if number not in self._known:
            twin = self._known.get(self._names.twins[number])
            self._known[number] = make() if twin is None else transposed(twin)
        return self._known[number]

    def _alone(self, block: HeldBlock) -> HeldBlock:
        """Note a step whose block is not looked for elsewhere."""
        place = f"step {len(self._numbers)}"
        return self._noted(self._names.of("step", (place,), (place + MIRROR,)), lambda: block)


def _other(mode: Mode) -> Mode:
    return Mode.ADJOINT if mode is Mode.TANGENT else Mode.TANGENT
