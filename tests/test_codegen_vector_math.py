"""Functions that are written out for eight points at once: nearly exact in their range, and exact functions beyond."""

from __future__ import annotations

import numpy as np
import pytest

from chainplan.codegen.compile import CompiledProgram, native_source
from chainplan.codegen.compiler import compilers
from chainplan.codegen.program import ScalarProgram
from chainplan.codegen.straight_line import InputArray, Line, OutputArray
from chainplan.codegen.vector_math import VECTOR_FUNCTIONS

pytestmark = pytest.mark.skipif(not list(compilers()), reason="no C compiler on this machine")
HARD = [0.0, -0.0, 5e-324, 1e-300, 1e-8, -1e-8, np.pi / 2, np.pi, -np.pi, 355.0, 103993.0 / 2, 1e5, 999_999.5, -1e6]
"""Arguments that are small, or next to a zero of a sine or cosine, or large."""
BEYOND = [np.nan, np.inf, -np.inf, 1.1e6, -1e22, 1e300, 709.5, 710.0, -709.0, -740.0, -746.0]
"""Arguments that some function is not made for."""


def of_one(*names: str) -> ScalarProgram:
    lines = tuple(Line(name, (0,)) for name in names)
    outputs = tuple(OutputArray(f"by_{name}", (), (0,), (1 + k,)) for k, name in enumerate(names))
    return ScalarProgram("f", (InputArray("x", ()),), (), lines, outputs)


@pytest.fixture(scope="module", params=["-O3", "-O0"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CompiledProgram:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CHAINPLAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        from chainplan.codegen import compiler

        options = tuple(request.param if o == "-O3" else o for o in compiler.OPTIONS)
        environment.setattr(compiler, "OPTIONS", options)
        return of_one(*VECTOR_FUNCTIONS).compile()


@pytest.mark.parametrize("name", VECTOR_FUNCTIONS)
def test_functions_are_within_two_units_in_the_last_place(run: CompiledProgram, name: str) -> None:
    largest, rng = VECTOR_FUNCTIONS[name].largest, np.random.default_rng(0)
    drawn = [rng.uniform(-scale, scale, 4000) for scale in (1e-3, 1.0, 20.0, largest)]
    near = np.arange(-500, 500) * np.pi / 2
    x = np.concatenate([*drawn, near[abs(near) <= largest], [h for h in HARD if abs(h) <= largest]])
    x = x[: len(x) // 8 * 8]
    found = np.asarray(run.batch(x)[list(VECTOR_FUNCTIONS).index(name)])
    exact = getattr(np, name)(x.astype(np.longdouble))
    assert np.abs((found - exact) / np.spacing(np.abs(exact.astype(float)))).max() < 2


def test_points_beyond_the_range_are_computed_one_by_one(run: CompiledProgram) -> None:
    x = np.array([*BEYOND, *HARD, *np.linspace(-2, 2, 8)])
    for points in (x, x[::-1], x[:1], x[-1:], x[:0]):
        for found, *at in zip(zip(*run.batch(points), strict=True), points, strict=True):
            with np.errstate(all="ignore"):
                wanted = np.array([getattr(np, name)(at[0]) for name in VECTOR_FUNCTIONS])
            assert np.allclose(found, wanted, rtol=1e-15, atol=0, equal_nan=True), at


def test_entries_that_are_zero_stay_zero_beyond_the_range() -> None:
    output = OutputArray("y", (3,), (1,), (1,))
    run = ScalarProgram("f", (InputArray("x", ()),), (), (Line("sin", (0,)),), (output,)).compile()
    found = run.batch(np.array([1e9, *np.zeros(12)]))
    assert found[:, [0, 2]].any() == 0
    assert found[0, 1] == pytest.approx(np.sin(1e9), rel=1e-15)


def test_there_is_one_check_for_each_argument() -> None:
    assert native_source(of_one("sin", "cos", "exp")).count("far[l] +=") == 2
    assert "_each" not in native_source(of_one("tanh"))
