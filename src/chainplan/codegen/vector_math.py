"""Functions such as `sin` on eight points at once: some written out here, others by declarations of glibc's.

The commonest functions are written in C that compilers inline and vectorise, whatever the processor, so that no call
stands between the arithmetic before and behind, and a sine and a cosine of one angle share their work. Where arguments
are larger than what they are made for, the point is computed by the functions of the C library.

For the others glibc has vector functions on x86-64, whose results are within 4 units in the last place. It declares
them to GCC under `-ffast-math` alone, which changes much else, so they are declared here. Each call stands in a loop of
its own, because GCC joins some of them to functions that have no vector form. What is emitted for others to compile
does without all of this, since it is to give the same everywhere.

References
----------
W. J. Cody and W. Waite, *Software Manual for the Elementary Functions*, Prentice-Hall 1980, chapters 6 and 8: reduction
of arguments in parts. K. C. Ng, `fdlibm` 5.3, Sun Microsystems 1993, `k_sin.c` and `k_cos.c`: polynomials. The manual
of GCC, "Common Function Attributes", `simd`; the wiki of glibc, "libmvec": functions since 2.22 and 2.35.
"""

from __future__ import annotations

from typing import NamedTuple


class WrittenFunction(NamedTuple):
    """A function that is written out here: how it is called, and up to which absolute value of its argument."""

    call: str
    largest: float


VECTOR_FUNCTIONS = {
    "sin": WrittenFunction("vector_sin({})", 1e6),
    "cos": WrittenFunction("vector_cos({})", 1e6),
    "exp": WrittenFunction("vector_exp({})", 708.0),
}
"""The functions that are written out here, by their operations."""
_WRITTEN_OUT = """
static inline double vector_angle(double x, uint64_t *quadrant)
{
    const double shifted = x * 0.6366197723675814 + 0x1.8p52, n = shifted - 0x1.8p52;
    memcpy(quadrant, &shifted, sizeof n);
    return ((x - n * 1.5707963267341256) - n * 6.077100506303966e-11) - n * 2.0222662487959506e-21;
}

static inline double sine_near_zero(double x, double z)
{
    return x + x * z * (-0.16666666666666632 + z * (0.00833333333332249 + z * (-0.0001984126982985795
        + z * (2.7557313707070068e-06 + z * (-2.5050760253406863e-08 + z * 1.58969099521155e-10)))));
}

static inline double cosine_near_zero(double z)
{
    const double half = 0.5 * z, near = 1.0 - half;
    return near + (((1.0 - near) - half) + z * z * (0.0416666666666666 + z * (-0.001388888888887411
        + z * (2.480158728947673e-05 + z * (-2.7557314351390663e-07 + z * (2.087572321298175e-09
        + z * -1.1359647557788195e-11))))));
}

static inline double vector_sin(double x)
{
    uint64_t quadrant;
    const double r = vector_angle(x, &quadrant), z = r * r, s = sine_near_zero(r, z), c = cosine_near_zero(z);
    const double value = quadrant & 1 ? c : s;
    return quadrant & 2 ? -value : value;
}

static inline double vector_cos(double x)
{
    uint64_t quadrant;
    const double r = vector_angle(x, &quadrant), z = r * r, s = sine_near_zero(r, z), c = cosine_near_zero(z);
    const double value = quadrant & 1 ? s : c;
    return (quadrant + 1) & 2 ? -value : value;
}

static inline double vector_exp(double x)
{
    const double shifted = x * 1.4426950408889634 + 0x1.8p52, n = shifted - 0x1.8p52;
    const double r = (x - n * 0.6931471803691238) - n * 1.9082149292705877e-10;
    const double tail = 0.5 + r * (0.16666666666666669 + r * (0.041666666666623824 + r * (0.008333333333330039
        + r * (0.0013888888917367081 + r * (0.00019841269863171557 + r * (2.4801521057868204e-05
        + r * (2.7557268276905696e-06 + r * (2.762020159103155e-07 + r * 2.5100472505694996e-08))))))));
    uint64_t bits;
    double power;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return (1.0 + (r + r * r * tail)) * power;
}
"""
"""Angles are reduced to a quadrant; a number of 1.5 * 2^52 added to n has the binary digits of n at its end."""
_SINCE: dict[str, tuple[str, ...]] = {
    "2, 22": ("log",),
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
        "#include <stdint.h>",
        _WRITTEN_OUT,
        "#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)",
        *_declared(),
        f"#define {APART} }} INDEPENDENT for (size_t l = 0; l < 8; ++l) {{",
        "#else",
        f"#define {APART}",
        "#endif",
    ]
)
"""Defines the functions that are written out, declares the vector functions of glibc, and defines `APART`."""
