"""A Jacobian as one graph of PyTorch operations, simplified: what is computed twice, or known, is not computed again.

PyTorch runs operation by operation, and starting one takes microseconds. So equal operations become one, factories of
constants become constants, products with ones and sums with zeros go, and an operation is called by the function of
`torch` that starts it faster than its ATen overload does. The graph is a module of torch.fx, which runs under
torch.compile and torch.vmap like any other.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from chainplan.torch.errors import NotTraced
from chainplan.torch.operations import LAID_OUT, VIEWS, checks, is_mutable, is_needed, name_of, names
from chainplan.torch.trace import TensorFunction, traced
from chainplan.torch.types import Value

MAX_CONSTANT_ENTRIES = 1 << 22
"""The most entries of a constant that is kept with a program."""

_SHAPED = names("new_zeros new_ones new_full ones_like zeros_like full_like")
_FACTORIES = names("scalar_tensor full ones zeros eye arange")
_OF_CONSTANTS = names(
    "fill diagonal diagonal_scatter view reshape permute transpose t unsqueeze squeeze expand eq "
    "lift_fresh_copy _to_copy detach alias clone copy slice select zeros_like ones_like unsqueeze_copy"
)
_COPIES = names("alias lift_fresh_copy")
_OF_TORCH = names(
    "add sub mul div neg exp log sin cos tan tanh sigmoid sqrt rsqrt reciprocal pow square abs relu mm "
    "bmm mv dot addmm addmv baddbmm matmul t permute transpose unsqueeze view reshape _unsafe_view "
    "expand_as where sum mean index_select cat stack constant_pad_nd maximum minimum gt lt ge le eq ne "
    "index_add clone erf cosh sinh atan asin acos log1p expm1"
)
"""The operations whose functions in `torch` take the arguments of their ATen overloads."""


def program(
    function: TensorFunction, leaves: Sequence[Tensor], constants: Mapping[str, Tensor] | None = None
) -> GraphModule:
    """Trace a function that computes a Jacobian, and simplify its graph.

    `constants` are further arguments of the function, which the program holds.

    Raises
    ------
    NotTraced
        If the program would give tensors of no device, as tangents of `native_group_norm` are traced.
    """
    held = constants or {}
    made = traced(function, [*leaves, *held.values()])
    if any(getattr(node.kwargs.get("device"), "type", "") == "meta" for node in made.graph.nodes):
        raise NotTraced("a formula of PyTorch mistakes the device while it is traced")
    _hold(made, held)
    if not any(is_mutable(node) for node in made.graph.nodes):
        _fold(made)
        _rewrite(made)
        _merge(made)
        _own_results(made)
    made.graph.eliminate_dead_code(is_needed)
    _call_functions(made)
    made.recompile()
    for name, value in list(made.named_buffers()) + list(made.named_parameters()):
        made.__dict__[name] = value  # found at once, where nn.Module searches its tables
    return made


def _hold(made: GraphModule, constants: Mapping[str, Tensor]) -> None:
    """Turn the last arguments of a program into attributes."""
    arguments = [node for node in made.graph.nodes if node.op == "placeholder"]
    for number, (node, value) in enumerate(
        zip(arguments[len(arguments) - len(constants) :], constants.values(), strict=True)
    ):
        name = f"_held{number}"
        setattr(made, name, value) if isinstance(value, torch.nn.Parameter) else made.register_buffer(name, value)
        with made.graph.inserting_before(node):
            attribute = made.graph.get_attr(name)
        attribute.meta["val"] = node.meta["val"]
        node.replace_all_uses_with(attribute)
        made.graph.erase_node(node)


def _fold(made: GraphModule) -> None:
    """Compute what follows from factories alone, and keep it as a constant."""
    values: dict[Node, Value] = {}
    for node in list(made.graph.nodes):
        name = name_of(node)
        shaped = name in _SHAPED
        known = all(operand in values for operand in node.all_input_nodes)
        if not (shaped or (name in _FACTORIES and known) or (name in _OF_CONSTANTS and known and node.all_input_nodes)):
            continue
        if node.meta["val"].numel() > MAX_CONSTANT_ENTRIES:
            continue
        args, kwargs = torch.fx.map_arg((node.args, node.kwargs), lambda n: values[n] if n in values else _stand_in(n))
        values[node] = node.target(*args, **kwargs)
    for number, (node, value) in enumerate(values.items()):
        if any(user not in values for user in node.users):
            made.register_buffer(f"_known{number}", value.contiguous(), persistent=False)
            with made.graph.inserting_before(node):
                constant = made.graph.get_attr(f"_known{number}")
            constant.meta["val"] = node.meta["val"]
            node.replace_all_uses_with(constant)


def _stand_in(node: Node) -> Tensor:
    """Return a tensor of the shape, dtype and device of a node; its values are not read."""
    value: Tensor = node.meta["val"]
    return torch.empty(value.shape, dtype=value.dtype, device=value.device)


def _rewrite(made: GraphModule) -> None:
    """Leave out what changes nothing: copies, products with ones, sums with zeros, views and casts to the same."""
    for node in list(made.graph.nodes):
        instead = _instead(made, node)
        if instead is not None:
            node.replace_all_uses_with(instead)


def _instead(made: GraphModule, node: Node) -> Node | None:
    """Return the operand that a node is equal to, None where it computes something."""
    name = name_of(node)
    operands = [operand for operand in node.args if isinstance(operand, Node)]
    if name in _COPIES:
        return operands[0]
    if name in ("mul", "add"):
        for i, one in enumerate(operands):
            other = operands[1 - i] if len(operands) == 2 else None
            if other is not None and _alike(other, node) and _all(made, one, 1 if name == "mul" else 0):
                return other
    if name == "copy" and _alike(operands[1], node):
        return operands[1]
    unchanged = names("view reshape expand _unsafe_view squeeze slice _to_copy sum")
    if name in unchanged and _alike(operands[0], node) and (name != "sum" or node.meta["val"].numel() == 1):
        return operands[0]
    if name == "select" and name_of(operands[0]) in LAID_OUT and _alike(operands[0].args[0], node):
        return operands[0].args[0]
    if name == "permute" and list(node.args[1]) == sorted(node.args[1]):
        return operands[0]
    if name in LAID_OUT and name_of(operands[0]) in LAID_OUT:
        node.args = (operands[0].args[0], node.args[1])
    return None


def _alike(one: Node, other: Node) -> bool:
    """Say whether two nodes have results of one shape, dtype and device."""
    a, b = one.meta.get("val"), other.meta.get("val")
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return False
    return bool(a.shape == b.shape and a.dtype == b.dtype and a.device == b.device)


def _all(made: GraphModule, node: Node, number: int) -> bool:
    """Say whether a node is a constant of the program that holds one number alone."""
    if node.op != "get_attr" or not str(node.target).startswith("_known"):
        return False
    return bool((getattr(made, str(node.target)) == number).all())


def _merge(made: GraphModule) -> None:
    """Let equal operations on equal operands be one."""
    seen: dict[Value, Node] = {}
    for node in list(made.graph.nodes):
        if node.op == "get_attr":
            key: Value = ("get_attr", id(getattr(made, node.target)))
        elif node.op == "call_function" and not checks(node):
            key = (node.target, *_hashable(node.args), *_hashable(sorted(node.kwargs.items())))
        else:
            continue
        try:
            first = seen.setdefault(key, node)
        except TypeError:
            continue
        if first is not node:
            node.replace_all_uses_with(first)


def _hashable(value: Value) -> Value:
    if isinstance(value, tuple | list):
        return tuple(map(_hashable, value))
    return (type(value), value)


def _own_results(made: GraphModule) -> None:
    """Copy results that are views of an argument, of a constant or of one another: each belongs to the caller."""
    (end,) = (node for node in made.graph.nodes if node.op == "output")
    results, taken = [], set()
    for result in end.args[0]:
        part, base = _origin(result)
        if part in taken or base.op != "call_function" or name_of(result) == "expand":
            with made.graph.inserting_before(end):
                copy = made.graph.call_function(torch.clone, (result,), {"memory_format": torch.contiguous_format})
            copy.meta["val"] = result.meta["val"]
            result = copy
        taken.add(part)
        results.append(result)
    end.args = (type(end.args[0])(results),)


def _origin(node: Node) -> tuple[Node, Node]:
    """Return the part of a tensor, and the whole of it, that a node is a view of."""
    part = None
    while name_of(node) in VIEWS or node.target is operator.getitem:
        if part is None and node.target is operator.getitem:
            part = node
        node = node.args[0]
    return part or node, node


def _call_functions(made: GraphModule) -> None:
    """Call operations by functions of `torch`, which take the same arguments."""
    for node in made.graph.nodes:
        name = name_of(node)
        if name in _OF_TORCH:
            node.target = getattr(torch, "reshape" if name in LAID_OUT else name)
