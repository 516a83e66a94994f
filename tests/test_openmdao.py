"""OpenMDAO problems as models of blocks: total derivatives side by side with OpenMDAO's own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainplan
from chainplan.errors import ArgumentError
from chainplan.models.openmdao_problem import from_openmdao
from chainplan.plans.steps import Propagate
from chainplan.problem.graph import Mode

om: Any = pytest.importorskip("openmdao.api", reason="OpenMDAO is not installed: pip install '.[openmdao]'")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenMDAO writes reports into the folder in which it runs."""
    monkeypatch.chdir(tmp_path)


def side_by_side(problem: Any, inputs: list[str], outputs: list[str], tolerance: float = 1e-10) -> None:
    """Compare all total derivatives with those of OpenMDAO."""
    expected = problem.compute_totals(of=outputs, wrt=inputs)
    found = chainplan.accumulate(from_openmdao(problem), inputs, outputs)
    scale = max(float(np.abs(value).max()) for value in expected.values())
    for pair, value in expected.items():
        assert np.abs(found.get(pair, np.zeros(value.shape)) - value).max() <= tolerance * scale, pair


def test_sellar() -> None:
    from openmdao.test_suite.components.sellar import SellarDerivatives

    problem = om.Problem(SellarDerivatives(nonlinear_solver=om.NewtonSolver(solve_subsystems=False)))
    problem.model.linear_solver = om.DirectSolver()
    problem.setup()
    problem.set_solver_print(-1)
    problem.run_model()
    total = chainplan.accumulator(from_openmdao(problem), ["x", "z"], ["obj", "con1", "con2"])
    assert any(name.startswith("solve") for name in total.result.problem.graph.named)
    side_by_side(problem, ["x", "z"], ["obj", "con1", "con2"])


def implicit_problem() -> Any:
    class Implicit(om.ImplicitComponent):  # type: ignore[misc]  # a class of a library without types
        def setup(self) -> None:
            self.add_input("a", shape=2, units="m")
            self.add_output("y", shape=3)
            self.declare_partials("y", "a", rows=[0, 1, 2], cols=[0, 1, 1])
            self.declare_partials("y", "y", rows=[0, 1, 2, 0], cols=[0, 1, 2, 1])

        def apply_nonlinear(self, inputs: Any, outputs: Any, residuals: Any) -> None:
            a, y = inputs["a"], outputs["y"]
            residuals["y"] = np.array([y[0] ** 2 + y[1] - a[0], 3 * y[1] - a[1] ** 2, y[2] - a[1]])

        def linearize(self, inputs: Any, outputs: Any, partials: Any) -> None:
            partials["y", "a"] = [-1, -2 * inputs["a"][1], -1]
            partials["y", "y"] = [2 * outputs["y"][0], 3, 1, 1]

    problem = om.Problem()
    problem.model.add_subsystem("iv", om.IndepVarComp("q", np.array([2.0, 500.0, 900.0]), units="cm"))
    problem.model.add_subsystem("imp", Implicit())
    problem.model.connect("iv.q", "imp.a", src_indices=[2, 1])
    problem.model.imp.nonlinear_solver = om.NewtonSolver(solve_subsystems=False)
    problem.model.imp.linear_solver = om.DirectSolver()
    problem.model.add_subsystem("ex", om.ExecComp("f=2*y[1]+y[0]*y[2]", y=np.ones(3)))
    problem.model.connect("imp.y", "ex.y")
    problem.setup()
    problem.set_val("imp.y", [1.0, 1.0, 1.0])
    problem.set_solver_print(-1)
    return problem


def test_an_implicit_component_behind_indices_and_other_units() -> None:
    problem = implicit_problem()
    problem.run_model()
    side_by_side(problem, ["iv.q"], ["ex.f", "imp.y"])


def test_a_feed_forward_model_with_sparse_partials() -> None:
    n = 40
    problem = om.Problem()
    model = problem.model
    model.add_subsystem("a", om.ExecComp("y=x**2", x=np.linspace(1, 2, n), y=np.ones(n), has_diag_partials=True))
    ones = {name: np.ones(n) for name in "xyz"}
    model.add_subsystem("b", om.ExecComp("y=sin(x)+z", **ones, has_diag_partials=True))
    model.add_subsystem("c", om.ExecComp("s=sum(x)", x=np.ones(n)))
    model.connect("a.y", ["b.x", "b.z"])
    model.connect("b.y", "c.x")
    problem.setup()
    problem.run_model()
    side_by_side(problem, ["a.x"], ["c.s", "b.y"])


def test_a_finite_element_beam() -> None:
    """The beam of OpenMDAO's documentation: the displacements solve for the stiffness of 50 elements."""
    from openmdao.test_suite.test_examples.beam_optimization.beam_group import BeamGroup

    count = 50
    problem = om.Problem(BeamGroup(E=1.0, L=1.0, b=0.1, volume=0.01, num_elements=count))
    problem.setup()
    problem.set_val("h", np.linspace(0.05, 0.15, count))
    problem.run_model()
    outputs = ["compliance_comp.compliance", "volume_comp.volume"]
    total = chainplan.accumulator(from_openmdao(problem), ["h"], outputs)
    plan = total.result.plan
    assert plan is not None
    assert {s.mode for s in plan.steps if isinstance(s, Propagate) and s.elemental.startswith("solve")} == {
        Mode.ADJOINT
    }
    side_by_side(problem, ["h"], outputs, 1e-8)


def test_a_feed_forward_model_with_partials_by_rows_and_columns() -> None:
    n = 30

    class Stencil(om.ExplicitComponent):  # type: ignore[misc]  # a class of a library without types
        def setup(self) -> None:
            self.add_input("x", shape=n)
            self.add_output("y", shape=n)
            rows = np.repeat(np.arange(n), 3)
            self.declare_partials("y", "x", rows=rows, cols=(rows + np.tile([-1, 0, 1], n)) % n)

        def compute(self, inputs: Any, outputs: Any) -> None:
            x = inputs["x"]
            outputs["y"] = np.roll(x, 1) * x + np.sin(np.roll(x, -1))

        def compute_partials(self, inputs: Any, partials: Any) -> None:
            x = inputs["x"]
            partials["y", "x"] = np.stack([x, np.roll(x, 1), np.cos(np.roll(x, -1))], axis=1).ravel()

    problem = om.Problem()
    names = [f"stencil{i}" for i in range(4)]
    for name in names:
        problem.model.add_subsystem(name, Stencil())
    for before, after in pairwise(names):
        problem.model.connect(f"{before}.y", f"{after}.x")
    problem.model.add_subsystem("pick", om.ExecComp("f=x[0]*x[1]", x=np.ones(2)))
    problem.model.connect("stencil3.y", "pick.x", src_indices=[3, 17])
    problem.setup()
    problem.set_val("stencil0.x", np.linspace(0.5, 1.5, n))
    problem.run_model()
    side_by_side(problem, ["stencil0.x"], ["pick.f", "stencil2.y"])


def test_a_component_without_partials_is_refused() -> None:
    class Products(om.ExplicitComponent):  # type: ignore[misc]  # a class of a library without types
        def setup(self) -> None:
            self.add_input("x")
            self.add_output("y")

        def compute(self, inputs: Any, outputs: Any) -> None:
            outputs["y"] = 2 * inputs["x"]

        def compute_jacvec_product(self, inputs: Any, d_inputs: Any, d_outputs: Any, mode: str) -> None:
            d_outputs["y"] += 2 * d_inputs["x"]

    problem = om.Problem()
    problem.model.add_subsystem("double", Products())
    problem.setup()
    problem.run_model()
    with pytest.raises(ArgumentError, match="found the matrix-free component 'double'"):
        from_openmdao(problem)


def test_what_is_no_problem_is_refused() -> None:
    with pytest.raises(ArgumentError, match="found an object of type int"):
        from_openmdao(3)
    with pytest.raises(ArgumentError, match="was not run"):
        from_openmdao(om.Problem())
