"""Vertices on cycles: strongly connected blocks of a model are solved together, as one implicit elemental.

The vertices y of a group are given by residuals R(y, x) = y - f(y, x) = 0, so their Jacobian is -R_y⁻¹·R_x with
R_y = I - f_y and -R_x = f_x. The inverse is one elemental of N x N that is applied by a factorisation, in tangents (the
direct method) or in adjoints (the adjoint method), whichever the plan takes; f_x stays the blocks that it is made of.

References
----------
Griewank & Walther, Evaluating Derivatives, 2nd edition, chapter 15: implicit functions.
Martins & Hwang, Review and unification of methods for computing derivatives, AIAA Journal 51 (2013), section IV.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import block_array, csr_array, eye_array

from chainplan._util.arrays import Array
from chainplan.errors import ArgumentError, ExecutionError
from chainplan.kernels.factors import LuFactors, SingularError
from chainplan.kernels.storage import HeldValues
from chainplan.models.block_values import BlockPlace, DiagonalBlock, GivenBlocks, ModelBlock, given_value, read_block
from chainplan.problem.graph import Elemental, Mode
from chainplan.structures import Block
from chainplan.values.jacobians import NUMBER_KINDS, called, is_sparse
from chainplan.values.shifts_block import ShiftsBlock

SolvePair = tuple[Callable[[Array], Array], Callable[[Array], Array]]
"""Two functions of N x c: R_y⁻¹ and its transpose applied to columns."""


@dataclass(frozen=True, eq=False)
class ImplicitGroup:
    """Vertices that are solved together, with their sizes, and the places of the blocks between them."""

    sizes: Mapping[Hashable, int]
    places: tuple[BlockPlace, ...]

    @property
    def size(self) -> int:
        """The rows N of R_y."""
        return sum(self.sizes.values())

    def inverse(self, blocks: GivenBlocks, solvers: Mapping[Hashable, SolvePair]) -> tuple[SolvePair, int]:
        """Factor R_y, unless there is a solver; return tangent and adjoint of the inverse, and their fma per vector.

        Raises
        ------
        ArgumentError
            Where R_y is singular to rounding, or a block is of no kind that a model may have.
        ExecutionError
            Where a block, or what a function returns, has another shape.
        """
        given = next((solvers[vertex] for vertex in self.sizes if vertex in solvers), None)
        if given is not None:
            return (given[0], lambda block: np.asarray(given[1](block.T)).T), self.size**2
        try:
            factors = LuFactors(self._residuals(blocks))
        except SingularError as error:
            names = ", ".join(repr(vertex) for vertex in self.sizes)
            raise ArgumentError(
                f"blocks: found a singular system of {names}, which depend on each other ({error}); expected one that "
                "has a solution. Correct the blocks between them."
            ) from None
        return (factors.solve, factors.solve_left), factors.counts.solve

    def _residuals(self, blocks: GivenBlocks) -> csr_array:
        """Return I - f_y."""
        order = {vertex: i for i, vertex in enumerate(self.sizes)}
        sizes = list(self.sizes.values())
        parts: list[list[HeldValues]] = [[csr_array((m, n)) for n in sizes] for m in sizes]
        for output, source in self.places:
            shape = self.sizes[output], self.sizes[source]
            parts[order[output]][order[source]] = csr_array(
                _written_out((output, source), blocks[output, source], shape)
            )
        return csr_array(eye_array(self.size) - block_array(parts, format="csr"))


def _written_out(place: BlockPlace, value: ModelBlock, shape: tuple[int, int]) -> HeldValues:
    """Return a block of a model as an array or a sparse array of rows x cols."""
    if not isinstance(value, np.ndarray) and not is_sparse(value):
        read_block(place, value)
    held, (m, n), name = given_value(value), shape, f"{place[0]}/{place[1]}"
    if isinstance(held, tuple):
        tangent, adjoint = held
        e = Elemental(name, str(place[1]), str(place[0]), Block(m, n), tangent and 0, adjoint and 0)
        if tangent is None:
            return called(e, Mode.ADJOINT, adjoint, np.eye(m))
        return called(e, Mode.TANGENT, tangent, np.eye(n))
    if isinstance(held, ShiftsBlock):
        held = held.matrix(m, n)
    if held.shape == () or (isinstance(value, DiagonalBlock) and held.shape == (m,)):
        places = np.arange(m)
        held = csr_array((np.broadcast_to(held, (m,)), (places, places)), shape=(m, m))
    if held.shape != shape or held.dtype.kind not in NUMBER_KINDS:
        found = f"an array of dtype {held.dtype} and shape {held.shape}"
        raise ExecutionError(f"the block '{name}' is {found}; expected numbers of shape {shape}: rows x columns.")
    return held
