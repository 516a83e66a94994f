"""`chainplan emit module:function`: write a function and its derivatives as scalar code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chainplan_cli.common import FILE_NAME, require_place, write_whole
from chainplan_cli.functions import called_function, function_options, names_function, positions, refuse_arguments

if TYPE_CHECKING:
    from chainplan.codegen.program import ScalarProgram

EMIT_TARGETS = ("c", "python", "casadi", "sympy")
DERIVATIVE_ORDERS = {"value": 0, "jacobian": 1, "hessian": 2}


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
@click.option("--name", metavar="NAME", help="Of the function that is written.  [default: that of the function]")
@click.option("-o", "--output", metavar="FILE", help="Write to a file, and a table of operations to the screen.")
@function_options
def command(
    spec: str,
    target: str,
    derivative: str,
    name: str | None,
    output: str | None,
    arguments: str | None,
    argnums: str | None,
) -> int:
    """Write a JAX function and its Jacobian, or the layers of SPEC, as scalar code that stands alone.

    The function is written module:function, its arguments as JAX prints their types: --args 'f64[7]'. The derivatives
    are by the arguments of --argnums, in layers by the variables of SPEC. The code is the shortest of several orders.
    The table says how many values each order has written, and how many operations are left of the shortest after all
    passes: common factors and shared terms, signs and quotients.
    """
    from chainplan.codegen.targets.names import function_name
    from chainplan.codegen.targets.registry import TARGETS

    if output is not None:
        require_place(output)
    program = _program(spec, arguments, argnums)
    wanted = program.name if name is None else name
    function_name(wanted)
    steps = [program]
    for _ in range(DERIVATIVE_ORDERS[derivative]):
        steps.append(steps[-1].jacobian())
    text = TARGETS[target].source(steps[-1], wanted)
    if output is None:
        click.echo(text, nl=False)
        return 0
    write_whole(output, text)
    click.echo("\n".join(_table(steps)))
    return 0


def _program(spec: str, arguments: str | None, argnums: str | None) -> ScalarProgram:
    """Read what is to be written: a function, or layers in a file."""
    from dataclasses import replace

    from chainplan.errors import SpecError

    if not names_function(spec):
        refuse_arguments(arguments, argnums)
        from chainplan.codegen.sources.layers import from_layers
        from chainplan.io.read import read_spec
        from chainplan.problem.problem import Problem

        layers = read_spec(spec)
        if isinstance(layers, Problem):
            raise SpecError(
                f"{spec}: found Jacobians; expected layers, which have values. Write layers, or a function."
            )
        return from_layers(layers)
    from chainplan.codegen.sources.jax_function import argument_inputs, from_jax

    def made(function: Any, values: list[Any]) -> ScalarProgram:
        program = from_jax(function, *values)
        by = argument_inputs(function, values, positions(argnums or "0"))
        return replace(program, variables=by)

    return called_function(spec, arguments or "", made)


def _table(steps: list[ScalarProgram]) -> list[str]:
    """Say how many operations each derivative has, and each candidate for it before and after all passes."""
    from chainplan.report.words.table import columns

    rows = [["program", "written", "operations"], ["values", "", f"{steps[0].operations:,}"]]
    for program in steps[1:]:
        word = program.outputs[-1].name
        for name, (values, operations) in (program.counts or {}).items():
            rows.append([f"{word}, {name}", f"{values:,}", "" if operations is None else f"{operations:,}"])
        rows.append([word, "", f"{program.operations:,}"])
    return columns(rows, right={1, 2}, indent="")
