"""The time of kernels and conversions: the regimes, their features, and the static rates of the model `weighted`.

The time of a regime is a sum of features times non-negative rates: a rate per call, rates per entry read or written,
and a rate per multiplication. Rates are written here in nanoseconds and kept as whole numbers of femtoseconds, so that
prices are exact integers, the same on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping

RegimeRates = Mapping[str, tuple[int, ...]]
"""For each regime, the rate of each of its features in whole femtoseconds."""

FEMTOSECONDS_PER_NANOSECOND = 1_000_000
"""Femtoseconds in a nanosecond."""

REGIMES: dict[str, tuple[str, ...]] = {
    "nothing": ("call",),
    "scale vector": ("call", "entry"),
    "scale matrix": ("call", "entry"),
    "diagonal vector": ("call", "entry"),
    "scale parts": ("call", "entry"),
    "scale sparse": ("call", "nonzero"),
    "outer": ("call", "m·n"),
    "gemv": ("call", "entry"),
    "large gemv": ("call", "entry"),
    "gemm": ("call", "m·k", "k·n", "m·n", "m·k·n"),
    "take rows": ("call", "m·n"),
    "take columns": ("call", "m·n"),
    "sparse matrix": ("call", "m", "k·n", "m·n", "nnz·n"),
    "matrix sparse": ("call", "n", "m·k", "m·n", "m·nnz"),
    "sparse vector": ("call", "line", "nonzero"),
    "sparse sparse": ("call", "m", "nnz of factors", "nnz of product", "multiplication"),
    "join shifts": ("call", "meeting"),
    "batch": ("call", "part", "entry", "multiplication"),
    "stack matrix": ("call", "part", "k·n", "m·n", "multiplication"),
    "matrix stack": ("call", "part", "m·k", "m·n", "multiplication"),
    "layers matrix": ("call", "part", "k·n", "m·n", "multiplication"),
    "matrix layers": ("call", "part", "m·k", "m·n", "multiplication"),
    "lay out": ("call", "nonzero"),
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
"""Every regime with its features, for a product of m x k and k x n; a part is a block of a stack, or a layer.

A matrix times a vector is bound by memory, and reads each entry once; one times a matrix ("gemm") is not. Products with
vectors are repeated with the same matrices, which stay in the caches of a processor where they are small ("gemv") and
are read from memory again where they are not ("large gemv"). With a vector, sparse blocks and diagonals have rates of
their own too, because the call is most of their time. The lines of "sparse vector" are rows before a column, and
columns behind a row. The meetings of "join shifts" are the pairs of runs of which coefficients of the product are sums.
"""

VECTOR_REGIMES = ("gemv", "large gemv", "sparse vector", "diagonal vector")
"""Products with a vector. Rates that were measured without them price these as products with a matrix of one column."""
SHIFT_REGIMES = ("join shifts", "lay out")
"""Work on shifts in time. Rates that were measured without it price it by the static ones."""
MAX_SMALL_ENTRIES = 65_536
"""Entries of the largest matrix that is taken to stay in the caches of a processor between two products."""


def in_femtoseconds(nanoseconds: Mapping[str, tuple[float, ...]]) -> dict[str, tuple[int, ...]]:
    """Turn a table of nanoseconds into one of whole femtoseconds."""
    return {
        regime: tuple(round(rate * FEMTOSECONDS_PER_NANOSECOND) for rate in rates)
        for regime, rates in nanoseconds.items()
    }


STATIC_RATES: RegimeRates = in_femtoseconds(
    {
        "nothing": (90,),
        "scale vector": (310, 0.35),
        "scale matrix": (1300, 0.67),
        "diagonal vector": (310, 0.35),
        "scale parts": (1300, 0.75),
        "scale sparse": (12000, 2.4),
        "outer": (1100, 0.75),
        "gemv": (720, 0.09),
        "large gemv": (720, 0.15),
        "gemm": (1200, 0.35, 0.35, 0.3, 0.027),
        "take rows": (1800, 0.35),
        "take columns": (1900, 0.67),
        "sparse matrix": (4800, 3, 0.05, 0.24, 0.29),
        "matrix sparse": (19000, 4, 1.1, 0.73, 0.22),
        "sparse vector": (4200, 2, 0.7),
        "sparse sparse": (29000, 10, 2.5, 0, 6.8),
        "join shifts": (1000, 17),
        "batch": (1100, 17, 0.3, 0.01),
        "stack matrix": (1750, 30, 0.2, 0.2, 0.042),
        "matrix stack": (2500, 25, 0.3, 0.65, 0.035),
        "layers matrix": (2700, 40, 0.2, 0.65, 0.035),
        "matrix layers": (2900, 20, 0.7, 0.85, 0.04),
        "lay out": (4500, 0.9),
        "densify": (3000, 0.26, 0.6),
        "sparsify": (39000, 3.6, 17),
        "spread": (5000, 0.3, 1.3),
        "gather": (33000, 10),
        "add": (1200, 0.8),
        "add sparse": (28000, 3.5),
        "apply": (2500, 0.043),
        "identity": (1300, 0.26),
        "decompress": (68000, 45),
    }
)
"""Nanoseconds, rounded from runs of `chainplan calibrate` on one thread of a Xeon (OpenBLAS 0.3.31, SkylakeX kernels),
numpy 2.4, scipy 1.17, float64."""
