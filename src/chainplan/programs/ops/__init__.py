"""Operations with values: what a layer computes, and the elemental Jacobians that it is made of; one table."""

from chainplan.programs.ops.base import RESULT, Edge, Op, inner_vertices
from chainplan.programs.ops.registry import OPS

__all__ = ["OPS", "RESULT", "Edge", "Op", "inner_vertices"]
