"""Functions such as `sin` on eight points at once: declarations that let GCC call the vector functions of glibc.

glibc has such functions on x86-64, whose results are within 4 units in the last place, and declares them to GCC under
`-ffast-math` alone, which changes much else. So they are declared here, and each stands in a loop of its own, because
GCC joins a sine and a cosine of one angle to a function that has no vector form. What is emitted for others to compile
does without, since it is to compile everywhere and give the same everywhere.

References
----------
The manual of GCC, "Common Function Attributes", `simd`; the wiki of glibc, "libmvec": functions since 2.22 and 2.35.
"""

from __future__ import annotations

_SINCE: dict[str, tuple[str, ...]] = {
    "2, 22": ("sin", "cos", "exp", "log"),
    "2, 35": ("tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "expm1", "log1p", "erf", "cbrt"),
}
_OF_TWO: dict[str, tuple[str, ...]] = {"2, 22": ("pow",), "2, 35": ("atan2",)}
APART = "APART"
"""A line between two calls in a loop: where there are vector functions, it ends the loop and begins the next one."""


def _declared() -> list[str]:
    lines = []
    for since, names in _SINCE.items():
        lines.append(f"#if __GLIBC_PREREQ({since})")
        lines += [f'extern double {name}(double) __attribute__((simd("notinbranch")));' for name in names]
        lines += [
            f'extern double {name}(double, double) __attribute__((simd("notinbranch")));' for name in _OF_TWO[since]
        ]
        lines.append("#endif")
    return lines


VECTOR_MATH = "\n".join(
    [
        "#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)",
        *_declared(),
        f"#define {APART} }} for (size_t l = 0; l < 8; ++l) {{",
        "#else",
        f"#define {APART}",
        "#endif",
    ]
)
"""Declares the vector functions, and `APART`."""
