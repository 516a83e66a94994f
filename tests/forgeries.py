"""Plan files of all kinds, what is true of their problems by brute force, and forged claims to put into them."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count, permutations
from typing import Any

from chainplan.costs.objectives import objective_model
from chainplan.io.plan_file import parse_plan
from chainplan.io.read import chain, from_spec
from chainplan.planner import plan
from chainplan.plans.check import check
from chainplan.plans.classes import PLAN_CLASSES, PROPAGATION, SWEPT_PROPAGATION
from chainplan.plans.replay import replay
from chainplan.plans.schedule import SCHEDULE_CLASSES
from chainplan.plans.steps import Plan
from chainplan.problem.problem import Problem
from chainplan.report.registry import RENDERERS
from chainplan.solvers.elimination.elimination_graph import WorkGraph, order_plan
from tests.answers import best_makespan, cheapest, front, plan_makespan
from tests.oracles import recompute
from tests.oracles.propagation import FreeDag, least_propagation_cost
from tests.problems import chain_problem, random_dag
from tests.test_plan_file import VALUES, mutate, places

Document = dict[str, Any]


@dataclass(frozen=True)
class Base:
    """A problem with honest plan files of it, and what is so: the optimum of each class, the smallest limit."""

    name: str
    problem: Problem
    documents: tuple[Document, ...]
    optima: dict[str, int]
    needs: int | None = None
    makespans: dict[int, int] = field(default_factory=dict)

    def falsehood(self, document: Document) -> str | None:
        """What a document says that is not so, of what a proof could be about; None where all is so."""
        unit, bound = self.problem.cost.unit, document["bound"]
        if document["cost"] is None:
            infeasible = document["status"] == "infeasible" and self.needs is not None
            return None if infeasible and document["needs"] in (None, {"memory": self.needs}) else "status"
        if bound[unit] and bound[unit] > self.optima.get(bound["within"], -1):
            return "bound"
        saved = parse_plan(json.dumps(document), "plan.json")
        assert saved.plan is not None
        check(saved.plan, self.problem)
        price, replayed = replay(saved.plan, self.problem.cost).total, replay(saved.plan)
        figures = {unit: price, "fma": replayed.total, "adds": replayed.adds, "peak_elements": replayed.peak}
        if document["cost"] != figures:
            return "cost"
        if (document["status"] == "optimal") > (bound[unit] == price and document["optimal_within"] == bound["within"]):
            return "status"
        if document["baselines"] != self.documents[0]["baselines"]:
            return "baselines"
        return self._false_schedule(document, saved.plan, price) if "schedule" in document else None

    def _false_schedule(self, document: Document, plan: Any, price: int) -> str | None:
        schedule, machines = document["schedule"], document["schedule"]["machines"]
        ends = [task["end"] for task in schedule["tasks"]]
        if schedule["makespan"] != max(ends, default=0):
            return "makespan"
        if schedule["within"] == "this plan":
            least = plan_makespan(plan, replay(plan, self.problem.cost).prices, min(machines, 4))
        else:
            least = self.makespans.get(min(machines, 4), 0)
        if schedule["bound"] > least:
            return "bound of the schedule"
        if (schedule["status"] == "optimal") != (schedule["bound"] == schedule["makespan"]):
            return "status of the schedule"
        prices = [d["cost"][self.problem.cost.unit] for d in self.documents]
        least = price if machines == 1 else min(price, *self.optima.values(), *prices)
        return None if schedule["one_machine"] == least else "one machine"


def written(problem: Problem, solver: str = "auto", **options: Any) -> Document:
    """The document of a plan file, as a reader gets it."""
    found: Document = json.loads(RENDERERS["json"](plan(problem, solver, **options)))
    return found


def _eliminations(problem: Problem) -> list[Plan]:
    """The plans of all orders of elimination."""
    return [order_plan(problem.graph, order) for order in permutations(sorted(WorkGraph(problem.graph).middle))]


def _vertex_optimum(problem: Problem) -> int:
    """The cheapest of all orders of elimination, by replaying each."""
    return min(replay(plan, problem.cost).total for plan in _eliminations(problem))


def _propagation_optima(problem: Problem) -> tuple[int, int]:
    """The cheapest of all eliminations with propagation, and with coloured sweeps besides, by trying everything."""
    dag = FreeDag(problem.to_spec())
    best, swept = least_propagation_cost(dag), least_propagation_cost(dag, sweeps=True)
    assert best is not None
    assert swept is not None
    return best, swept


def _vertex_makespan(problem: Problem, machines: int) -> int:
    """The shortest schedule of all orders of elimination, which edge and face eliminations may undercut."""
    return min(plan_makespan(plan, replay(plan).prices, machines) for plan in _eliminations(problem))


def _solved(problem: Problem, solver: str) -> int:
    result = plan(problem, solver)
    assert result.price == result.bound
    return result.bound


def _chain(name: str, problem: Problem, machines: tuple[int, ...] = ()) -> Base:
    """A chain, whose optimum is that of brute force; the eliminations of an explicit one are its bracketings."""
    found = cheapest(problem, problem.memory)
    assert found is not None
    explicit = all(e.explicit for e in problem.graph.useful)
    optima = dict.fromkeys(("bracketings", "bracketings and coloured sweeps"), found[1])
    after = "" if explicit else " after accumulation"
    for kind, solver in (("vertex", "dag-exact"), ("edge", "edge"), ("face", "face")):
        optima[f"{kind} elimination{after}"] = _solved(replace(problem, memory=None), solver)
    if not explicit:
        optima[PROPAGATION], optima[SWEPT_PROPAGATION] = _propagation_optima(problem)
    documents = [written(problem, solver) for solver in ("auto", "forward", "reverse")]
    documents += [written(problem, machines=m) for m in machines]
    makespans = {m: best_makespan(problem, m) for m in range(1, 5)} if machines else {}
    return Base(name, problem, tuple(d for d in documents if d["cost"]), optima, makespans=makespans)


def _dag(name: str, problem: Problem, machines: tuple[int, ...] = ()) -> Base:
    after = "" if all(e.explicit for e in problem.graph.useful) else " after accumulation"
    optima = {f"vertex elimination{after}": _vertex_optimum(problem)}
    for kind in ("edge", "face"):
        optima[f"{kind} elimination{after}"] = _solved(problem, kind)
    if after:
        optima[PROPAGATION], optima[SWEPT_PROPAGATION] = _propagation_optima(problem)
    documents = [written(problem, solver) for solver in ("auto", "forward", "reverse", "edge")]
    documents += [written(problem, machines=m) for m in machines]
    makespans = {m: _vertex_makespan(problem, m) for m in range(1, 5)} if machines else {}
    return Base(name, problem, tuple(documents), optima, makespans=makespans)


@cache
def bases() -> tuple[Base, ...]:
    """Chains and DAGs, with limits of memory, states, machines and a time to minimise."""
    dense = chain_problem([9, 1, 9, 1, 9])
    free = chain_problem([6, 9, 4, 8, 7], prices=[(20, 21, 1), (30, 31, 1), None, (25, 20, 2)])
    low = front(free)[0][0]
    square = {"shape": [9, 9]}
    swept = chain([square | {"structure": {"banded": [1, 1]}, "tangent": 9}, square | {"structure": "diagonal"}])
    found = [
        _chain("dense chain", dense, (1, 3)),
        _chain("matrix-free chain", free, (2,)),
        _chain("chain under a limit", replace(free, memory=low)),
        _chain("coloured chain", swept),
    ]
    for explicit, machines in ((True, (2,)), (True, ()), (False, (2,)), (False, ())):
        graphs = (random_dag(random.Random(seed), 4, dense=True) for seed in count(100 * len(found)))
        found.append(_dag(f"DAG {len(found)}", next(p for p in graphs if _worth(p, explicit)), machines))
    found.append(_dag("edges beat vertices", edge_beats_vertex()))
    found += [_states(), _infeasible(replace(free, memory=low - 1), low), _in_time(dense)]
    return tuple(found)


def edge_beats_vertex() -> Problem:
    """A graph of four intermediate vertices whose cheapest edge elimination, 15 fma, is no order of vertices."""
    sizes = {"a": 3, "b": 1, "m0": 1, "m1": 1, "m2": 2, "m3": 1, "y": 2}
    edges = ["a m0", "b m0", "a m1", "m0 m1", "a m2", "b m2", "b m3", "m1 m3", "b y", "m3 y"]
    jacobians = [{"edge": edge.split()} for edge in edges]
    return from_spec({"dag": {"sizes": sizes, "inputs": ["a", "b"], "outputs": ["y"], "jacobians": jacobians}})


def _worth(problem: Problem, explicit: bool) -> bool:
    """Whether a graph is small, and its orders differ in cost."""
    size = len(WorkGraph(problem.graph).middle)
    if problem.graph.not_a_chain is None or size not in (2, 3, 4) or len(problem.graph.useful) > 10:
        return False
    if explicit != all(e.explicit for e in problem.graph.useful):
        return False
    forward, best = (plan(problem, solver).price for solver in ("forward", "dag-exact"))
    return best is not None and 0 < best != forward


def _states() -> Base:
    e = {"shape": [4, 4], "tangent": 3, "adjoint": 5, "tape": 2}
    problem = from_spec({"chain": [e] * 3, "limits": {"recompute": True}})
    least = recompute.cheapest(problem.to_spec(), problem.memory)
    assert least is not None
    return Base("chain with states", problem, (written(problem),), {"bracketings and nested checkpoints": least})


def _infeasible(problem: Problem, needs: int) -> Base:
    return Base("infeasible chain", problem, (written(problem),), {}, needs)


def _in_time(problem: Problem) -> Base:
    """Under an objective in nanoseconds: the optimum is the cheapest of all orders of elimination."""
    timed = replace(problem, cost=objective_model("weighted"))
    documents = (written(timed), written(timed, "forward"))
    names = [name for name in PLAN_CLASSES if "accumulation" not in name and "checkpoints" not in name]
    return Base("chain in time", timed, documents, dict.fromkeys(names, _vertex_optimum(timed)))


Forgery = Callable[[random.Random, Base, Document], None]


def _figure(rng: random.Random, base: Base, document: Document) -> int:
    """A figure that a forger might like: the price, an optimum, the truth and a little more or less."""
    price = 0 if document["cost"] is None else int(document["cost"][base.problem.cost.unit])
    near = int(rng.choice([price, *base.optima.values(), document["bound"][base.problem.cost.unit]]))
    return max(0, rng.choice([price, near, near, price - 1, near + 1, near - 1, 1, 0, rng.randrange(2 * price + 2)]))


def forge_optimum(rng: random.Random, base: Base, document: Document) -> None:
    unit = base.problem.cost.unit
    document["status"], document["optimal_within"] = "optimal", rng.choice([*PLAN_CLASSES, *base.optima])
    figure = document["cost"][unit] if document["cost"] else 0
    document["bound"] = {unit: figure, "within": document["optimal_within"]}


def forge_bound(rng: random.Random, base: Base, document: Document) -> None:
    within = rng.choice([*PLAN_CLASSES, *base.optima, *base.optima, None])
    document["bound"] = {base.problem.cost.unit: _figure(rng, base, document), "within": within}
    if rng.random() < 0.8:
        document["status"], document["optimal_within"] = "feasible", None


def forge_class(rng: random.Random, base: Base, document: Document) -> None:
    document["bound"]["within"] = within = rng.choice([*PLAN_CLASSES, *base.optima])
    if document["optimal_within"] is not None:
        document["optimal_within"] = within


def forge_status(rng: random.Random, base: Base, document: Document) -> None:
    document["status"] = rng.choice(["optimal", "feasible", "infeasible", "budget"])


def forge_figure(rng: random.Random, base: Base, document: Document) -> None:
    """Change a cost, a baseline, or a figure of a step."""
    found = [(c, k) for c, k in places(document) if type(c.get(k) if isinstance(c, dict) else None) is int]
    container, key = rng.choice(found)
    container[key] += rng.choice([-1, 1, 10])


def forge_needs(rng: random.Random, base: Base, document: Document) -> None:
    document["needs"] = rng.choice([None, {"memory": (base.needs or 5) + rng.choice([-1, 0, 1])}])


def forge_no_plan(rng: random.Random, base: Base, document: Document) -> None:
    document |= {"cost": None, "steps": [], "outputs": [], "optimal_within": None}
    document["bound"] = {base.problem.cost.unit: 0, "within": None}
    document["status"] = rng.choice(["infeasible", "budget"])
    document.pop("schedule", None)


def forge_schedule(rng: random.Random, base: Base, document: Document) -> None:
    """Claims on a schedule that agree with each other; all tasks on one machine, one after the other, if so drawn."""
    schedule = document.get("schedule")
    if schedule is None or not schedule["tasks"]:
        return
    if rng.random() < 0.3:
        now = 0
        for task in sorted(schedule["tasks"], key=lambda task: task["id"]):
            length = task["end"] - task["start"]
            task.update(machine=0, start=now, end=now + length)
            now += length
        schedule["makespan"] = now
    schedule["machines"] = rng.choice([schedule["machines"], 1, 2, 3])
    makespan = schedule["makespan"]
    schedule["bound"] = rng.choice([makespan, makespan, makespan - 1, schedule["bound"], 0])
    schedule["status"] = "optimal" if schedule["bound"] == makespan else "feasible"
    schedule["within"] = rng.choice([schedule["within"], *SCHEDULE_CLASSES[:3], *base.optima])
    schedule["one_machine"] = rng.choice(
        [schedule["one_machine"], makespan, makespan + 1, _figure(rng, base, document)]
    )


def forge_type(rng: random.Random, base: Base, document: Document) -> None:
    container, key = rng.choice(places(document))
    container[key] = rng.choice([*VALUES, float(1), "1", "\u0661", 10**40, -(10**9), False])


def forge_extra(rng: random.Random, base: Base, document: Document) -> None:
    objects = [document] + [c[k] for c, k in places(document) if isinstance(c[k], dict)]
    rng.choice(objects)[rng.choice(["proof", "optimal", "fma ", "within"])] = rng.choice([True, 0, "optimal"])


def forge_objective(rng: random.Random, base: Base, document: Document) -> None:
    document["objective"] = rng.choice(["fma", "weighted", "calibrated"])


FORGERIES: tuple[Forgery, ...] = (
    forge_optimum,
    forge_optimum,
    forge_bound,
    forge_bound,
    forge_class,
    forge_status,
    forge_figure,
    forge_needs,
    forge_no_plan,
    forge_schedule,
    forge_schedule,
    forge_type,
    forge_extra,
    forge_objective,
)


def forged(rng: random.Random, base: Base) -> Document:
    """An honest file with one to three forgeries, or with one place of it changed."""
    document = copy.deepcopy(rng.choice(base.documents))
    if rng.random() < 0.15:
        changed: Document = mutate(rng, document)
        return changed
    for forgery in rng.choices(FORGERIES, k=rng.choice([1, 1, 2, 3])):
        try:
            forgery(rng, base, document)
        except (KeyError, TypeError, AttributeError):
            break
    return document
