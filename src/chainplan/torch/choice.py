"""Which program computes a Jacobian: that of a plan, or that of one of PyTorch's own modes.

A plan depends on the linearised DAG alone, so that plans are kept by the fingerprint of their problem. Plan and modes
are traced to the programs that would run, and the predicted times of these programs decide (`program_time`), or
measured ones. A plan is used only where its Jacobian agrees with an adjoint of the function: PyTorch does not say
everything about a function in its graph, such as a derivative of the user's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor
from torch.fx import GraphModule

from chainplan._util.byte_cache import bytes_of, kept
from chainplan.planner import plan as find_plan
from chainplan.plans.candidate import Candidate
from chainplan.plans.result import Result
from chainplan.plans.steps import Load
from chainplan.problem.problem import Problem
from chainplan.solvers.registry import SOLVERS
from chainplan.torch.agreement import agrees, agrees_in_batch
from chainplan.torch.emit import jacobian_blocks
from chainplan.torch.errors import NotTraced
from chainplan.torch.linearise import LinearisedGraph, linearise, results_of
from chainplan.torch.modes import by_mode
from chainplan.torch.program import program
from chainplan.torch.program_time import predicted_seconds
from chainplan.torch.trace import TensorFunction, constants_of, examples, trace

MIN_GAIN_OF_PLAN = 0.05
"""The share of the predicted time of the better mode that a plan must save to be used."""
SEARCH_NODES = 100
"""The steps of the search for a plan after which it ends."""
MAX_TRACED_STEPS = 600
"""The number of steps of the longest plan that is traced."""
MAX_SHORT_STEPS, NEAR_THE_BEST = 60, 1.5
"""Of the longest plan beside which simple orders are looked at, too: its steps; and how near they must come in fma."""
MAX_WRITTEN_ENTRIES = 50_000_000
"""The most entries, written out, of a block that a plan may make where the Jacobian itself is smaller."""
MAX_CHUNKS_TRACED = 64
"""The most chunks of a mode that is traced to a program; it grows with their number."""
FAR_MORE_SEEDS = 30
"""Times the seeds of the other mode that a mode may send to be traced."""
TUNING_SECONDS, TUNING_ROUNDS = 0.2, 15
"""How long, and how often, programs are timed."""


class Chosen(NamedTuple):
    """A way to a Jacobian, "plan", "jacrev" or "jacfwd", and its program; None where the mode is called as it is."""

    way: str
    graph: GraphModule | None = None
    reason: str = ""
    by_values: bool = False
    promise: float = 1.0
    """The predicted time of the better mode over that of the way."""


class Asked(NamedTuple):
    """A function of tensors, its arguments, the positions of those to differentiate by, and the options."""

    function: TensorFunction
    leaves: Sequence[Tensor]
    active: tuple[int, ...]
    chunk: int | None
    tune: bool
    batch: int


def chosen(asked: Asked) -> Chosen:
    """Return the way to a Jacobian, with its program."""
    leaves = examples(asked.leaves)
    try:
        graph = trace(asked.function, leaves)
    except NotTraced as reason:
        return Chosen("jacrev", None, _sentence(reason), reason.by_values)
    modes = {name: made for name, made in programs_of_modes(asked, graph, leaves).items() if _batched(asked, made)}
    try:
        planned = program_of_plan(asked, graph, leaves)
    except Exception as reason:  # tracing derivatives may raise anything
        return _best(_agreeing(asked, modes), asked, str(reason))
    if planned is None:
        return _best(_agreeing(asked, modes), asked, "the plan is too long, or makes blocks that are too large")
    if not _batched(asked, planned):
        return _best(_agreeing(asked, modes), asked, "a batching rule of PyTorch is wrong for the plan")
    if not agrees(asked.function, asked.leaves, asked.active, planned.forward):
        alone = {name: made for name, made in modes.items() if name == "jacrev"}
        return _best(alone, asked, "it has a derivative that its operations do not show")
    if not modes:
        return Chosen("plan", planned)
    if asked.tune:
        return _fastest({"plan": planned, **modes}, asked)
    best = _best(modes, asked, "the plan saves too little of the predicted time")
    assert best.graph is not None, "the programs of modes"
    ours, theirs = predicted_seconds(planned, asked.batch), predicted_seconds(best.graph, asked.batch)
    return best if ours > (1 - MIN_GAIN_OF_PLAN) * theirs else Chosen("plan", planned, promise=theirs / ours)


def _agreeing(asked: Asked, modes: dict[str, GraphModule]) -> dict[str, GraphModule]:
    """Return jacrev, whose Jacobian is asked for, and jacfwd where it gives the same."""
    found = dict(modes)
    if "jacfwd" in found and not agrees(asked.function, asked.leaves, asked.active, found["jacfwd"].forward):
        del found["jacfwd"]
    return found


def _batched(asked: Asked, made: GraphModule) -> bool:
    """Say whether a program can be used for the batch that is in sight."""
    return asked.batch == 1 or agrees_in_batch(asked.leaves, made.forward)


def _sentence(reason: NotTraced) -> str:
    if reason.by_values:
        return (
            "its steps depend on values, so that no plan holds for all of them, and it is left to torch.func.jacrev. "
            "Write torch.where, or take the choice out of the function, to have it planned"
        )
    return f"{reason}; it is left to torch.func.jacrev"


def programs_of_modes(asked: Asked, graph: GraphModule, leaves: Sequence[Tensor]) -> dict[str, GraphModule]:
    """Trace PyTorch's modes; one that cannot be traced, or takes too many chunks, is left out."""
    made = {}
    outs = _results(graph)
    sizes = {"jacrev": sum(out.numel() for out in outs), "jacfwd": sum(leaves[i].numel() for i in asked.active)}
    for name, size in sizes.items():
        if asked.chunk is not None and size > MAX_CHUNKS_TRACED * asked.chunk:
            continue
        if size > FAR_MORE_SEEDS * min(sizes.values()):
            continue
        try:
            made[name] = program(by_mode(asked.function, name, asked.active, asked.chunk), leaves)
        except Exception:  # an operation without that derivative, or that cannot be batched, may raise anything
            continue
    return made


def _results(graph: GraphModule) -> list[Tensor]:
    return [node.meta["val"] for node in results_of(graph)]


def _best(programs: dict[str, GraphModule], asked: Asked, reason: str) -> Chosen:
    """Return the mode of the least predicted time."""
    if not programs:
        return Chosen("jacrev", None, reason or "its modes cannot be traced")
    name = min(programs, key=lambda name: predicted_seconds(programs[name], asked.batch))
    return Chosen(name, programs[name], reason)


def program_of_plan(asked: Asked, graph: GraphModule, leaves: Sequence[Tensor]) -> GraphModule | None:
    """Return the program of the plan of the least predicted time, None where none can be run."""
    linearised = linearise(graph, asked.active)
    if linearised.problem is None:
        return _program(asked, linearised, None, leaves)
    result = _plan(linearised.problem, "auto")
    candidates = [result.candidate] if result.candidate is not None and not _too_large(result) else []
    if candidates and len(candidates[0].plan.steps) <= MAX_SHORT_STEPS:
        candidates += _simple(linearised.problem, candidates[0])
    programs = [_program(asked, linearised, candidate, leaves) for candidate in candidates]
    return min(programs, key=lambda one: predicted_seconds(one, asked.batch), default=None)


def _program(
    asked: Asked, linearised: LinearisedGraph, candidate: Candidate | None, leaves: Sequence[Tensor]
) -> GraphModule:
    plan = None if candidate is None else candidate.plan
    constants = constants_of(linearised.graph)

    def blocks(*given: Tensor) -> list[Tensor]:
        held = dict(zip(constants, given[len(leaves) :], strict=True))
        return jacobian_blocks(linearised, plan, given[: len(leaves)], held, asked.active, asked.chunk)

    return program(blocks, leaves, constants)


def _plan(problem: Problem, solver: str) -> Result:
    """Plan a problem, or return the kept result of having planned it."""
    key = "torch plan", problem.fingerprint, solver

    def find() -> Result:
        return find_plan(problem, solver, nodes=SEARCH_NODES)

    return kept(key, find, lambda result: bytes_of(result.plan) + bytes_of(problem.graph))


def _simple(problem: Problem, best: Candidate) -> list[Candidate]:
    """Return the plans of simple orders that come near the best one: their programs differ in sums and bytes."""
    found: list[Candidate] = []
    for name in ("forward", "reverse", "greedy"):
        if SOLVERS[name].refusal(problem) is not None:
            continue
        other = _plan(problem, name).candidate
        if other is None or other.price > NEAR_THE_BEST * best.price:
            continue
        if all(other.plan.steps != known.plan.steps for known in (best, *found)):
            found.append(other)
    return found


def _too_large(result: Result) -> bool:
    """Say whether a plan has too many steps, or makes a block that is too large to be written out."""
    if result.replay is None or result.plan is None or len(result.plan.steps) > MAX_TRACED_STEPS:
        return True
    ends = {output.step for output in result.plan.outputs}
    sizes = [typed.block.rows * typed.block.cols for typed in result.replay.blocks]
    steps = enumerate(zip(result.plan.steps, sizes, strict=True))
    made = [size for i, (step, size) in steps if not isinstance(step, Load) and i not in ends]
    return max(made, default=0) > max([MAX_WRITTEN_ENTRIES, *(sizes[i] for i in ends)])


def _fastest(programs: dict[str, GraphModule], asked: Asked) -> Chosen:
    """Return the program of the least measured time."""
    leaves = [leaf.detach() for leaf in asked.leaves]
    run: dict[str, Callable[..., object]] = {name: graph.forward for name, graph in programs.items()}
    if asked.batch > 1:
        leaves = [torch.ones((asked.batch, *leaf.shape), dtype=leaf.dtype, device=leaf.device) for leaf in leaves]
        run = {name: torch.func.vmap(graph.forward) for name, graph in programs.items()}
    least = dict.fromkeys(programs, float("inf"))
    start = perf_counter()
    for turn in range(TUNING_ROUNDS):
        for name, call in run.items():
            before = perf_counter()
            call(*leaves)
            _await(leaves)
            least[name] = min(least[name], perf_counter() - before)
        if turn >= 2 and perf_counter() - start > TUNING_SECONDS:
            break
    name = min(least, key=lambda name: least[name])
    return Chosen(name, programs[name], "" if name == "plan" else "it was measured to be the fastest")


def _await(leaves: Sequence[Tensor]) -> None:
    """Wait until the devices of tensors have done what they were told."""
    for device in {leaf.device for leaf in leaves if leaf.device.type != "cpu"}:
        torch.accelerator.synchronize(device)
