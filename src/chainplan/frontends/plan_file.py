"""The plan file (design, section 4): a result written as a document that stands alone, and read back.

Reading distinguishes two kinds of trouble. A file that does not have the form of a plan file (no JSON, a missing field,
a number where a name belongs) is bad input: SpecError. One that has the form but claims what is not so (a cost, a
shape, a path) is a bad plan: PlanError, from `verify`, which derives every claim again from the problem and the steps
alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import chainplan
from chainplan.checker import check
from chainplan.classes import CLASSES
from chainplan.cost import FMA, CostModel
from chainplan.errors import PlanError, SpecError
from chainplan.frontends.messages import Messages
from chainplan.frontends.objects import from_objects
from chainplan.frontends.schedules import read_schedule
from chainplan.frontends.spec import read_problem
from chainplan.graph import Mode
from chainplan.objectives import read_rates, stored_model
from chainplan.problem import Problem
from chainplan.replayer import Replay, replay
from chainplan.result import Result, Status, counts
from chainplan.schedule import Schedule, check_schedule
from chainplan.steps import (
    Accumulate,
    Add,
    Advance,
    Decompress,
    Load,
    Multiply,
    Output,
    Plan,
    Propagate,
    Restore,
    Seed,
    Step,
    Store,
)
from chainplan.sweep import order_price

FORMAT = 1

_OPS: dict[str, type[Step]] = {
    "load": Load,
    "accumulate": Accumulate,
    "propagate": Propagate,
    "multiply": Multiply,
    "add": Add,
    "seed": Seed,
    "decompress": Decompress,
    "advance": Advance,
    "store": Store,
    "restore": Restore,
}
_NAMES = {kind: op for op, kind in _OPS.items()}


@dataclass(frozen=True, eq=False)
class SavedPlan:
    """A plan file as read: problem, plan and schedule (None where there is none), and the document with its claims."""

    problem: Problem
    plan: Plan | None
    document: dict[str, Any]
    source: str
    schedule: Schedule | None = None


def document(result: Result) -> dict[str, Any]:
    """A result as the document of a plan file: plain values, deterministic but for `seconds`."""
    cost, spec, model = result.cost, result.problem.to_spec(), result.problem.cost
    price, forward, reverse = _prices(result)
    name = spec.pop("name", None)
    return {
        "chainplan": chainplan.__version__,
        "format": FORMAT,
        "problem": {"name": name, "fingerprint": result.problem.fingerprint, **spec},
        "objective": model.objective,
        **stored_model(model),
        "solver": result.solver,
        "seed": result.seed,
        "seconds": round(result.seconds, 6),
        "counts": result.counts,
        "status": result.status.value,
        "optimal_within": result.optimal_within,
        "cost": None
        if cost is None
        else {"fma": cost.fma, "adds": cost.adds, "peak_elements": cost.peak_elements, **price},
        "bound": {model.unit: result.bound, "within": result.within},
        "needs": None if result.needs is None else {"memory": result.needs},
        "baselines": {
            "forward": {"fma": result.baselines.forward, **forward},
            "reverse": {"fma": result.baselines.reverse, **reverse},
        },
        "notes": list(result.notes),
        "steps": [] if result.plan is None else list(_steps(result.plan, model)),
        "outputs": [] if result.plan is None else [_output(o) for o in result.plan.outputs],
        **({} if result.schedule is None else {"schedule": result.schedule.to_dict()}),
    }


def _prices(result: Result) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Price of the plan, of forward and of reverse order in the unit of an objective other than fma."""
    unit = result.problem.cost.unit
    if unit == "fma":
        return {}, {}, {}
    baselines = result.price_baselines
    plan = {} if result.price is None else {unit: result.price}
    return plan, {unit: baselines.forward}, {unit: baselines.reverse}


def _steps(plan: Plan, cost: CostModel) -> Iterator[dict[str, Any]]:
    for position, step in enumerate(plan.steps):
        fields = {k: v.value if isinstance(v, Mode) else v for k, v in step._asdict().items()}
        yield {"id": position, "op": _NAMES[type(step)], **fields, **_derived(plan, cost, position)}


def _derived(plan: Plan, cost: CostModel, position: int) -> dict[str, Any]:
    """What a plan file says of a step beyond the decision itself."""
    replayed = replay(plan)
    block = replayed.blocks[position].block
    return {
        "rows": block.rows,
        "cols": block.cols,
        "structure": block.structure.brief(block.rows, block.cols),
        "fma": replayed.prices[position],
        **({} if cost is FMA else {cost.unit: replay(plan, cost).prices[position]}),
    }


def _output(output: Output) -> dict[str, Any]:
    return {"output": output.output, "input": output.input, "id": output.step}


def is_plan_file(data: bytes) -> bool:
    """Whether the bytes of a file look like a plan file rather than a spec: an object with the marks of one."""
    start = data[:10_000].removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"{") and all(mark in data for mark in (b'"chainplan"', b'"fingerprint"', b'"steps"'))


def parse_plan(text: str | bytes, source: str) -> SavedPlan:
    """Read a plan file; nothing it claims is verified yet.

    Raises
    ------
    SpecError
        Where the text does not have the form of a plan file.
    """
    reader = _Reader(source)
    try:
        root = json.loads(text, parse_int=_whole, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        detail = "nesting is too deep" if isinstance(error, RecursionError) else str(error)
        raise SpecError(
            f"{source}: not a plan file: {detail}; expected what 'chainplan plan --format json' writes."
        ) from None
    reader.expect(root, dict, "the file", "an object")
    if reader.field(root, "", "format", int) != FORMAT:
        raise SpecError(f"{source}: format is {root['format']}; expected {FORMAT}, the one that this version reads.")
    for name, kind in _TOP.items():
        reader.field(root, "", name, kind)
    for name in sorted(root.keys() - _TOP.keys() - {*_EXTRA}):
        raise SpecError(f"{source}: {name[:40]} is no field of a plan file; expected {', '.join((*_TOP, *_EXTRA))}.")
    described = dict(root["problem"])
    fingerprint = reader.field(described, "problem.", "fingerprint", str)
    described.pop("fingerprint")
    if described.get("name") is None:
        described.pop("name", None)
    messages = Messages(f"{source}: problem")
    problem = read_problem(from_objects(described, messages), messages)
    problem = replace(problem, cost=_model(root, source))
    if problem.fingerprint != fingerprint:
        raise PlanError(f"{source}: the fingerprint is not that of the problem in the file; one of them was changed.")
    steps = tuple(reader.step(raw, i) for i, raw in enumerate(root["steps"]))
    outputs = tuple(reader.output(raw, i) for i, raw in enumerate(root["outputs"]))
    plan = Plan(problem.graph, steps, outputs) if root["cost"] is not None else None
    schedule = read_schedule(reader, root["schedule"]) if "schedule" in root else None
    if schedule is not None and plan is None:
        raise SpecError(f"{source}: schedule stands in a file without a plan; expected none. Take it out.")
    return SavedPlan(problem, plan, root, source, schedule)


_TOP: dict[str, type | tuple[type, ...]] = {
    "chainplan": str,
    "problem": dict,
    "objective": str,
    "solver": str,
    "seed": int,
    "seconds": (int, float),
    "status": str,
    "cost": (dict, type(None)),
    "bound": dict,
    "baselines": dict,
    "steps": list,
    "outputs": list,
}


_EXTRA = ("format", "counts", "rates", "optimal_within", "needs", "notes", "schedule")


def _model(root: dict[str, Any], source: str) -> CostModel:
    """The cost model that a file names; one that no version knows is refused by `verify`, as a claim."""
    try:
        return read_rates(root["objective"], root.get("rates"))
    except ValueError as error:
        raise SpecError(f"{source}: rates: {error}") from None


def _whole(digits: str) -> int:
    if len(digits) > 400:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field '{next(n for n in names if names.count(n) > 1)}' stands twice")
    return result


class _Reader:
    """Takes fields out of parsed JSON, or says where what was found and what was expected."""

    def __init__(self, source: str) -> None:
        self.source = source

    def expect(self, value: Any, kind: type | tuple[type, ...], where: str, what: str) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            found = json.dumps(value)
            raise SpecError(f"{self.source}: {where} is {found[:60]}; expected {what}.")
        return value

    def field(self, raw: dict[str, Any], prefix: str, name: str, kind: type | tuple[type, ...]) -> Any:
        if name not in raw:
            raise SpecError(f"{self.source}: {prefix}{name} is missing; expected {_words(kind)}.")
        return self.expect(raw[name], kind, prefix + name, _words(kind))

    def step(self, raw: Any, position: int) -> Step:
        where = f"steps[{position}]."
        self.expect(raw, dict, where[:-1], "an object")
        op = self.field(raw, where, "op", str)
        if op not in _OPS:
            raise SpecError(f"{self.source}: {where}op is '{op[:40]}'; expected one of {', '.join(_OPS)}.")
        kind = _OPS[op]
        allowed = {"id", "op", "rows", "cols", "structure", "fma", "nanoseconds", *kind._fields}
        unknown = raw.keys() - allowed
        if unknown:
            raise SpecError(f"{self.source}: {where}{min(unknown)[:40]} is no field of '{op}'.")
        for name in ("id", "rows", "cols", "fma"):
            self.field(raw, where, name, int)
        return kind(**{name: self._operand(raw, where, name) for name in kind._fields})

    def _operand(self, raw: dict[str, Any], where: str, name: str) -> Any:
        if name in ("elemental", "vertex"):
            return self.field(raw, where, name, str)
        if name == "colours":
            colours = self.field(raw, where, name, list)
            if not all(type(colour) is int for colour in colours):
                raise SpecError(f"{self.source}: {where}colours holds something else; expected whole numbers.")
            return tuple(colours)
        if name == "mode":
            mode = self.field(raw, where, name, str)
            if mode not in ("tangent", "adjoint"):
                raise SpecError(f"{self.source}: {where}mode is '{mode[:40]}'; expected tangent or adjoint.")
            return Mode(mode)
        if name in ("onto", "tangent", "adjoint") and raw.get(name, 0) is None:
            return None
        return self.field(raw, where, name, int)

    def output(self, raw: Any, position: int) -> Output:
        where = f"outputs[{position}]."
        self.expect(raw, dict, where[:-1], "an object")
        names = (self.field(raw, where, "output", str), self.field(raw, where, "input", str))
        return Output(*names, self.field(raw, where, "id", int))


def _words(kind: type | tuple[type, ...]) -> str:
    words = {str: "text", int: "a whole number", dict: "an object", list: "a list", float: "a number"}
    return " or ".join(words.get(k, "null") for k in (kind if isinstance(kind, tuple) else (kind,)))


def verify(saved: SavedPlan) -> Replay:
    """Prove the plan of a file, and that all it claims of it is so, from the problem and the steps alone.

    Raises
    ------
    PlanError
        Naming the first thing that is not so.
    """
    claimed, source = saved.document, saved.source
    if saved.plan is None:
        raise PlanError(f"{source}: status '{claimed['status']}': the file holds no plan to check.")
    try:
        replayed = check(saved.plan, saved.problem)
    except PlanError as error:
        raise PlanError(f"{source}: {error}") from None
    for name, found, derived in _claims(saved, replayed):
        if type(found) is not type(derived) or found != derived:
            shown = json.dumps(found, default=str)[:80]
            raise PlanError(f"{source}: {name} is claimed to be {shown}, but it is {json.dumps(derived)}.")
    model = saved.problem.cost
    bound, price = claimed["bound"].get(model.unit), replay(saved.plan, model).total
    proven = claimed["status"] == Status.OPTIMAL.value
    if type(bound) is not int or not 0 <= bound <= price or (proven and bound != price):
        raise PlanError(
            f"{source}: bound.{model.unit} is {json.dumps(bound)[:60]} and status '{claimed['status'][:40]}', but the "
            f"plan costs {price}; a bound is at most the cost, and equal to it where the plan is optimal."
        )
    if saved.schedule is not None:
        try:
            check_schedule(saved.plan, saved.schedule, model, saved.problem.memory)
        except PlanError as error:
            raise PlanError(f"{source}: {error}") from None
    return replayed


def saved_result(saved: SavedPlan) -> Result:
    """The result that a plan file was written from, verified.

    Raises
    ------
    PlanError
        As `verify`.
    """
    replayed, claimed = verify(saved), saved.document
    notes, within = claimed.get("notes"), claimed["bound"].get("within")
    return Result(
        problem=saved.problem,
        solver=claimed["solver"],
        seed=claimed["seed"],
        seconds=claimed["seconds"],
        status=Status(claimed["status"]),
        plan=saved.plan,
        replay=replayed,
        bound=claimed["bound"][saved.problem.cost.unit],
        within=within if within in CLASSES else None,
        notes=tuple(map(str, notes)) if isinstance(notes, list) else (),
        schedule=saved.schedule,
    )


def _claims(saved: SavedPlan, replayed: Replay) -> Iterator[tuple[str, Any, Any]]:
    """(where, what the file says, what is so) of every figure that follows from problem and steps."""
    claimed, graph, model = saved.document, saved.problem.graph, saved.problem.cost
    plan = saved.plan
    assert plan is not None
    yield "objective", claimed["objective"], model.objective
    yield "counts", claimed.get("counts"), counts(graph)
    for i, raw in enumerate(claimed["steps"]):
        yield f"steps[{i}].id", raw["id"], i
        for name, value in _derived(plan, model, i).items():
            yield f"steps[{i}].{name}", raw.get(name), value
    totals = {"fma": replayed.total, "adds": replayed.adds, "peak_elements": replayed.peak}
    if model is not FMA:
        totals[model.unit] = replay(plan, model).total
    for name, value in totals.items():
        yield f"cost.{name}", claimed["cost"].get(name), value
    for name, mode in (("forward", Mode.TANGENT), ("reverse", Mode.ADJOINT)):
        prices = {other.unit: order_price(graph, mode, other) for other in (FMA, model)}
        yield f"baselines.{name}", claimed["baselines"].get(name), prices
    acceptable = (Status.OPTIMAL.value, Status.FEASIBLE.value)
    found = claimed["status"]
    yield "status", found, found if found in acceptable else Status.FEASIBLE.value
    within = claimed.get("optimal_within")
    if found == Status.OPTIMAL.value:
        yield "optimal_within", within, within if within in CLASSES else f"one of {', '.join(CLASSES)}"
    else:
        yield "optimal_within", within, None
