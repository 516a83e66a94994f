"""What kernels and conversions take: the regimes, their features, and the static table of the model `weighted`.

The time of a regime is a sum of non-negative rates times features: a price per call, prices per entry read or written,
a price per multiplication. A rate is written here in nanoseconds and kept as a whole number of femtoseconds, so that
prices are exact integers, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping

Rates = Mapping[str, tuple[int, ...]]
"""Per regime a whole number of femtoseconds per feature."""

SECOND = 1_000_000
"""Femtoseconds in a nanosecond."""

REGIMES: dict[str, tuple[str, ...]] = {
    "nothing": ("call",),
    "scale vector": ("call", "entry"),
    "scale matrix": ("call", "entry"),
    "scale parts": ("call", "entry"),
    "scale sparse": ("call", "nonzero"),
    "outer": ("call", "m·n"),
    "gemm": ("call", "m·k", "k·n", "m·n", "m·k·n"),
    "take rows": ("call", "m·n"),
    "take columns": ("call", "m·n"),
    "sparse matrix": ("call", "m", "k·n", "m·n", "nnz·n"),
    "matrix sparse": ("call", "n", "m·k", "m·n", "m·nnz"),
    "sparse sparse": ("call", "m", "nnz of factors", "nnz of product", "multiplication"),
    "batch": ("call", "part", "entry", "multiplication"),
    "stack matrix": ("call", "part", "k·n", "m·n", "multiplication"),
    "matrix stack": ("call", "part", "m·k", "m·n", "multiplication"),
    "layers matrix": ("call", "part", "k·n", "m·n", "multiplication"),
    "matrix layers": ("call", "part", "m·k", "m·n", "multiplication"),
    "densify": ("call", "m·n", "nonzero"),
    "sparsify": ("call", "m·n", "nonzero"),
    "spread": ("call", "m·n", "entry"),
    "gather": ("call", "entry"),
    "add": ("call", "entry"),
    "add sparse": ("call", "nonzero"),
    "apply": ("call", "fma"),
    "identity": ("call", "m·n"),
    "decompress": ("call", "nonzero"),
}
"""Every regime with its features: m x k times k x n; a part is a block of a stack or a layer."""


def in_femtoseconds(nanoseconds: Mapping[str, tuple[float, ...]]) -> dict[str, tuple[int, ...]]:
    """A table of nanoseconds as one of whole femtoseconds."""
    return {regime: tuple(round(rate * SECOND) for rate in rates) for regime, rates in nanoseconds.items()}


STATIC: Rates = in_femtoseconds(
    {
        "nothing": (100,),
        "scale vector": (400, 0.5),
        "scale matrix": (900, 0.5),
        "scale parts": (1500, 0.6),
        "scale sparse": (9000, 2.5),
        "outer": (900, 0.5),
        "gemm": (450, 0.1, 0.1, 0.3, 0.027),
        "take rows": (1500, 0.5),
        "take columns": (2000, 1.0),
        "sparse matrix": (3200, 4, 0.1, 0.5, 0.23),
        "matrix sparse": (15000, 4, 1.0, 2.0, 0.23),
        "sparse sparse": (27000, 10, 2, 5, 8),
        "batch": (1000, 150, 0.3, 0.05),
        "stack matrix": (1500, 150, 0.1, 0.3, 0.05),
        "matrix stack": (3000, 300, 1.0, 1.0, 0.05),
        "layers matrix": (3000, 300, 1.0, 1.0, 0.05),
        "matrix layers": (3000, 300, 1.0, 1.0, 0.05),
        "densify": (1300, 0.3, 0.8),
        "sparsify": (40000, 1.0, 5),
        "spread": (4000, 0.3, 1.0),
        "gather": (40000, 10),
        "add": (500, 0.5),
        "add sparse": (30000, 5),
        "apply": (2000, 0.05),
        "identity": (2000, 0.3),
        "decompress": (40000, 15),
    }
)
