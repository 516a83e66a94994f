"""`chainplan.Simulation`: modules with tangents and adjoints, taken to a plan, tested, timed and run again and again.

A module that takes the results of several others takes them as one vector, in the order in which they are named: a
scatter for each, which costs nothing, puts it together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from numbers import Real
from typing import NamedTuple

import numpy as np

from chainplan._util.arrays import Array
from chainplan.costs.objectives import objective_model
from chainplan.costs.timed import WEIGHTED_COST, TimedCost
from chainplan.errors import ArgumentError, ExecutionError, SolverError, SpecError
from chainplan.errors.arguments import expect, refuse
from chainplan.execution.function_times import MeasuredCost, WidthTimes, measured
from chainplan.execution.prepared import PreparedPlan, prepare
from chainplan.execution.step_times import step_times, with_steps
from chainplan.kernels.default_rates import FEMTOSECONDS_PER_NANOSECOND
from chainplan.models.block_values import ModelBlock
from chainplan.models.module_shapes import names, shaped, taken
from chainplan.models.modules import read_module
from chainplan.planner import plan
from chainplan.plans.result import Result
from chainplan.plans.steps import Step
from chainplan.problem.graph import Elemental, Graph, Mode
from chainplan.problem.problem import Problem
from chainplan.problem.solve_edges import Names, selected_part
from chainplan.structures import Block
from chainplan.values.jacobians import GivenJacobian, called

MAX_MEASURED_PLANS = 6
"""Plans whose steps are timed one after another, at the most."""
MAX_SHOWN_MODULES = 6
"""Modules that the representation of a simulation lists."""
MAX_MISMATCH = 1e-6
"""The largest difference of the two sides of the dot-product test, relative to the size of the terms."""


class ModuleTime(NamedTuple):
    """The nanoseconds of a function: of a call and of each vector in it, and what was measured, by numbers of vectors.

    Parameters
    ----------
    call : float
        The nanoseconds of a call without vectors, on the line through the fewest and the most measured vectors.
    vector : float
        The nanoseconds of each vector on that line.
    measured : tuple[tuple[int, float], ...]
        Numbers of vectors with the nanoseconds of a call on so many.

    Examples
    --------
    >>> ModuleTime(100.0, 20.0).of(5)
    200.0
    >>> ModuleTime(100.0, 20.0, ((1, 120.0), (9, 200.0))).of(5)
    160.0
    """

    call: float
    vector: float
    measured: tuple[tuple[int, float], ...] = ()

    def of(self, vectors: int) -> float:
        """Return the nanoseconds of a call, on the straight line between the measured widths around it.

        Parameters
        ----------
        vectors : int
            The vectors that it takes at once.

        Returns
        -------
        float
            The nanoseconds.
        """
        if self.measured and self.measured[0][0] <= vectors <= self.measured[-1][0]:
            widths, times = zip(*self.measured, strict=True)
            return float(np.interp(vectors, widths, times))
        return self.call + vectors * self.vector


class Simulation:
    """A simulation made of modules, each of which can be differentiated.

    Parameters
    ----------
    modules : Mapping[str, ModelBlock] | Sequence[ModelBlock]
        The modules in evaluation order, by name or as a list (then 'module1', 'module2', ...). A module is an object
        with a `tangent` (inputs x k to outputs x k), an `adjoint` (k x outputs to k x inputs) or both, and a `shape`
        (outputs, inputs) where trial calls cannot tell it; a pair of such functions; or its Jacobian as `accumulate`
        takes blocks. Functions that take single vectors alone, as a trial call tells, are called for each vector. The
        functions of an object are those that it has when it runs.
    takes : Mapping[str, Sequence[str]] | None
        For a module, the modules or inputs whose results it takes, one below the other. Others take the module before
        them, and the first one takes 'input'. Names that are no modules are inputs of the simulation.
    outputs : Sequence[str] | None
        The modules whose results are differentiated; by default those that no other module takes.
    sizes : Mapping[str, int] | None
        The sizes of inputs that no module says.
    prices : Mapping[str, tuple[float | None, float | None]] | None
        For a module with functions, the nanoseconds of its tangent and of its adjoint for each vector. Otherwise a
        vector counts as outputs · inputs fma until `measure` has timed the functions.

    Raises
    ------
    ArgumentError
        If a module is of no such kind, its shape is not known or does not fit, or a name is unknown.

    Examples
    --------
    >>> import numpy
    >>> A = numpy.arange(6.0).reshape(2, 3)
    >>> flow = (lambda v: A @ v, lambda w: w @ A)
    >>> simulation = Simulation({"flow": flow, "sensor": numpy.ones((1, 2))}, sizes={"input": 3})
    >>> simulation.jacobian()
    array([[3., 5., 7.]])
    >>> sorted(simulation.test_adjoints())
    ['flow']
    """

    def __init__(
        self,
        modules: Mapping[str, ModelBlock] | Sequence[ModelBlock],
        *,
        takes: Mapping[str, Sequence[str]] | None = None,
        outputs: Sequence[str] | None = None,
        sizes: Mapping[str, int] | None = None,
        prices: Mapping[str, tuple[float | None, float | None]] | None = None,
    ) -> None:
        if isinstance(modules, str) or not isinstance(modules, Mapping | Sequence) or not modules:
            raise ArgumentError("modules: found none; expected a list, or a mapping from names. Pass {'flow': module}.")
        named = modules if isinstance(modules, Mapping) else {f"module{i}": m for i, m in enumerate(modules, 1)}
        self._modules = {name: read_module(name, given) for name, given in named.items()}
        self._takes = taken(self._modules, {} if takes is None else takes)
        self._shapes, self._sizes = shaped(self._modules, self._takes, {} if sizes is None else sizes)
        self._modules = {name: module.in_blocks(self._shapes[name]) for name, module in self._modules.items()}
        read = {source for sources in self._takes.values() for source in sources}
        self._outputs = (
            tuple(m for m in self._modules if m not in read) if outputs is None else names("outputs", outputs)
        )
        for name in (*self._outputs, *(prices or {})):
            if name not in self._modules:
                raise ArgumentError(f"'{name}' is no module; expected one of {', '.join(self._modules)}. Correct it.")
        self._cost = _priced(prices or {})
        self._run: PreparedPlan | None = None

    def __repr__(self) -> str:
        """Say the modules with their shapes, and what is differentiated by what."""
        shapes = ", ".join(
            f"{name} {self._sizes[name]} x {shape.cols}"
            for name, shape in list(self._shapes.items())[:MAX_SHOWN_MODULES]
        )
        more = len(self._shapes) - MAX_SHOWN_MODULES
        rest = f", {more} more" if more > 0 else ""
        ends = f"{', '.join(self.graph.outputs)} by {', '.join(self.graph.inputs)}"
        return f"<Simulation of {len(self._shapes)} modules: {shapes}{rest}; {ends}>"

    @cached_property
    def graph(self) -> Graph:
        """The linearised DAG of the modules."""
        inputs = tuple(dict.fromkeys(v for some in self._takes.values() for v in some if v not in self._modules))
        sizes, elementals = dict(self._sizes), list[Elemental]()
        free = Names((*sizes, *self._modules))
        for name, sources in self._takes.items():
            source, total = sources[0], self._shapes[name].cols
            assert total is not None, "shapes are complete"
            if len(sources) > 1:
                source, first = free(f"inputs of {name}"), 0
                sizes[source] = total
                for part in sources:
                    block = selected_part(total, first, sizes[part]).transpose()
                    elementals.append(Elemental(free(f"{name}/{part}"), part, source, block))
                    first += sizes[part]
            elementals.append(self._elemental(name, source, total))
        return Graph(sizes, inputs, self._outputs, tuple(elementals))

    def _elemental(self, name: str, source: str, cols: int) -> Elemental:
        module, rows = self._modules[name], self._sizes[name]
        tangent, adjoint = (None if f is None else rows * cols for f in module.functions or (None, None))
        return Elemental(name, source, name, Block(rows, cols, module.structure), tangent, adjoint)

    def plan(self, objective: str | None = None, budget: float | None = 1.0, solver: str = "auto") -> Result:
        """Plan the Jacobian of all outputs with respect to all inputs; `jacobian` then runs this plan.

        Parameters
        ----------
        objective : str | None
            What is minimised, as for `chainplan.plan`; None takes measured or given times where there are some, and
            fma otherwise.
        budget : float | None
            The seconds that the search may take; None lets it finish.
        solver : str
            The solver, as for `chainplan.plan`: 'reverse' runs all adjoints from the last module to the first.

        Returns
        -------
        Result
            The plan with its cost, its bound and its baselines.
        """
        problem = Problem(self.graph)
        if objective is None and self._cost is not None:
            problem = Problem(self.graph, cost=self._cost)
        result = plan(problem, objective=objective, solver=solver, budget=budget)
        self._run = prepare(result)
        return result

    def jacobian(self, values: Mapping[str, ModelBlock] | None = None) -> Array:
        """Compute the Jacobian of a simulation with one input and one output.

        Parameters
        ----------
        values : Mapping[str, ModelBlock] | None
            Modules with other values or functions, as for `jacobians`.

        Returns
        -------
        Array
            The Jacobian of outputs x inputs.

        Raises
        ------
        ArgumentError
            If there are several inputs or outputs, or a name is unknown.
        ExecutionError
            If a function returns another shape, or values have another structure.
        """
        if len(self.graph.inputs) * len(self.graph.outputs) != 1:
            found = f"found inputs {', '.join(self.graph.inputs)} and outputs {', '.join(self.graph.outputs)}"
            raise ArgumentError(f"jacobian: {found}; expected one of each. Call jacobians(), which returns all.")
        return next(iter(self.jacobians(values).values()))

    def jacobians(self, values: Mapping[str, ModelBlock] | None = None) -> dict[tuple[str, str], Array]:
        """Compute all Jacobians with the functions of the modules as they are, by a plan that is made once.

        Parameters
        ----------
        values : Mapping[str, ModelBlock] | None
            Modules with other values or functions than the simulation was made of, by name.

        Returns
        -------
        dict
            (output, input) -> Jacobian of size(output) x size(input); pairs that no path connects are left out.

        Raises
        ------
        ExecutionError
            If a function returns another shape, or values have another structure.
        ArgumentError
            If a name is unknown.
        """
        if self._run is None:
            self.plan()
        assert self._run is not None, "planning prepares"
        expect("values", values or {}, Mapping, "a mapping from names to modules", "Pass {'flow': module}.")
        return self._run(self._given(values or {}))

    def _given(self, values: Mapping[str, ModelBlock]) -> dict[str, GivenJacobian]:
        """Return what the plan takes for all modules, some of which have other values."""
        given = {name: module.value for name, module in self._modules.items()}
        for name, value in values.items():
            if name not in given:
                raise ArgumentError(f"'{name}' is no module; expected one of {', '.join(given)}. Correct it.")
            given[name] = self._modules[name].like(read_module(name, value)).value
        return given

    def test_adjoints(self, seed: int = 0) -> dict[str, float]:
        """Test for each module with both functions that y·(F'·x) equals (y·F')·x, on random vectors.

        Parameters
        ----------
        seed : int
            The seed of the vectors.

        Returns
        -------
        dict
            The difference of the two sides for each module, relative to the size of the terms.

        Raises
        ------
        ExecutionError
            Where they differ by more than 1e-6; the message names the module.
        """
        rng, found = np.random.default_rng(seed), dict[str, float]()
        for name, module in self._modules.items():
            tangent, adjoint = module.current or (None, None)
            if tangent is None or adjoint is None:
                continue
            e = self.graph.declared[name]
            x, y = rng.standard_normal((e.block.cols, 2)), rng.standard_normal((2, e.block.rows))
            forward, backward = called(e, Mode.TANGENT, tangent, x), called(e, Mode.ADJOINT, adjoint, y)
            left, right = y @ forward, backward @ x
            size = float(np.maximum(np.abs(y) @ np.abs(forward), np.abs(backward) @ np.abs(x)).max(initial=0))
            found[name] = float(np.abs(left - right).max(initial=0)) / size if size else 0.0
            if not found[name] <= MAX_MISMATCH:
                raise ExecutionError(
                    f"module '{name}': y·tangent(x) is {left.flat[0]:.6g}, but adjoint(y)·x is {right.flat[0]:.6g}; "
                    "expected the same numbers. One of its functions is wrong, or they are linearised at other points."
                )
        return found

    def measure(self, seconds: float = 2.0) -> dict[str, dict[str, ModuleTime]]:
        """Time the functions of all modules and the products of plans, and plan with these times from then on.

        Functions are timed on 1, 8 and 64 vectors. Then the simulation is planned with these times, the plan runs with
        a clock behind every step, and what was found replaces what was assumed, until the plan stays the same. Kernels
        that no such plan had have the rates of this machine where `chainplan calibrate` has measured them, and static
        ones otherwise. Forward and reverse order are timed as well, as what the plan is compared with.

        Parameters
        ----------
        seconds : float
            The time that all runs of plans may take together, beyond a few for each plan.

        Returns
        -------
        dict
            For each module, 'tangent' and 'adjoint' -> nanoseconds of a call and of each vector in it.
        """
        given = self._given({})
        self._cost, self._run = measured(_rates(), self.graph, given), None
        for solver in ("reverse", "forward"):
            with suppress(SolverError):
                self._timed(solver, given, seconds / MAX_MEASURED_PLANS, {})
        known: dict[tuple[Step, ...], dict[int, float]] = {}
        for _ in range(MAX_MEASURED_PLANS):
            if not self._timed("auto", given, seconds / MAX_MEASURED_PLANS, known):
                break
        times: dict[str, dict[str, ModuleTime]] = {name: {} for name in self._modules}
        for name, mode, points in self._cost.functions:
            times[name][mode.value] = _module_time(points)
        return {name: found for name, found in times.items() if found}

    def _timed(
        self,
        solver: str,
        given: Mapping[str, GivenJacobian],
        seconds: float,
        known: dict[tuple[Step, ...], dict[int, float]],
    ) -> bool:
        """Plan by a solver with the times so far, and time the steps of the plan; say whether it is a new plan."""
        assert self._cost is not None, "functions are timed first"
        found = plan(Problem(self.graph, cost=self._cost), solver=solver, budget=1.0).plan
        times = None if found is None else step_times(found, given, seconds)
        if found is None or times is None:
            return False
        before = known.get(found.steps, times)
        known[found.steps] = {position: min(time, before[position]) for position, time in times.items()}
        self._cost = with_steps(self._cost, found, known[found.steps])
        return before is times


def _module_time(points: WidthTimes) -> ModuleTime:
    """Return the line through the first and the last of some measured widths, with all of them."""
    scaled = tuple((width, time / FEMTOSECONDS_PER_NANOSECOND) for width, time in points)
    (first, low), (last, high) = scaled[0], scaled[-1]
    vector = (high - low) / (last - first) if last > first else low / max(first, 1)
    return ModuleTime(max(0.0, low - first * vector), vector, scaled)


def _rates() -> TimedCost:
    """Return the model with the rates of this machine, or else with the static ones."""
    try:
        model = objective_model("calibrated")
    except SpecError:
        return WEIGHTED_COST
    assert isinstance(model, TimedCost)
    return model


def _priced(prices: Mapping[str, tuple[float | None, float | None]]) -> MeasuredCost | None:
    """Return the model of given nanoseconds per vector."""
    if not prices:
        return None
    expected, todo = "a number of nanoseconds from 0, or None", "Pass prices={'flow': (tangent, adjoint)}."
    expect("prices", prices, Mapping, "a mapping from modules to pairs", todo)
    for name, pair in prices.items():
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise refuse(f"prices['{name}']", pair, "a pair", todo)
        for price in pair:
            if price is not None and (not isinstance(price, Real) or not 0 <= price < float("inf")):
                raise refuse(f"prices['{name}']", price, expected, todo)
    scale = FEMTOSECONDS_PER_NANOSECOND
    functions = tuple(
        (name, mode, ((0, 0), (1, round(price * scale))))
        for name, pair in prices.items()
        for mode, price in zip(Mode, pair, strict=True)
        if price is not None
    )
    return MeasuredCost("measured", _rates().table, functions)
