"""`chainplan convert SPEC -o FILE`: write a problem in another format."""

from __future__ import annotations

import click

from chainplan_cli.common import FILE_NAME, require_place, write_whole
from chainplan_cli.functions import function_options, read_spec_or_function
from chainplan_cli.sizes import at_one_size, sizes_option


@click.command()
@click.argument("spec", type=FILE_NAME)
@click.option("-o", "--output", metavar="FILE", required=True, help="Where to write; the suffix says in which format.")
@sizes_option
@function_options
def command(spec: str, output: str, sizes: str | None, arguments: str | None, argnums: str | None) -> int:
    """Write the problem of SPEC, or of a function as in 'plan', in the format that the suffix of FILE names.

    Suffixes: .yaml and .json for specs, .graphml, .gml, .dot and .nodelink.json for graphs, .chaining.json for chains
    as the Jacobian-chaining codes have them. All of them are read by 'plan' as well.
    """
    from chainplan.errors import ArgumentError, SpecError
    from chainplan.io.write import problem_writer
    from chainplan.problem.problem import Problem

    writer = problem_writer(output)
    require_place(output)
    content = at_one_size(read_spec_or_function(spec, arguments, argnums), sizes, spec)
    problem = content if isinstance(content, Problem) else content.problem
    try:
        text = writer(problem)
    except (SpecError, ArgumentError) as error:
        raise SpecError(f"{spec} as {output}: {error}") from None
    write_whole(output, text)
    for note in getattr(content, "notes", ()):
        click.echo(f"chainplan: {note}", err=True)
    return 0
