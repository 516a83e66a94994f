"""`chainplan emit module:function`: write a function and its derivatives as scalar code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chainplan_cli.common import FILE_NAME, require_place, write_whole
from chainplan_cli.functions import called_function, function_options, names_function, positions, refuse_arguments
from chainplan_cli.sizes import at_one_size

if TYPE_CHECKING:
    from chainplan.codegen.program import ScalarProgram

EMIT_TARGETS = ("c", "python", "casadi", "sympy", "latex")
DERIVATIVE_ORDERS = {"value": 0, "jacobian": 1, "hessian": 2}
LONG_OPERATIONS = 20_000
"""Operations of a program beyond which differentiating it takes some seconds."""
_FIRST_ROWS = ("values", "jacobian")


@click.command()
@click.argument("spec", type=FILE_NAME)
@click.option("--to", "target", type=click.Choice(EMIT_TARGETS), default="c", show_default=True, help="The language.")
@click.option(
    "--derivative",
    type=click.Choice(tuple(DERIVATIVE_ORDERS)),
    default="jacobian",
    show_default=True,
    help="The highest derivative; values and lower ones come with it.",
)
@click.option("--sparse", is_flag=True, help="In C: arrays of nonzeros alone, and of their rows and columns.")
@click.option("--name", metavar="NAME", help="Of the function that is written.  [default: that of the function]")
@click.option("-o", "--output", metavar="FILE", help="Write to a file, and a table of operations to the screen.")
@function_options
def command(
    spec: str,
    target: str,
    derivative: str,
    sparse: bool,
    name: str | None,
    output: str | None,
    arguments: str | None,
    argnums: str | None,
) -> int:
    """Write a JAX function and its Jacobian, or those of SPEC, as scalar code that stands alone.

    The function is written module:function, its arguments as JAX prints their types: --args 'f64[7]'. The derivatives
    are by the arguments of --argnums, in layers by the variables of SPEC. The code is the shortest of several orders.
    A SPEC of Jacobians is planned for the fewest operations, and a plan file is proven; their inputs are the Jacobians.
    The table says how many values each order has written, and how many operations are left of the shortest after all
    passes: common factors and shared terms, signs and quotients.
    """
    from chainplan.codegen.targets.names import function_name
    from chainplan.codegen.targets.registry import TARGETS
    from chainplan.errors import SpecError

    if sparse and target != "c":
        raise SpecError(f"--sparse: found --to {target}; expected --to c. Leave it out.")
    if output is not None:
        require_place(output)
    program, order = _program(spec, arguments, argnums)
    wanted_order = DERIVATIVE_ORDERS[derivative]
    if order and wanted_order != order:
        raise SpecError(f"{spec}: found Jacobians, and --derivative {derivative}; expected jacobian. Leave it out.")
    wanted = program.name if name is None else name
    function_name(wanted)
    steps = [program]
    for _ in range(wanted_order - order):
        _say_if_long(steps[-1])
        steps.append(steps[-1].jacobian())
    text = steps[-1].c_source(wanted, sparse=True) if sparse else TARGETS[target].source(steps[-1], wanted)
    if output is None:
        click.echo(text, nl=False)
        return 0
    write_whole(output, text)
    click.echo("\n".join(_table(steps, order)))
    return 0


def _program(spec: str, arguments: str | None, argnums: str | None) -> tuple[ScalarProgram, int]:
    """Read what is to be written: a function or a file, and the order of the derivative that it is."""
    from dataclasses import replace

    if not names_function(spec):
        refuse_arguments(arguments, argnums)
        return _program_of_file(spec)
    from chainplan.codegen.sources.jax_function import argument_inputs, from_jax

    def made(function: Any, values: list[Any]) -> ScalarProgram:
        program = from_jax(function, *values)
        by = argument_inputs(function, values, positions(argnums or "0"))
        return replace(program, variables=by)

    return called_function(spec, arguments or "", made), 0


def _program_of_file(path: str) -> tuple[ScalarProgram, int]:
    """Read layers, or Jacobians with a plan that is proven, or else made for the fewest operations."""
    from pathlib import Path

    from chainplan.codegen.sources.layers import from_layers
    from chainplan.codegen.sources.plan_steps import from_plan, not_written, variable_name
    from chainplan.errors import SpecError
    from chainplan.io.plan_file import SavedPlan
    from chainplan.io.read import read_any
    from chainplan.planner import plan
    from chainplan.plans.check import check
    from chainplan.problem.problem import Problem
    from chainplan.programs.program import Program

    content = at_one_size(read_any(path), None, path)
    if isinstance(content, Program):
        return from_layers(content), 0
    problem = content if isinstance(content, Problem) else content.problem
    if reason := not_written(problem):
        raise SpecError(f"{path}: {reason}")
    found = content.plan if isinstance(content, SavedPlan) else plan(problem, objective="operations").plan
    if found is None:
        raise SpecError(f"{path}: found no plan; expected one that can be carried out. Relax the limits.")
    check(found, problem)
    return from_plan(found, variable_name(problem.name or Path(path).name.partition(".")[0])), 1


def _say_if_long(program: ScalarProgram) -> None:
    """Say on stderr what is about to take some seconds."""
    if program.operations > LONG_OPERATIONS:
        click.echo(f"chainplan: {program.name}: {program.operations:,} operations are differentiated", err=True)


def _table(steps: list[ScalarProgram], order: int) -> list[str]:
    """Say how many operations each derivative has, and each candidate for it before and after all passes."""
    from chainplan.report.words.table import columns

    first = _FIRST_ROWS[order]
    rows = [["program", "written", "operations"], [first, "", f"{steps[0].operations:,}"]]
    for program in steps[1:]:
        word = program.outputs[-1].name
        for name, (values, operations) in (program.counts or {}).items():
            rows.append([f"{word}, {name}", f"{values:,}", "" if operations is None else f"{operations:,}"])
        rows.append([word, "", f"{program.operations:,}"])
    return columns(rows, right={1, 2}, indent="")
