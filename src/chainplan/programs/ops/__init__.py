"""Ops are operations with values: each says what a layer computes and which elemental Jacobians its linearisation has.

Each has a file, and all stand in one table, `OPS`; other packages take the table, `Op` and `OpEdge` from here.
"""

from chainplan.programs.ops.base import RESULT_VERTEX, Op, OpEdge, inner_vertices
from chainplan.programs.ops.registry import OPS

__all__ = ["OPS", "RESULT_VERTEX", "Op", "OpEdge", "inner_vertices"]
