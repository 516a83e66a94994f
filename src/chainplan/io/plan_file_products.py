"""The products of a plan file: for how many it is made, what set-up and one product cost, and the programs.

The steps of the file are the set-up. Those of a program are numbered on after them, and its outputs, or inputs on the
left, say which step holds the product at each vertex.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chainplan.io.plan_file_programs_form import PROGRAM_ENDS
from chainplan.io.plan_file_steps import listed_programs, read_step
from chainplan.plans.candidate import Candidate
from chainplan.plans.program_replay import ProductPrices
from chainplan.plans.steps import ProductProgram, ProgramResult
from chainplan.problem.cost import FMA
from chainplan.problem.problem import Problem
from chainplan.problem.products import SIDES


def products_document(problem: Problem, candidate: Candidate | None) -> dict[str, Any] | None:
    """Write what a plan file says of products, None where there are none; prices are null without a plan."""
    if problem.products is None:
        return None
    nothing = dict.fromkeys(ProductPrices._fields)
    result = {
        **{SIDES[mode]: times for mode, times in problem.products.sides()},
        **(nothing if candidate is None else candidate.replay.products._asdict()),
    }
    if problem.cost is not FMA:
        result[problem.cost.unit] = nothing if candidate is None else candidate.priced.products._asdict()
    return result


def programs_document(candidate: Candidate) -> dict[str, Any]:
    """Write the programs of a plan, by side."""
    result = {}
    for program, steps in listed_programs(candidate):
        end = PROGRAM_ENDS[program.mode]
        results = [{end: vertex, "id": step} for vertex, step in program.results]
        result[SIDES[program.mode]] = {"steps": list(steps.documents()), f"{end}s": results}
    return result


def read_programs(raw: Mapping[str, Any], problem: Problem) -> Iterator[ProductProgram]:
    """Yield the programs of a plan file; their numbers of products are those of the problem."""
    products, second = problem.products, problem.second is not None
    for mode, side in SIDES.items():
        if side in raw:
            end = PROGRAM_ENDS[mode]
            results = tuple(ProgramResult(result[end], result["id"]) for result in raw[side][f"{end}s"])
            times = 0 if products is None else products.times(mode)
            yield ProductProgram(mode, times, tuple(map(read_step, raw[side]["steps"])), results, second)


def program_figures(candidate: Candidate, claimed: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """Yield (place, claimed value, true value) for every figure of the steps of programs."""
    for program, steps in listed_programs(candidate):
        side = SIDES[program.mode]
        for place, raw in enumerate(claimed[side]["steps"]):
            where = f"programs.{side}.steps[{place}]"
            yield f"{where}.id", raw["id"], steps.first + place
            for name, value in steps.figures(place).items():
                yield f"{where}.{name}", raw[name], value
