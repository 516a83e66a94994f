"""What is known of ATen operations by their names, and what a node of a graph calls."""

from __future__ import annotations

from torch.fx import Node


def names(words: str) -> frozenset[str]:
    """Return the set of some words."""
    return frozenset(words.split())


LAID_OUT = names("view reshape _unsafe_view")
"""The operations that give the same entries another shape."""
VIEWS = LAID_OUT | names(
    "permute transpose t unsqueeze squeeze expand slice select diagonal alias detach unbind split split_with_sizes "
    "as_strided narrow"
)
"""The operations whose results share memory with their operand."""
MATRIX_PRODUCTS = names("mm bmm mv dot addmm addmv baddbmm")
"""The products of matrices and vectors."""
LINEAR_ALGEBRA = ("linalg", "cholesky", "lu", "triangular", "qr", "svd", "eig", "matrix_exp", "householder")
"""Parts of the names of operations that take as many steps as a factorisation."""


def name_of(node: Node) -> str:
    """Return the name of the operation of a node without its overload; empty where it calls none."""
    packet = getattr(node.target, "overloadpacket", None)
    return str(packet.__name__) if node.op == "call_function" and packet is not None else ""


def is_mutable(node: Node) -> bool:
    """Say whether an operation writes into one of its operands."""
    schema = getattr(node.target, "_schema", None)
    return node.op == "call_function" and schema is not None and bool(schema.is_mutable)


def checks(node: Node) -> bool:
    """Say whether an operation is there for the error that it raises."""
    return name_of(node) == "_linalg_check_errors"


def is_needed(node: Node) -> bool:
    """Say whether a node stays in a graph although nothing uses its result."""
    return node.op in ("placeholder", "output") or is_mutable(node) or checks(node)
