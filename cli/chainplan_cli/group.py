"""The `chainplan` group of subcommands; each has a file of its own, which is imported only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

import chainplan
from chainplan_cli.interrupt import INTERRUPT_EXIT_CODE, INTERRUPT_WORDS

COMMAND_SUMMARIES = {
    "plan": "Find the cheapest plan for a spec.",
    "run": "Run a spec or a plan in numpy and validate it against forward and reverse order.",
    "check": "Prove a saved plan right without trusting whoever made it.",
    "emit": "Write a function and its Jacobian as code in C, Python, CasADi or SymPy.",
    "report": "Write a page about a spec or a plan: one HTML file that opens from disk.",
    "draw": "Draw forward order, reverse order and the plan beside each other, as one picture.",
    "explain": "Say why the best plan of a spec is as it is.",
    "example": "List the examples, or write one to plan, run and change.",
    "compare": "Plan a spec with every solver that accepts it, in one table.",
    "convert": "Write a spec in another format: graphs, chains of other codes, YAML, JSON.",
    "serve": "Serve a page on this machine to edit specs and see their plans.",
    "calibrate": "Measure this machine's rates for --objective calibrated.",
    "solvers": "List the solvers.",
}


def say(message: str, code: int, located: bool = False) -> int:
    """Print an error and return its exit code; a message that begins with a file's name stays as it is, for editors."""
    mark = "" if located else "chainplan: "
    click.echo("\n".join(mark + line for line in message.splitlines()), err=True)
    return code


class _LazyGroup(click.Group):
    """A group that imports a subcommand when it is called; `--help` reads `COMMAND_SUMMARIES` alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMAND_SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMAND_SUMMARIES:
            return None
        command: click.Command = import_module(f"chainplan_cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # click itself would print an empty line
            return say(INTERRUPT_WORDS, INTERRUPT_EXIT_CODE)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMAND_SUMMARIES.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(chainplan.__version__, prog_name="chainplan")
def group() -> None:
    """Find the cheapest order of multiplying elemental Jacobians, prove how good it is, and run it."""
