"""DOT: the plan as a graph for Graphviz: boxes are steps, an arrow leads from an operand to the step that reads it."""

from __future__ import annotations

from chainplan.plans.result import Result
from chainplan.problem.units import unit_text
from chainplan.report.words.steps import step_cells


def render(result: Result) -> str:
    """Write the steps as a digraph; those that hold outputs have a double border."""
    unit = unit_text(result.problem)
    lines = ["digraph plan {", "  rankdir=BT;", "  node [shape=box, fontname=monospace];"]
    if result.plan is not None and result.priced is not None:
        ends = {output.step for output in result.plan.outputs}
        for position, step in enumerate(result.plan.steps):
            typed, price = result.priced.blocks[position], result.priced.prices[position]
            shape = f"{typed.block.rows} x {typed.block.cols} {typed.block.structure!r}"
            words = (f"#{position} {' '.join(step_cells(step))}", f"{typed.source} -> {typed.target}", shape)
            label = "\\n".join(map(_quoted, (*words, f"{price:,} {unit}")))
            border = ", peripheries=2" if position in ends else ""
            lines.append(f'  s{position} [label="{label}"{border}];')
            lines += [f"  s{operand} -> s{position};" for operand in step.operands()]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
