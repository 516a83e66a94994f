"""The `chainplan` command: one group, one subcommand per file, imported only when it is called.

Every way out is here: 0 fine; 1 no acceptable plan, or a check or validation failed; 2 bad input, with the message on
stderr. A traceback is never shown; `CHAINPLAN_DEBUG=1` lets a defect raise.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

import chainplan
from chainplan.errors import ChainplanError, PlanError, PointError, SpecError

COMMANDS = {
    "plan": "Find the cheapest plan for a spec.",
    "run": "Run a spec or a plan in numpy and validate it against forward and reverse order.",
    "check": "Prove a saved plan right without trusting whoever made it.",
    "report": "Write a page about a spec or a plan: one HTML file that opens from disk.",
    "explain": "Say why the best plan of a spec is as it is.",
    "example": "List the examples, or write one to plan, run and change.",
    "compare": "Plan a spec with every solver that accepts it, in one table.",
    "serve": "Serve a page on this machine to edit specs and see their plans.",
    "calibrate": "Measure this machine's rates for --objective calibrated.",
    "solvers": "List the solvers.",
}


class _Lazy(click.Group):
    """A group whose subcommands are imported when they are called; `--help` reads `COMMANDS` alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"chainplan_cli.{cmd_name}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(chainplan.__version__, prog_name="chainplan")
def group() -> None:
    """Find the cheapest order of multiplying elemental Jacobians, prove how good it is, and run it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = group.main(None if argv is None else list(argv), prog_name="chainplan", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        return _say("interrupted", 1)
    except click.ClickException as error:
        error.show()
        return 2
    except ChainplanError as error:
        return _say(
            str(error), 1 if isinstance(error, PlanError | PointError) else 2, located=isinstance(error, SpecError)
        )
    except KeyboardInterrupt:
        return _say("interrupted", 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _say(f"cannot be read or written: {error.strerror or error}.", 1)
    except MemoryError:
        return _say("out of memory; use a smaller problem, or set limits.memory in the spec.", 1)
    except Exception as error:
        if os.environ.get("CHAINPLAN_DEBUG"):
            raise
        return _say(f"defect of chainplan: {type(error).__name__}: {error}. Report it with the input.", 1)


def _say(message: str, code: int, located: bool = False) -> int:
    """Print an error; messages that begin with a file's name stay as they are, so that editors can follow them."""
    mark = "" if located else "chainplan: "
    click.echo("\n".join(mark + line for line in message.splitlines()), err=True)
    return code


def command() -> None:
    """Entry point of the installed command."""
    sys.exit(main())


if __name__ == "__main__":
    command()
