"""Compiled programs take arrays of any kind, by the type in C and by ctypes, and give new arrays each time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from chainplan.codegen.compile import LEAST_RELEASED_OPERATIONS, CompiledProgram
from chainplan.codegen.compiler import compilers
from chainplan.codegen.program import ScalarProgram
from chainplan.codegen.straight_line import InputArray, Line, OutputArray
from chainplan.compiled.loader import compiled_core
from chainplan.errors import ArgumentError

pytestmark = pytest.mark.skipif(not list(compilers()), reason="no C compiler on this machine")


@pytest.fixture(scope="module", params=["1", "0"], ids=["array call", "ctypes"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CompiledProgram]:
    """s * x, in a matrix of 2 x 3 with a column of zeros, and s²; of x, a matrix of 2 x 2, and a number s."""
    if request.param == "1" and compiled_core() is None:
        pytest.skip("not compiled; run python hatch_build.py")
    lines = (*(Line("mul", (k, 4)) for k in range(4)), Line("mul", (4, 4)))
    outputs = (OutputArray("y", (2, 3), (0, 1, 3, 4), (5, 6, 7, 8)), OutputArray("square", (), (0,), (9,)))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CHAINPLAN_COMPILED", request.param)
        environment.setenv("CHAINPLAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield ScalarProgram("f", (InputArray("x", (2, 2)), InputArray("s", ())), (), lines, outputs).compile()


X = np.array([[1.0, 2.0], [3.0, 4.0]])
TWO = np.array(2.0)
Y = [[2.0, 4.0, 0.0], [6.0, 8.0, 0.0]]


def frozen(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def test_a_caller_is_made_once_for_a_function() -> None:
    core = compiled_core()
    if core is None:
        pytest.skip("not compiled; run python hatch_build.py")
    for shapes in ((2,), (("a",),)):
        with pytest.raises(TypeError):
            core.ArrayCall(1, shapes, (), False)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            core.ArrayCall(1, (), shapes, False)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the address of a function is expected"):
        core.ArrayCall(0, (), (), False)
    with pytest.raises(AttributeError, match="fitted"):
        core.ArrayCall(1, ((2,),), (), False)([1.0, 2.0])


def test_what_is_made_to_fit_is_looked_at_again() -> None:
    core = compiled_core()
    if core is None:
        pytest.skip("not compiled; run python hatch_build.py")

    class Wrong(core.ArrayCall):  # type: ignore[misc, name-defined]
        def fitted(self, *inputs: object) -> object:
            return inputs

    for inputs in (([1.0, 2.0],), (np.ones(3),), (np.ones(2, np.float32),), (np.ones((2, 1)),), ()):
        with pytest.raises(TypeError, match="a tuple of arrays of these shapes is expected"):
            Wrong(1, ((2,),), (), False)(*inputs)
    with pytest.raises(TypeError, match="by position"):
        Wrong(1, ((2,),), (), False)(x=np.ones(2))


def test_many_arrays_and_long_programs_are_called() -> None:
    count, length = 20, LEAST_RELEASED_OPERATIONS
    inputs = tuple(InputArray(f"x{k}", ()) for k in range(count))
    for steps in (1, length):
        lines = [Line("add", (0, 1)), *(Line("add", (count + k, 1)) for k in range(steps - 1))]
        outputs = tuple(OutputArray(f"y{k}", (), (0,), (count + steps - 1,)) for k in range(count))
        run = ScalarProgram("sums", inputs, (), tuple(lines), outputs).compile()
        assert [float(y) for y in run(*map(np.array, map(float, range(count))))] == [float(steps)] * count


def test_arrays_of_every_kind_are_taken(run: CompiledProgram) -> None:
    orders = [np.asfortranarray(X), np.kron(X, [[1, 0], [0, 0]])[::2, ::2], X[::-1][::-1], frozen(X)]
    kinds: list[Any] = [X, X.tolist(), X.astype(int), X.astype(np.float32), X.astype(">f8"), *orders]
    numbers: list[Any] = [2, 2.0, np.array(2.0), np.float64(2), np.float32(2), np.array(2)]
    for x, s in product(kinds, numbers):
        y, square = run(x, s)
        assert (y.tolist(), y.dtype, square.tolist(), square.shape) == (Y, np.dtype(float), 4.0, ())


def test_results_are_new_arrays(run: CompiledProgram) -> None:
    first, _ = run(X, TWO)
    first[:] = 9.0
    second, _ = run(X, TWO)
    assert second.tolist() == Y
    assert run(X, np.array(1.0))[0] is not second
    assert second.tolist() == Y


def test_wrong_arrays_are_named(run: CompiledProgram) -> None:
    with pytest.raises(ArgumentError, match="found 1 arrays; expected one for each of x, s"):
        run(X)
    with pytest.raises(ArgumentError, match=r"x: found an array of shape \(4,\); expected \(2, 2\)"):
        run(X.ravel(), TWO)
    with pytest.raises(ArgumentError, match=r"s: found an array of shape \(1,\); expected \(\)"):
        run(X, np.ones(1))
    with pytest.raises(ArgumentError, match=r"found points of shape \(7,\); expected one point"):
        run(np.ones((7, 2, 2)), np.ones(7))
