"""Operations with values: what a layer computes, and the elemental Jacobians that it is made of; one table."""

from chainplan.ops.base import RESULT, Edge, Op, inner_vertices
from chainplan.ops.table import OPS

__all__ = ["OPS", "RESULT", "Edge", "Op", "inner_vertices"]
