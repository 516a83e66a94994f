"""From a function of tensors to its graph of ATen operations, functionalised and without dead code.

The function is traced on shapes alone. Tensors that it reads beside its arguments are attributes of the graph, held by
reference: what is written into them later is seen. What cannot be a graph of pure operations has a reason,
`NotTraced`: steps that depend on values, random numbers, tensors of others that are changed in place, operations on
functions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from threading import Thread
from typing import TypeVar

import torch
from torch import Tensor
from torch.func import functionalize
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from chainplan.torch.errors import NotTraced
from chainplan.torch.operations import is_mutable, is_needed
from chainplan.torch.types import Value

TensorFunction = Callable[..., list[Tensor]]
"""A function of tensors that gives a list of tensors."""
MadeAside = TypeVar("MadeAside")

_BY_VALUES = ("_local_scalar_dense", "data-dependent", "DataDependent", "is_nonzero", "vmap: It looks like")


def examples(leaves: Sequence[Tensor]) -> list[Tensor]:
    """Return contiguous tensors of the same shapes, dtypes and devices, on which functions are traced."""
    return [torch.empty(leaf.shape, dtype=leaf.dtype, device=leaf.device) for leaf in leaves]


def aside(make: Callable[[], MadeAside]) -> MadeAside:
    """Call a function where no transformation of PyTorch is at work: they belong to a thread, so in one of its own."""
    made: list[MadeAside] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            made.append(make())
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return made[0]


def traced(function: TensorFunction, leaves: Sequence[Tensor]) -> GraphModule:
    """Trace a function to a graph of operations without side effects, as far as PyTorch can remove them."""
    made = graph_of(functionalize(function), leaves)
    if any(is_mutable(node) for node in made.graph.nodes):
        made = graph_of(functionalize(made), leaves)
    return made


def graph_of(function: TensorFunction, leaves: Sequence[Tensor]) -> GraphModule:
    """Trace a function on shapes alone, attention as products and a softmax, and leave out what nothing uses."""
    with sdpa_kernel(SDPBackend.MATH):
        made = make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)(*leaves)
    made.graph.eliminate_dead_code(is_needed)
    made.recompile()
    return made


def trace(function: TensorFunction, leaves: Sequence[Tensor]) -> GraphModule:
    """Trace the function that is to be differentiated.

    Raises
    ------
    NotTraced
        If it cannot be a graph of pure operations.
    """
    try:
        made = traced(function, leaves)
    except Exception as error:  # what a function of the user's own raises while it is traced may be anything
        words = f"{type(error).__name__}: {error}"
        raise NotTraced(words.splitlines()[0], any(sign in words for sign in _BY_VALUES)) from error
    for node in made.graph.nodes:
        if node.op != "call_function" or node.target is operator.getitem:
            continue
        if not isinstance(node.target, torch._ops.OpOverload):
            raise NotTraced(f"'{node.target}' is an operation on functions")
        if is_mutable(node):
            raise NotTraced(f"'{node.target}' changes a tensor that is not its own")
        if torch.Tag.nondeterministic_seeded in node.target.tags:
            raise NotTraced(f"'{node.target}' draws random numbers")
    return made


def known_values(graph: GraphModule) -> Callable[[Node], Tensor | None]:
    """Return what gives the value of a node that depends on no argument, None for all others."""
    values: dict[Node, Value] = {}

    def value(node: Node) -> Value:
        if node not in values:
            values[node] = _constant(graph, node, value)
        return values[node]

    return value


def _constant(graph: GraphModule, node: Node, value: Callable[[Node], Value]) -> Value:
    if node.op == "get_attr":
        return getattr(graph, str(node.target))
    if node.op != "call_function":
        return None
    operands = {operand: value(operand) for operand in node.all_input_nodes}
    if any(known is None for known in operands.values()):
        return None
    args, kwargs = torch.fx.map_arg((node.args, node.kwargs), operands.__getitem__)
    return node.target(*args, **kwargs)


def constants_of(graph: GraphModule) -> dict[str, Tensor]:
    """Return the tensors that a graph holds, by the name of the attribute."""
    names = [str(node.target) for node in graph.graph.nodes if node.op == "get_attr"]
    return {name: getattr(graph, name) for name in names}
