"""DOT: the plan as a graph for Graphviz: boxes are steps, an arrow leads from an operand to the step that reads it."""

from __future__ import annotations

from collections.abc import Iterator

from chainplan.plans.liveness import kept
from chainplan.plans.result import Result
from chainplan.problem.units import unit_text
from chainplan.report.words.steps import step_cells
from chainplan.report.words.table import ListedSteps, listed_steps


def render(result: Result) -> str:
    """Write the steps as a digraph; those that hold outputs, or are kept for programs, have a double border.

    The steps of each program stand in a frame of their own.
    """
    unit = unit_text(result.problem)
    lines = ["digraph plan {", "  rankdir=BT;", "  node [shape=box, fontname=monospace];"]
    plan = result.plan
    if plan is not None:
        first = len(plan.steps)
        ends = {output.step for output in plan.outputs} | kept(plan)
        results = [{result.step for result in program.results} for program in plan.programs]
        framed = [one for one in listed_steps(result) if one.first or not plan.steps]
        for one in listed_steps(result):
            if one not in framed:
                lines += _nodes(one, unit, "s", ends)
        for number, (one, held) in enumerate(zip(framed, results, strict=True)):
            frame = [f"subgraph cluster{number} {{", f'  label="{_quoted(one.title)}";']
            lines += [f"  {line}" for line in (*frame, *_nodes(one, unit, f"p{number}_", held, first), "}")]
    return "\n".join([*lines, "}"]) + "\n"


def _nodes(listed: ListedSteps, unit: str, prefix: str, ends: set[int], setup: int = 0) -> Iterator[str]:
    """Write the steps with what they read; the first `setup` steps of a plan are named as its own."""
    for place, step in enumerate(listed.steps):
        position, typed = listed.first + place, listed.blocks[place]
        shape = f"{typed.block.rows} x {typed.block.cols} {typed.block.structure!r}"
        leads = f"{typed.source} -> {typed.target}".replace("\0", "")
        words = (f"#{position} {' '.join(step_cells(step))}", leads, shape)
        label = "\\n".join(map(_quoted, (*words, f"{listed.prices[place]:,} {unit}")))
        border = ", peripheries=2" if position in ends else ""
        yield f'  {prefix}{position} [label="{label}"{border}];'
        for operand in step.operands():
            yield f"  {'s' if operand < setup else prefix}{operand} -> {prefix}{position};"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
