"""Types the steps of a plan: what each makes, a block between two vertices, its price, and the adds of a sum.

A step that breaks a rule of the plan language is refused, so that every block is a sum of products along paths from its
`source` vertex to its `target` vertex.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from chainplan.errors.arguments import describe
from chainplan.plans.places import MAX_AGAIN_DEPTH, BlockPlaces
from chainplan.plans.second_colours import SecondColours, TakenSides, calls_of, product_on_sides, unfit_colours
from chainplan.plans.second_steps import ApplySecond, Contract, Exchange, Given, LoadSecond
from chainplan.plans.state_steps import Advance, Read, Restore, Store, Write
from chainplan.plans.steps import (
    MAX_DECOMPRESSED_LINES,
    MAX_DECOMPRESSED_NONZEROS,
    Accumulate,
    Add,
    Again,
    Application,
    Decompress,
    Direction,
    Interpreter,
    Load,
    Multiply,
    Propagate,
    Seed,
    Step,
)
from chainplan.problem.cost import CostModel
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.mixed_second import OwnSecond
from chainplan.problem.second import SecondOrder
from chainplan.structures import Block, Identity, sum_adds
from chainplan.structures.second import SecondBlock, Side, contraction


class Compression(NamedTuple):
    """The step of a seed, by whose colours a block is compressed, and the whole block."""

    seed: int
    whole: Block


class SecondOrderEnd(NamedTuple):
    """The vertex on the right column side of a second-order block, and the block before it is laid out flat."""

    right: str
    block: SecondBlock


class Typed(NamedTuple):
    """A block between two vertices, of size(target) x size(source), that holds paths from source to target.

    On the compressed side of a compressed block the colours of the step `seed` stand for the vertex (see `colours_of`),
    and `whole` is the block that it compresses; the compressed block itself counts as dense.

    Of a second-order block `source` is the vertex of the left column side, `block` is the flat one, of rows x
    (cols · cols), and `second` has the rest.

    What holds the vector of a product counts as dense, because nothing is known of the entries of vectors.

    A step that moves states makes no block; `block` is then the working state after it, of size x 1.
    """

    target: str
    source: str
    block: Block
    special: Compression | SecondOrderEnd | Literal["state", "vector"] | None = None
    """What sets it apart from the plain blocks that plans make by the million."""

    @property
    def seed(self) -> int | None:
        """The step of the seed of a compressed block."""
        return self.special.seed if isinstance(self.special, Compression) else None

    @property
    def whole(self) -> Block | None:
        """The block that a compressed block compresses."""
        return self.special.whole if isinstance(self.special, Compression) else None

    @property
    def second(self) -> SecondOrderEnd | None:
        """What a second-order block has besides, None of any other block."""
        return self.special if isinstance(self.special, SecondOrderEnd) else None

    @property
    def state(self) -> bool:
        """Whether the step moves states."""
        return self.special == "state"


def colours_of(seed: int) -> str:
    """Return the name that stands for the vertex on the compressed side of a block; no vertex can have it."""
    return f"\0colours of #{seed}"


VECTOR_SIDE = "\0vectors"
"""What stands for a vertex on the side of a block where the vector of a product came in; no vertex has this name."""


SIDE_ENDS = {Side.ROWS: "\0weights", Side.LEFT: "\0left", Side.RIGHT: "\0right"}
"""What stands for a vertex where weights or directions came in; no vertex has such a name."""


class Broken(Exception):
    """A rule of the plan language that a step breaks."""


MadeBlock = tuple[Typed, int, int]
"""What a step makes, its price, and its adds, which only a sum without a product has."""


class Typing(Interpreter[MadeBlock]):
    """What a step makes from the blocks `made` by all steps before it.

    Parameters
    ----------
    graph : Graph
        The linearised DAG.
    steps : Sequence[Step]
        All steps.
    cost : CostModel
        The prices of the steps.
    program : Mode | None
        The mode of the program to which the steps belong, None for those of a set-up or of a plan without programs.
    second : SecondOrder | None
        The second derivative that the plan is for.
    """

    def __init__(
        self,
        graph: Graph,
        steps: Sequence[Step],
        cost: CostModel,
        program: Mode | None = None,
        second: SecondOrder | None = None,
    ) -> None:
        self.made: list[Typed] = []
        self._second = second
        self._graph, self._cost = graph, cost
        self._program = program
        self._steps, self._places = steps, BlockPlaces(graph, steps)

    def load(self, step: Load) -> MadeBlock:
        e = self._elemental(step.elemental)
        if e.tangent is not None or e.adjoint is not None:
            raise Broken(f"'{e.name}' is matrix-free and cannot be loaded; accumulate it.")
        return Typed(e.target, e.source, e.block), 0, 0

    def accumulate(self, step: Accumulate) -> MadeBlock:
        e = self._applied(step)
        return Typed(e.target, e.source, e.block), self._cost.accumulate(e, step.mode), 0

    def propagate(self, step: Propagate) -> MadeBlock:
        e, arg = self._applied(step), self._operand(step.arg, "arg")
        if arg.special == "vector" and min(arg.block.rows, arg.block.cols) > 1:
            raise Broken(f"arg is {step.arg}, the matrix of a contraction; expected a vector. Multiply its rows first.")
        price = self._cost.propagate(e, arg.block, step.mode)
        if step.mode is Mode.TANGENT:
            if arg.target != e.source:
                raise Broken(f"arg ends at '{arg.target}', but a tangent of '{e.name}' starts at '{e.source}'.")
            return _joined(Typed(e.target, e.source, e.block), arg), price, 0
        if arg.source != e.target:
            raise Broken(f"arg starts at '{arg.source}', but an adjoint of '{e.name}' starts at '{e.target}'.")
        return _joined(arg, Typed(e.target, e.source, e.block)), price, 0

    def multiply(self, step: Multiply) -> MadeBlock:
        left_place, right_place, onto_place = step
        left, right = self._operand(left_place, "left"), self._operand(right_place, "right")
        if left.source != right.target:
            raise Broken(
                f"left block starts at '{left.source}', but right block ends at '{right.target}'; they must meet."
            )
        product = _joined(left, right)
        plain = product.special is None
        price = self._cost.multiply(left.block, right.block, product.block if plain else None)
        if onto_place is None:
            return product, price, 0
        onto, target, source = self._operand(onto_place, "onto"), product.target, product.source
        if onto.target != target or onto.source != source:
            raise Broken(
                f"the product leads '{source}' -> '{target}', but onto leads '{onto.source}' -> '{onto.target}'; they "
                "must agree."
            )
        price += self._cost.add(product.block, onto.block)
        if not plain:
            return _summed(onto, product), price, 0
        total = onto.block.plus(product.block)
        return (onto if total is onto.block else Typed(target, source, total)), price, 0

    def add(self, step: Add) -> MadeBlock:
        left, right = self._any_operand(step.left, "left"), self._any_operand(step.right, "right")
        if left.second is not None or right.second is not None:
            total, price, adds = self._add_seconds(left, right)
            exchanged = self._exchanges(step.left, step.right) or self._exchanges(step.right, step.left)
            return (_symmetric(total) if exchanged else total), price, adds
        if (left.target, left.source) != (right.target, right.source):
            raise Broken(
                f"left leads '{left.source}' -> '{left.target}', right '{right.source}' -> '{right.target}'; a sum "
                "needs blocks between the same vertices."
            )
        return _summed(left, right), self._cost.add(left.block, right.block), sum_adds(left.block, right.block)

    def seed(self, step: Seed) -> MadeBlock:
        size = self._size(step.vertex)
        _require_mode(step.mode)
        colours = max(step.colours, default=-1) + 1
        if len(step.colours) != size or min(step.colours, default=0) < -1 or colours > size:
            raise Broken(
                f"its colours do not fit; expected one from -1 for each of the {size} entries of '{step.vertex}'."
            )
        if not colours:
            raise Broken(f"no entry of '{step.vertex}' has a colour, so that nothing is swept; expected at least one.")
        place, price = len(self.made), self._cost.seed(size, colours)
        compression = Compression(place, Block(size, size, Identity()))
        if step.mode is Mode.TANGENT:
            return Typed(step.vertex, colours_of(place), Block(size, colours), compression), price, 0
        return Typed(colours_of(place), step.vertex, Block(colours, size), compression), price, 0

    def decompress(self, step: Decompress) -> MadeBlock:
        sides = []
        for role, position in (("tangent", step.tangent), ("adjoint", step.adjoint)):
            if position is not None:
                arg = self._operand(position, role)
                side = arg.source if role == "tangent" else arg.target
                if arg.whole is None or arg.seed is None or side != colours_of(arg.seed):
                    raise Broken(f"{role} is {position}, which is not compressed by a seed of that mode.")
                near = self.made[arg.seed]
                ends = (arg.target, near.target) if role == "tangent" else (near.source, arg.source)
                sides.append(Typed(*ends, arg.whole))
        if not sides:
            raise Broken("neither tangent nor adjoint is given; expected at least one compressed block.")
        if sides[0][:2] != sides[-1][:2]:
            raise Broken("tangent and adjoint are compressions of blocks between different vertices.")
        block = sides[0].block
        if not block.structure.exact:
            raise Broken(f"a block with at most {block.nnz:,} nonzeros is decompressed; expected a known pattern.")
        if max(block.rows, block.cols) > MAX_DECOMPRESSED_LINES or block.nnz > MAX_DECOMPRESSED_NONZEROS:
            raise Broken(
                f"a block of {block.rows:,} x {block.cols:,} with {block.nnz:,} nonzeros is decompressed; expected at "
                f"most {MAX_DECOMPRESSED_LINES:,} rows and columns and {MAX_DECOMPRESSED_NONZEROS:,} nonzeros."
            )
        return sides[0], self._cost.decompress(block), 0

    def again(self, step: Again) -> MadeBlock:
        arg, ends = self._any_operand(step.arg, "arg"), f"'{step.source}' -> '{step.target}'"
        if arg.special is not None and (arg.second is None or arg.second.right != arg.source):
            raise Broken(f"arg is {step.arg}, which is compressed or has two column sides, and stands at one place.")
        if self._places.depth(step.arg) >= MAX_AGAIN_DEPTH:
            raise Broken(f"blocks that stand again are more than {MAX_AGAIN_DEPTH} deep; expected fewer.")
        if self._places.moved(len(self.made)) is None:
            raise Broken(
                f"arg leads '{arg.source}' -> '{arg.target}', and no elementals equal to those in it lead {ends}; "
                "expected some that meet likewise."
            )
        moved = arg._replace(source=step.source, target=step.target)
        if arg.second is not None:
            moved = moved._replace(special=arg.second._replace(right=step.source))
        return moved, 0, 0

    def direction(self, step: Direction) -> MadeBlock:
        size, (vertex, mode) = self._size(step.vertex), step
        _require_mode(mode)
        if mode is not self._program:
            where = "the set-up" if self._program is None else f"a program of {self._program.value}s"
            raise Broken(f"a {mode.value} brings in a vector, but stands in {where}; expected it in one of its mode.")
        if vertex not in (self._graph.inputs if mode is Mode.TANGENT else self._graph.outputs):
            side = "input" if mode is Mode.TANGENT else "output"
            raise Broken(f"'{vertex}' is no {side}; a {mode.value} brings in a vector at an {side}.")
        if mode is Mode.TANGENT:
            return Typed(vertex, VECTOR_SIDE, Block(size, 1), "vector"), 0, 0
        return Typed(VECTOR_SIDE, vertex, Block(1, size), "vector"), 0, 0

    def load_second(self, step: LoadSecond) -> MadeBlock:
        own = self._graph.own_second(step.elemental)
        if own is None:
            raise Broken(f"'{step.elemental}' is no elemental of the problem, and no pair of arguments.")
        if not own.explicit:
            raise Broken(f"the second derivative of '{step.elemental}' is matrix-free and cannot be loaded; apply it.")
        return _second(own.target, own.left, own.right, own.block), 0, 0

    def apply_second(self, step: ApplySecond) -> MadeBlock:
        own, mode = self._graph.own_second(step.elemental), step.mode
        _require_mode(mode)
        price = None if own is None else own.tangent if mode is Mode.TANGENT else own.adjoint
        if own is None or price is None:
            raise Broken(f"'{step.elemental}' has no second {mode.value}; expected one that the problem gives a price.")
        if step.on_right is not None and self._operand(step.on_right, "on_right").special == "vector":
            return self._apply_to_vector(step, own, price)
        if (step.on_rows if mode is Mode.TANGENT else step.on_left) is not None:
            side = "rows" if mode is Mode.TANGENT else "left"
            raise Broken(f"a second {mode.value} takes no block on the side '{side}'; contract it afterwards.")
        sides = (Side.ROWS, step.on_rows), (Side.LEFT, step.on_left), (Side.RIGHT, step.on_right)
        taken = {at: self._plain_operand(arg, f"on_{at.value}") for at, arg in sides if arg is not None}
        ends = {Side.ROWS: own.target, Side.LEFT: own.left, Side.RIGHT: own.right}
        for at, typed in taken.items():
            near = typed.source if at is Side.ROWS else typed.target
            if near != ends[at]:
                raise Broken(f"on_{at.value} meets '{near}', but the elemental is at '{ends[at]}'; they must meet.")
            ends[at] = typed.target if at is Side.ROWS else typed.source
        lines = {at: typed.block.rows if at is Side.ROWS else typed.block.cols for at, typed in taken.items()}
        alike = step.on_left is not None and step.on_left == step.on_right
        sizes = TakenSides(lines.get(Side.ROWS), lines.get(Side.LEFT), lines.get(Side.RIGHT), alike)
        colours = SecondColours(step.row_colours, step.colours)
        wrong = unfit_colours(own.block, mode, sizes, colours)
        if wrong:
            raise Broken(f"{wrong} Leave them out for one each.")
        made = product_on_sides(own.block, {at: typed.block for at, typed in taken.items()}, alike)
        fma = price * calls_of(own.block, mode, sizes, colours)
        return _second(ends[Side.ROWS], ends[Side.LEFT], ends[Side.RIGHT], made), self._cost.apply_second(fma), 0

    def _apply_to_vector(self, step: ApplySecond, own: OwnSecond, price: int) -> MadeBlock:
        """Apply a second adjoint to one row and the vector of a product, which makes a row."""
        row = None if step.on_rows is None else self._plain_operand(step.on_rows, "on_rows")
        vector = self._operand(step.on_right or 0, "on_right")
        if step.mode is not Mode.ADJOINT or step.on_left is not None or step.row_colours or step.colours:
            raise Broken("it is applied to the vector of a product; expected an adjoint of a row and of that alone.")
        if (own.block.rows if row is None else row.block.rows) != 1:
            raise Broken("it is applied to several rows and the vector of a product; expected one row.")
        if vector.source != VECTOR_SIDE or vector.target != own.right or (row is not None and row.source != own.target):
            raise Broken(f"on_right ends at '{vector.target}', but the elemental is at '{own.right}'; they must meet.")
        target = own.target if row is None else row.target
        return Typed(target, own.left, Block(1, own.block.left), "vector"), self._cost.apply_second(price), 0

    def given(self, step: Given) -> MadeBlock:
        vertex, side = step
        size, asked = self._size(vertex), self._second
        if side is Side.ROWS and asked is not None and asked.weights and vertex in self._graph.outputs:
            return Typed(SIDE_ENDS[side], vertex, Block(1, size)), 0, 0
        count = None if asked is None or side not in (Side.LEFT, Side.RIGHT) else getattr(asked, side.value)
        if count is None or vertex not in self._graph.inputs:
            named = side.value if isinstance(side, Side) else describe(side)
            raise Broken(f"nothing is given on the side '{named}' at '{vertex}'; expected what the problem asks for.")
        return Typed(vertex, SIDE_ENDS[side], Block(size, count)), 0, 0

    def contract(self, step: Contract) -> MadeBlock:
        if not isinstance(step.side, Side):
            raise Broken(f"side is {describe(step.side)}; expected a Side. Write Side.BOTH, say.")
        typed, block = self._second_operand(step.second, "second"), self._operand(step.block, "block")
        target, left, second = typed.target, typed.source, typed.special
        assert isinstance(second, SecondOrderEnd)
        if block.special == "vector":
            return self._contract_vector(step, typed, block)
        if block.special is not None:
            raise Broken(f"block is {step.block}, which is compressed; expected a plain block.")
        alike = left == second.right and second.block.symmetric and step.side in (Side.ROWS, Side.BOTH)
        if step.symmetric and not alike and not self._other_half(step):
            raise Broken(f"second is {step.second}, and the result is not known to be symmetric; say so nowhere else.")
        if step.side is Side.BOTH and left != second.right:
            raise Broken(f"second is {step.second}, whose sides are at two vertices; contract one after the other.")
        ends = {Side.ROWS: target, Side.LEFT: left, Side.RIGHT: second.right, Side.BOTH: left}
        near = block.source if step.side is Side.ROWS else block.target
        if near != ends[step.side]:
            raise Broken(
                f"block meets '{near}', but the side '{step.side.value}' of the second-order block is at "
                f"'{ends[step.side]}'; they must meet."
            )
        right = second.right if step.side in (Side.ROWS, Side.LEFT) else block.source
        left = left if step.side in (Side.ROWS, Side.RIGHT) else block.source
        made = contraction(second.block, block.block, step.side, step.symmetric).block
        result = _second(block.target if step.side is Side.ROWS else target, left, right, made)
        price = self._cost.contract(second.block, block.block, step.side, step.symmetric)
        if step.onto is None:
            return result, price, 0
        onto = self._second_operand(step.onto, "onto")
        total, _, _ = self._add_seconds(result, onto)
        return total, price + self._cost.add(result.block, onto.block), 0

    def _contract_vector(self, step: Contract, typed: Typed, vector: Typed) -> MadeBlock:
        """Contract a column side with the vector of a product, which leaves a block of rows x (the other side)."""
        second = typed.second
        assert second is not None
        if step.side not in (Side.LEFT, Side.RIGHT) or step.symmetric or vector.source != VECTOR_SIDE:
            raise Broken(f"block is {step.block}, which holds a vector; expected a column, for one column side.")
        left = step.side is Side.RIGHT
        near, far = (second.right, typed.source) if left else (typed.source, second.right)
        if vector.target != near:
            raise Broken(
                f"block ends at '{vector.target}', but the side '{step.side.value}' is at '{near}'; they meet."
            )
        rows, cols = second.block.rows, second.block.left if left else second.block.right
        result = Typed(typed.target, far, Block(rows, cols), "vector")
        price = self._cost.contract(second.block, vector.block, step.side, False)
        if step.onto is None:
            return result, price, 0
        onto = self._operand(step.onto, "onto")
        if (onto.target, onto.source, onto.special) != (result.target, result.source, "vector"):
            raise Broken(f"onto is {step.onto}, which does not hold a vector of the same place; they must agree.")
        return result, price + self._cost.add(result.block, onto.block), 0

    def _other_half(self, step: Contract) -> bool:
        """Whether a step multiplies on the left what the same block on the right of a symmetric one has made."""
        once = self._steps[step.second]
        if step.side is Side.LEFT and isinstance(once, ApplySecond):
            return once.on_left is None and once.on_right == step.block
        if step.side is not Side.LEFT or not isinstance(once, Contract) or once.side is not Side.RIGHT:
            return False
        whole = self.made[once.second]
        symmetric = whole.second is not None and whole.second.block.symmetric and whole.source == whole.second.right
        return symmetric and once.block == step.block and once.onto is None

    def _exchanges(self, one: int, other: int) -> bool:
        """Whether one step exchanges the column sides of the other."""
        step = self._steps[one]
        return isinstance(step, Exchange) and step.second == other

    def exchange(self, step: Exchange) -> MadeBlock:
        typed = self._second_operand(step.second, "second")
        assert typed.second is not None
        return _second(typed.target, typed.second.right, typed.source, typed.second.block.exchanged()), 0, 0

    def _add_seconds(self, left: Typed, right: Typed) -> MadeBlock:
        """Add two second-order blocks, which must lie between the same vertices."""
        one, other = left.special, right.special
        if not isinstance(one, SecondOrderEnd) or not isinstance(other, SecondOrderEnd):
            raise Broken("a second-order block is added to one of first order; expected two of one kind.")
        if (*left[:2], one.right) != (*right[:2], other.right):
            raise Broken(
                f"one block leads '{left.source}', '{one.right}' -> '{left.target}', the other '{right.source}', "
                f"'{other.right}' -> '{right.target}'; a sum needs blocks between the same vertices."
            )
        total = _second(left.target, left.source, one.right, one.block.plus(other.block))
        return total, self._cost.add(left.block, right.block), sum_adds(left.block, right.block)

    def advance(self, step: Advance) -> MadeBlock:
        e = self._elemental(step.elemental)
        return self._state(e.target), self._cost.advance(e), 0

    def store(self, step: Store) -> MadeBlock:
        return self._state(step.vertex), 0, 0

    def restore(self, step: Restore) -> MadeBlock:
        return self._state(step.vertex), 0, 0

    def write(self, step: Write) -> MadeBlock:
        return self._state(step.vertex), self._moved(step.vertex), 0

    def read(self, step: Read) -> MadeBlock:
        return self._state(step.vertex), self._moved(step.vertex), 0

    def _moved(self, vertex: str) -> int:
        """Return the price of moving a state to or from the disk."""
        return self._cost.transfer(self._size(vertex) * self._graph.transfer)

    def _state(self, vertex: str) -> Typed:
        return Typed(vertex, vertex, Block(self._size(vertex), 1), "state")

    def _size(self, vertex: str) -> int:
        if vertex not in self._graph.sizes:
            raise Broken(f"'{vertex}' is no vertex of the problem.")
        return self._graph.sizes[vertex]

    def _operand(self, position: int, role: str) -> Typed:
        """Return a first-order block that a step reads."""
        typed = self._any_operand(position, role)
        if type(typed.special) is SecondOrderEnd:
            raise Broken(f"{role} is {position}, a second-order block; expected a block of rows x cols. Contract it.")
        return typed

    def _plain_operand(self, position: int, role: str) -> Typed:
        """Return a first-order block that multiplies a side of one of second order."""
        typed = self._operand(position, role)
        if typed.special is not None:
            raise Broken(f"{role} is {position}, which is compressed or holds a vector; expected a plain block.")
        return typed

    def _second_operand(self, position: int, role: str) -> Typed:
        typed = self._any_operand(position, role)
        if typed.second is None:
            raise Broken(f"{role} is {position}, a block of rows x cols; expected a second-order block.")
        return typed

    def _any_operand(self, position: int, role: str) -> Typed:
        made = self.made
        if not 0 <= position < len(made):
            raise Broken(f"{role} is {position}; expected an earlier step (0 to {len(made) - 1}).")
        typed = made[position]
        if typed.special == "state":
            raise Broken(
                f"{role} is {position}, which moves a state and makes no block; expected a step that makes one."
            )
        return typed

    def _elemental(self, name: str) -> Elemental:
        e = self._graph.named.get(name)
        if e is None:
            raise Broken(f"'{name}' is no elemental of the problem.")
        return e

    def _applied(self, step: Application) -> Elemental:
        """Return the matrix-free elemental whose tangent or adjoint a step applies."""
        e, mode = self._elemental(step.elemental), step.mode
        _require_mode(mode)
        if e.explicit:
            raise Broken(f"'{e.name}' is explicit and has no {mode.value}; load it.")
        if e.per_vector(mode) is None:
            raise Broken(f"'{e.name}' has no {mode.value}; use the other mode.")
        return e


def _require_mode(mode: object) -> None:
    if not isinstance(mode, Mode):
        raise Broken(f"mode is {describe(mode)}; expected a Mode. Write Mode.TANGENT or Mode.ADJOINT.")


def _joined(left: Typed, right: Typed) -> Typed:
    """Return the product of two blocks that meet; a compressed factor makes a compressed product."""
    if left.special is right.special is None:
        return Typed(left.target, right.source, left.block.times(right.block))
    block = Block(left.block.rows, right.block.cols)
    if "vector" in (left.special, right.special):
        if left.special == right.special:
            raise Broken("left and right both hold the vector of a product; expected one that does not.")
        if left.special == "vector" and left.block.rows > 1:
            raise Broken("left is the matrix of a contraction; expected a row. Multiply its rows first.")
        return Typed(left.target, right.source, block, "vector")
    if left.whole is not None and right.whole is not None:
        raise Broken("left and right are both compressed; decompress one before they multiply.")
    whole = (left.whole or left.block).times(right.whole or right.block)
    return Typed(left.target, right.source, block, _compression(left, whole) or _compression(right, whole))


def _second(target: str, left: str, right: str, block: SecondBlock) -> Typed:
    """Return a second-order block between its three vertices."""
    return Typed(target, left, block.flat, SecondOrderEnd(right, block))


def _symmetric(typed: Typed) -> Typed:
    """Return a block that is the sum of one and the same one with its column sides exchanged."""
    assert typed.second is not None
    return _second(typed.target, typed.source, typed.second.right, typed.second.block._replace(symmetric=True))


def _summed(left: Typed, right: Typed) -> Typed:
    """Return the sum of two blocks between the same vertices, which is compressed where they are."""
    if left.special == "vector":
        return Typed(left.target, left.source, left.block, "vector")
    whole = None if left.whole is None or right.whole is None else left.whole.plus(right.whole)
    special = None if whole is None else _compression(left, whole)
    return Typed(left.target, left.source, left.block.plus(right.block), special)


def _compression(typed: Typed, whole: Block) -> Compression | None:
    """Return the compression by the same colours of another whole block, None where a block is not compressed."""
    return typed.special._replace(whole=whole) if isinstance(typed.special, Compression) else None
