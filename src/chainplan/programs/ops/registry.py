"""The table of ops; a new op is one class in a file beside this one, and one line here."""

from __future__ import annotations

from chainplan.programs.ops.arithmetic import AddOp, DivideOp, MultiplyOp, ScaleOp, SubtractOp
from chainplan.programs.ops.base import Op
from chainplan.programs.ops.conv import Conv1d, Conv2d
from chainplan.programs.ops.elementwise import Exp, Gelu, Log, Relu, Sigmoid, Softplus, Sqrt, Tanh
from chainplan.programs.ops.layer_norm import LayerNorm
from chainplan.programs.ops.linear import Linear
from chainplan.programs.ops.linear_solve import LinearSolve
from chainplan.programs.ops.losses import CrossEntropy, SquaredError
from chainplan.programs.ops.matmul import Matmul
from chainplan.programs.ops.max_pool import MaxPool
from chainplan.programs.ops.reductions import Cumsum, Mean, Sum
from chainplan.programs.ops.reorder import Reshape, Transpose
from chainplan.programs.ops.singular_values import SingularValues
from chainplan.programs.ops.slicing import Concat, Gather, Slice, SplitPart
from chainplan.programs.ops.softmax import LogSoftmax, Softmax

_OP_TYPES: tuple[type[Op], ...] = (
    Linear,
    Conv1d,
    Conv2d,
    Sigmoid,
    Tanh,
    Relu,
    Exp,
    Log,
    Sqrt,
    Softplus,
    Gelu,
    AddOp,
    SubtractOp,
    MultiplyOp,
    DivideOp,
    ScaleOp,
    Matmul,
    Sum,
    Mean,
    Cumsum,
    Concat,
    SplitPart,
    Slice,
    Gather,
    Reshape,
    Transpose,
    MaxPool,
    Softmax,
    LogSoftmax,
    LayerNorm,
    CrossEntropy,
    SquaredError,
    LinearSolve,
    SingularValues,
)

OPS: dict[str, type[Op]] = {op.name: op for op in _OP_TYPES}
