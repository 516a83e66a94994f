"""The operations of which plans for second derivatives of graphs are made, with what they cost, written down or not.

Searches price far more plans than are written. So each operation works out the block that it makes and adds up its fma,
and writes its step only where there is a recorder.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from chainplan.plans.accumulations import cheapest_mode
from chainplan.plans.recorder import Recorder
from chainplan.plans.second_colours import TakenSides, calls_of, colours_for, product_on_sides
from chainplan.plans.second_steps import ApplySecond
from chainplan.problem.cost import FMA
from chainplan.problem.graph import Elemental, Mode
from chainplan.problem.mixed_second import OwnSecond
from chainplan.structures import Block
from chainplan.structures.second import SecondBlock, Side, contraction


class HeldJacobian(NamedTuple):
    """A first-order edge: its block, and the handle of the step that made it."""

    block: Block
    handle: int = 0


class HeldSecond(NamedTuple):
    """A second-order edge: what stands at its column sides, its block, and the handle of the step that made it."""

    left: str
    right: str
    block: SecondBlock
    handle: int = 0

    @property
    def ends(self) -> tuple[str, str]:
        """What stands at both column sides."""
        return self.left, self.right


class FreeSecond(NamedTuple):
    """The matrix-free second derivative of an elemental, with the directions at its column sides, None for open ones.

    `ends` are what stands at its column sides.
    """

    name: str
    own: OwnSecond
    ends: tuple[str, str]
    left: HeldJacobian | None = None
    right: HeldJacobian | None = None


@dataclass
class SecondWriter:
    """Writes steps where there is a recorder, and adds up their fma.

    `counted` says whether all of it has been counted exactly.
    """

    recorder: Recorder | None = None
    price: int = 0
    counted: bool = True
    _own: dict[str, HeldJacobian] = field(default_factory=dict)

    def copy(self) -> SecondWriter:
        """Return a writer that goes on from here, and only counts."""
        return replace(self, recorder=None, _own=dict(self._own))

    def has(self, e: Elemental) -> bool:
        """Whether an elemental has been loaded or accumulated."""
        return e.name in self._own

    def loaded(self, e: Elemental) -> HeldJacobian:
        """Load an elemental, or accumulate it in the cheaper mode, once."""
        if e.name not in self._own:
            handle = 0
            if e.explicit:
                handle = 0 if self.recorder is None else self.recorder.load(e.name)
            else:
                mode = cheapest_mode(e)
                self.price += FMA.accumulate(e, mode)
                handle = 0 if self.recorder is None else self.recorder.accumulate(e.name, mode)
            self._own[e.name] = HeldJacobian(e.block, handle)
        return self._own[e.name]

    def own_second(self, name: str, own: OwnSecond) -> HeldSecond | FreeSecond:
        """Load the second derivative of an elemental or of a pair of arguments, unless it is matrix-free."""
        if not own.explicit:
            return FreeSecond(name, own, (own.left, own.right))
        handle = 0 if self.recorder is None else self.recorder.load_second(name)
        return HeldSecond(own.left, own.right, own.block, handle)

    def applied_second(
        self,
        free: FreeSecond,
        mode: Mode,
        rows: HeldJacobian | None = None,
        left: HeldJacobian | None = None,
        right: HeldJacobian | None = None,
    ) -> HeldSecond:
        """Apply a matrix-free second derivative to blocks on some of its sides; its column sides stay named as before.

        The colours of open sides are the fewest known, so that nothing is proven where there are some.
        """
        own, alike = free.own, left is not None and left is right
        sizes = TakenSides(
            None if rows is None else rows.block.rows,
            None if left is None else left.block.cols,
            None if right is None else right.block.cols,
            alike,
        )
        colours = colours_for(own.block, mode, sizes)
        self.price += calls_of(own.block, mode, sizes, colours) * (own.price(mode.value) or 0)
        held = {Side.ROWS: rows, Side.LEFT: left, Side.RIGHT: right}
        by = {side: one.block for side, one in held.items() if one is not None}
        block = product_on_sides(own.block, by, alike)
        exact = all(one.structure.exact for one in by.values())
        self.counted = self.counted and own.block.pattern is None and block.exact and exact
        handle = 0
        if self.recorder is not None:
            on = [None if one is None else one.handle for one in held.values()]
            step = ApplySecond(free.name, mode, on[0], on[1], on[2], colours.rows, colours.columns)
            handle = self.recorder.apply_second(step)
        return HeldSecond(own.left, own.right, block, handle)

    def given(self, vertex: str, side: Side, block: Block) -> HeldJacobian:
        """Take the weights or directions at a vertex."""
        return HeldJacobian(block, 0 if self.recorder is None else self.recorder.given(vertex, side))

    def tangent(self, e: Elemental, arg: HeldJacobian, onto: HeldJacobian | None) -> HeldJacobian:
        """Multiply an elemental by a block on the right, by its tangents where it is matrix-free and has some."""
        if e.tangent is None:
            return self.multiply(self.loaded(e), arg, onto)
        self.price += FMA.propagate(e, arg.block, Mode.TANGENT)
        handle = 0 if self.recorder is None else self.recorder.propagate(e.name, arg.handle, Mode.TANGENT)
        made = HeldJacobian(e.block.times(arg.block), handle)
        return made if onto is None else self.total(onto, made)

    def adjoint(self, e: Elemental, arg: HeldJacobian, onto: HeldJacobian | None) -> HeldJacobian:
        """Multiply a block by an elemental on the right, by its adjoints where it is matrix-free and has some."""
        if e.adjoint is None:
            return self.multiply(arg, self.loaded(e), onto)
        self.price += FMA.propagate(e, arg.block, Mode.ADJOINT)
        handle = 0 if self.recorder is None else self.recorder.propagate(e.name, arg.handle, Mode.ADJOINT)
        made = HeldJacobian(arg.block.times(e.block), handle)
        return made if onto is None else self.total(onto, made)

    def multiply(self, left: HeldJacobian, right: HeldJacobian, onto: HeldJacobian | None = None) -> HeldJacobian:
        """Multiply two first-order blocks, onto another one if that is given."""
        block, handle = left.block.times(right.block), 0
        self.price += FMA.multiply(left.block, right.block)
        self.counted = self.counted and block.structure.exact
        if self.recorder is not None:
            handle = self.recorder.multiply(left.handle, right.handle, None if onto is None else onto.handle)
        return HeldJacobian(block if onto is None else onto.block.plus(block), handle)

    def total(self, one: HeldJacobian, other: HeldJacobian) -> HeldJacobian:
        """Add two first-order blocks."""
        handle = 0 if self.recorder is None else self.recorder.add(one.handle, other.handle)
        return HeldJacobian(one.block.plus(other.block), handle)

    def contract(
        self,
        pair: HeldSecond,
        by: HeldJacobian,
        side: Side,
        ends: tuple[str, str],
        halved: bool = False,
        onto: HeldSecond | None = None,
    ) -> HeldSecond:
        """Contract a second-order edge such that its column sides are at `ends` then, onto another one if given."""
        made = contraction(pair.block, by.block, side, halved)
        self.price += made.fma
        self.counted = self.counted and made.counted and made.block.exact and by.block.structure.exact
        block, handle = made.block, 0
        if self.recorder is not None:
            place = None if onto is None else onto.handle
            handle = self.recorder.contract(pair.handle, by.handle, side, halved, place)
        return HeldSecond(*ends, block if onto is None else block.plus(onto.block), handle)

    def total_second(self, one: HeldSecond, other: HeldSecond, symmetric: bool = False) -> HeldSecond:
        """Add two second-order edges of the same sides; the sum of one and its exchange is `symmetric`."""
        handle = 0 if self.recorder is None else self.recorder.add(one.handle, other.handle)
        block = one.block.plus(other.block)
        return one._replace(block=block._replace(symmetric=True) if symmetric else block, handle=handle)

    def exchanged(self, pair: HeldSecond) -> HeldSecond:
        """Exchange the column sides of a second-order edge."""
        handle = 0 if self.recorder is None else self.recorder.exchange(pair.handle)
        return HeldSecond(pair.right, pair.left, pair.block.exchanged(), handle)
