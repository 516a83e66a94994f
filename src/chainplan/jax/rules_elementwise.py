"""Which primitives work entry by entry, and which of their derivatives are known without a value."""

from __future__ import annotations

ELEMENTWISE_PRIMITIVES = frozenset(
    [
        "abs",
        "acos",
        "acosh",
        "add",
        "add_any",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "bessel_i0e",
        "bessel_i1e",
        "cbrt",
        "clamp",
        "cos",
        "cosh",
        "digamma",
        "div",
        "erf",
        "erf_inv",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "igamma",
        "igammac",
        "integer_pow",
        "lgamma",
        "log",
        "log1p",
        "logistic",
        "max",
        "min",
        "mul",
        "neg",
        "polygamma",
        "pow",
        "regularized_incomplete_beta",
        "rem",
        "rsqrt",
        "sin",
        "sinh",
        "sqrt",
        "square",
        "sub",
        "tan",
        "tanh",
    ]
)
"""The primitives of which every entry of the result depends on one entry of each operand."""

PARTLY_DIFFERENTIABLE = frozenset(("igamma", "igammac", "polygamma", "regularized_incomplete_beta"))
"""Those of them that JAX differentiates by some of their operands only."""

CONSTANT_PRIMITIVES = frozenset(("ceil", "floor", "round", "sign", "stop_gradient"))
"""The primitives whose derivative is zero wherever it exists."""

PRIMITIVE_SIGNS = {"neg": (-1,), "add": (1, 1), "add_any": (1, 1), "sub": (1, -1)}
"""By the name of a primitive: its derivative with respect to each operand, 1 or -1."""

TANGENT_PRIMITIVES = frozenset(
    ("neg", "add", "add_any", "sub", "mul", "div", "select_n", "convert_element_type", "copy")
)
"""The primitives of which the tangent of an elementwise function consists."""
