"""Scalar programs that run in this process: compiled by a C compiler or by Numba, or as Python."""

from __future__ import annotations

import ctypes
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from chainplan._util.arrays import Array, aligned_zeros
from chainplan.codegen.compiler import compiled
from chainplan.codegen.straight_line import StraightLine, checked
from chainplan.codegen.targets.c import INCLUDED, one_point
from chainplan.codegen.targets.c_batch import many_points
from chainplan.codegen.targets.names import defined
from chainplan.codegen.targets.numba_function import numba_functions
from chainplan.codegen.targets.python import python_source
from chainplan.codegen.vector_math import VECTOR_MATH
from chainplan.compiled.loader import compiled_core
from chainplan.errors import ArgumentError

if TYPE_CHECKING:
    from chainplan.compiled._core import ArrayCall

WITHOUT_COMPILER = (
    "no C compiler was found on this machine that compiles the code, so it runs as Python, which is slower. Install "
    "one, or run in the checkout of chainplan: pip install '.[native]'"
)
LEAST_RELEASED_OPERATIONS = 1_000
"""From how many operations on a call lets other threads run, which takes longer than fewer operations do."""
CALLED = """
void program_called(double *const *a);
void program_called(double *const *a) { program(...); }
"""
"""A function that takes all arrays by one pointer, so that calling it costs as little as can be."""


class CompiledProgram:
    """A scalar program as a function of arrays; made by `ScalarProgram.compile`.

    It may be called from several threads at once, which run side by side in long code that was compiled.

    Parameters
    ----------
    program : StraightLine
        The program that it computes.
    target : str
        What it runs as: `c`, `numba` or `python`.
    many : Callable[[Sequence[Array], int], list[Array]]
        The function of arrays of points x entries and their number.

    Examples
    --------
    >>> from chainplan.codegen import from_layers
    >>> run = from_layers({"input": {"x": 2}, "layers": [{"op": "scale", "by": 3.0}]}).compile("python")
    >>> run.batch([[1.0, 2.0], [3.0, 4.0]])
    array([[ 3.,  6.],
           [ 9., 12.]])
    """

    def __init__(self, program: StraightLine, target: str, many: Callable[[Sequence[Array], int], list[Array]]) -> None:
        self.program = program
        self.target = target
        self._many = many

    def __call__(self, *arrays: Array) -> Any:
        """Compute the outputs at one point: an array for each, or the array itself where there is one output."""
        raise NotImplementedError

    def fitted(self, *arrays: Array) -> tuple[Array, ...]:
        """Return the inputs of one point as compiled code takes them: float64, in the shapes of the inputs, row-major.

        Parameters
        ----------
        *arrays : Array
            An array for each input, or what numpy makes one of.

        Returns
        -------
        tuple
            As many arrays, which are new.

        Raises
        ------
        ArgumentError
            Where an array is missing or has another shape.
        """
        given, front = checked(self.program.inputs, [np.asarray(a, float) for a in arrays])
        if front:
            raise ArgumentError(f"found points of shape {front}; expected one point. Call batch for several.")
        return tuple(np.array(x.reshape(i.shape), order="C") for x, i in zip(given, self.program.inputs, strict=True))

    def batch(self, *arrays: Array) -> Any:
        """Compute the outputs at many points.

        Parameters
        ----------
        *arrays : Array
            An array for each input, with an axis of points in front of its shape.

        Returns
        -------
        Any
            An array for each output, with the axis of points in front, or the array itself where there is one output.

        Raises
        ------
        ArgumentError
            Where an array is missing or has another shape.
        """
        given, front = checked(self.program.inputs, [np.asarray(a, float) for a in arrays])
        if len(front) != 1:
            raise ArgumentError(f"batch: found points of shape {front}; expected one axis of them. Reshape the arrays.")
        made = self._many(given, front[0])
        results = tuple(m.reshape(front + o.shape) for m, o in zip(made, self.program.outputs, strict=True))
        return results if len(results) != 1 else results[0]

    def in_jax(self) -> Callable[..., Any]:
        """Return a function of arrays of JAX, which jitted programs may call.

        It is called back on the host, at one point or, under `jax.vmap`, at all points of a batch at once. JAX cannot
        differentiate it; compile the Jacobian for that.

        Returns
        -------
        Callable[..., Any]
            A function with the arguments and results of this one, in the precision that JAX is set to.

        Raises
        ------
        SpecError
            Where JAX is not installed.
        """
        from chainplan.codegen.jax_callback import called_back

        return called_back(self.program, self, self.batch)


class _CalledProgram(CompiledProgram):
    """A program that calls a function of fitted arrays, which gives the outputs."""

    def __init__(
        self,
        program: StraightLine,
        target: str,
        many: Callable[[Sequence[Array], int], list[Array]],
        one: Callable[..., tuple[Array, ...]],
    ) -> None:
        super().__init__(program, target, many)
        self._one = one

    def __call__(self, *arrays: Array) -> Any:
        results = self._one(*self.fitted(*arrays))
        return results if len(results) != 1 else results[0]


def compiled_program(program: StraightLine, target: str) -> CompiledProgram:
    """Compile a program, as `ScalarProgram.compile` describes it."""
    if target not in COMPILED_TARGETS:
        raise ArgumentError(f"target: found {target!r}; expected one of {', '.join(COMPILED_TARGETS)}. Correct it.")
    return COMPILED_TARGETS[target](program)


def native_source(program: StraightLine) -> str:
    """Write the C that is compiled here, of functions called `program`; it leaves entries that are always zero."""
    passed = ", ".join(f"a[{k}]" for k in range(len(program.arrays)))
    one, many = one_point(program, "program", zeros=False), many_points(program, "program", zeros=False, native=True)
    return "\n".join([*INCLUDED, VECTOR_MATH, *one, "", *many, CALLED.replace("...", passed)])


def _in_c(program: StraightLine) -> CompiledProgram:
    """Call a shared object that the C compiler of this machine makes; as Python where there is none."""
    path = compiled(native_source(program))
    if path is None:
        warnings.warn(WITHOUT_COMPILER, stacklevel=4)
        return _in_python(program)
    library = ctypes.CDLL(str(path))
    many = library["program_batch"]
    many.restype = None

    def of_many(given: Sequence[Array], points: int) -> list[Array]:
        arrays = [aligned_zeros(i.size, points) for i in program.inputs]
        for array, x in zip(arrays, given, strict=True):
            array[...] = x.T
        made = [aligned_zeros(o.size, points) for o in program.outputs]
        many(ctypes.c_size_t(points), *(ctypes.c_void_p(a.ctypes.data) for a in (*arrays, *made)))
        return [m.T for m in made]

    address = ctypes.cast(library["program_called"], ctypes.c_void_p).value or 0
    return _at_address(program, "c", address, of_many)


def _in_numba(program: StraightLine) -> CompiledProgram:
    """Call what Numba compiles."""
    functions = numba_functions(program)

    def of_many(given: Sequence[Array], points: int) -> list[Array]:
        made = [np.zeros((points, o.size)) for o in program.outputs]
        functions.many((*map(np.ascontiguousarray, given), *made), points)
        return made

    return _at_address(program, "numba", functions.address, of_many)


def _at_address(
    program: StraightLine, target: str, address: int, of_many: Callable[[Sequence[Array], int], list[Array]]
) -> CompiledProgram:
    """Call a function that takes all arrays of a point by one pointer."""
    core = compiled_core()
    if core is None:
        return _CalledProgram(program, target, of_many, _Buffers(program, address).on)
    kind: type = core.ArrayCall
    run = _direct(kind)(program, target, of_many)
    inputs, outputs = (tuple(one.shape for one in side) for side in (program.inputs, program.outputs))
    releases = program.operations >= LEAST_RELEASED_OPERATIONS
    core.ArrayCall.__init__(cast("ArrayCall", run), address, inputs, outputs, releases)
    return run


@cache
def _direct(array_call: type) -> type[CompiledProgram]:
    """Return the class of programs that are called in C, so that no line of Python lies between a call and its code."""
    named = {"__init__": CompiledProgram.__init__, "__module__": __name__, "__doc__": CompiledProgram.__doc__}
    return cast(type[CompiledProgram], type("CompiledProgram", (array_call, CompiledProgram), named))


class _Buffers(threading.local):
    """The arrays on which a thread calls compiled code by ctypes, where `ArrayCall` has not been compiled."""

    def __init__(self, program: StraightLine, address: int) -> None:
        self._inputs = [np.zeros(one.shape) for one in program.inputs]
        self._outputs = [np.zeros(one.shape) for one in program.outputs]
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)
        arrays = [*self._inputs, *self._outputs]
        self._pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))

    def on(self, *arrays: Array) -> tuple[Array, ...]:
        """Compute the outputs."""
        for x, array in zip(self._inputs, arrays, strict=True):
            x[...] = array
        self._function(self._pointers)
        return tuple([output.copy() for output in self._outputs])


def _in_python(program: StraightLine) -> CompiledProgram:
    """Run the Python source."""
    module = defined(python_source(program, "program"), "program")
    called, many = module["program"], module["program_batch"]

    def one(*arrays: Array) -> tuple[Array, ...]:
        results = called(*(x.ravel().tolist() for x in arrays))
        results = results if len(program.outputs) > 1 else (results,)
        return tuple(np.array(r, float).reshape(o.shape) for r, o in zip(results, program.outputs, strict=True))

    def of_many(given: Sequence[Array], points: int) -> list[Array]:
        with np.errstate(all="ignore"):
            results = many(*given)
        return list(results) if len(program.outputs) > 1 else [results]

    return _CalledProgram(program, "python", of_many, one)


COMPILED_TARGETS: dict[str, Callable[[StraightLine], CompiledProgram]] = {
    "c": _in_c,
    "numba": _in_numba,
    "python": _in_python,
}
"""What programs run as, by name, and what makes them ready."""
