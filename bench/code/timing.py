"""Times of compiled code alone: a loop in C calls it, so that nothing of Python is in between.

The loop is compiled by itself and calls through a pointer, so that no compiler sees that every call does the same.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from chainplan._util.arrays import Array, aligned_zeros
from chainplan.codegen import ScalarProgram
from chainplan.codegen.compile import native_source
from chainplan.codegen.compiler import compiled
from chainplan.codegen.targets.c import packed

if TYPE_CHECKING:
    import casadi

Name = TypeVar("Name", bound=str)

REPEATED = """
#include <stddef.h>
void repeated(size_t times, void (*called)(double *const *), double *const *arrays);
void repeated(size_t times, void (*called)(double *const *), double *const *arrays)
{
    for (size_t k = 0; k < times; ++k)
        called(arrays);
}
"""
LEAST_SECONDS = 1e-4
"""What one timing takes at least, by calling several times: so little that some are not interrupted by other load."""
WARM = 3
"""How often a way is tried with a number of calls before it is said to be enough."""


class Code:
    """A function in C of arrays given by one pointer, and copies of the arrays that it is timed on.

    All begin at a cache line, since code for many points takes twice as long on some that do not.
    """

    def __init__(self, source: str, arrays: Sequence[Array]) -> None:
        self.library = _loaded(source)
        self.arrays = [aligned_zeros(*a.shape) for a in arrays]
        for own, given in zip(self.arrays, arrays, strict=True):
            own[...] = given
        self._pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in self.arrays))
        self._repeated = _loaded(REPEATED)["repeated"]
        self._called = ctypes.cast(self.library["called"], ctypes.c_void_p)

    def run(self, times: int) -> None:
        """Call it several times."""
        self._repeated(ctypes.c_size_t(times), self._called, self._pointers)


def _loaded(source: str) -> ctypes.CDLL:
    path = compiled(source)
    if path is None:
        raise RuntimeError("found no C compiler; expected one. Install it, or the package ziglang.")
    return ctypes.CDLL(str(path))


def one_point(program: ScalarProgram) -> str:
    """The source of a program at one point, which writes nonzeros alone, as CasADi's does."""
    passed = ", ".join(f"a[{k}]" for k in range(len(program.arrays)))
    return f"{program.c_source('f', sparse=True)}\n{_calling(f'f({passed});')}"


def many_points(program: ScalarProgram, points: int) -> str:
    """The source of a program at several points at a time, as `compile` writes it."""
    passed = ", ".join([f"{points}", *(f"a[{k}]" for k in range(len(program.arrays)))])
    return f"{native_source(packed(program))}\n{_calling(f'program_batch({passed});')}"


def casadi_point(function: casadi.Function) -> str:
    """The source of a CasADi function of one input, as CasADi writes it."""
    import casadi as ca

    generator = ca.CodeGenerator("code", {"with_header": False})
    generator.add(function)
    room = max(1, function.sz_w())
    inner = f"static double w[{room}]; {function.name()}((const double **)a, (double **)a + 1, 0, w, 0);"
    return f"{generator.dump()}\n{_calling(inner)}"


def _calling(statement: str) -> str:
    return f"void called(double *const *a);\nvoid called(double *const *a) {{ {statement} }}\n"


def least_seconds(
    ways: Mapping[Name, Callable[[int], Any]], rounds: int, least: float = LEAST_SECONDS
) -> dict[Name, float]:
    """The least seconds of a call of each way, which takes a number of calls; all take turns."""
    counts = {name: _count(call, least) for name, call in ways.items()}
    best = dict.fromkeys(ways, float("inf"))
    for turn in range(rounds):
        for name in list(ways) if turn % 2 else reversed(list(ways)):
            best[name] = min(best[name], _seconds(ways[name], counts[name]) / counts[name])
    return best


def _count(call: Callable[[int], Any], least: float) -> int:
    """How many calls take long enough to be timed."""
    count = 1
    while True:
        spent = min(_seconds(call, count) for _ in range(WARM))
        if spent >= least:
            return count
        count *= 2


def _seconds(call: Callable[[int], Any], count: int) -> float:
    start = perf_counter()
    call(count)
    return perf_counter() - start
