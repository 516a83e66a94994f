"""The `chainplan` command, with its exit codes.

The exit code is 0 if all is fine; 1 if there is no acceptable plan, or a check or validation failed; 2 after bad input,
with the message on stderr; 130 if the command was interrupted before there was a plan. A traceback is never shown, but
`CHAINPLAN_DEBUG=1` lets a defect raise. Whatever takes time to import is imported inside `main`, after `command` has
taken care of Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from chainplan_cli.interrupt import INTERRUPT_EXIT_CODE, INTERRUPT_WORDS, end_at_once


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    import click

    from chainplan.errors import ChainplanError, PlanError, PointError, SpecError
    from chainplan_cli.group import group, say

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = group.main(None if argv is None else list(argv), prog_name="chainplan", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        return say(INTERRUPT_WORDS, INTERRUPT_EXIT_CODE)
    except click.ClickException as error:
        error.show()
        return 2
    except ChainplanError as error:
        return say(
            str(error), 1 if isinstance(error, PlanError | PointError) else 2, located=isinstance(error, SpecError)
        )
    except KeyboardInterrupt:
        return say(INTERRUPT_WORDS, INTERRUPT_EXIT_CODE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return say(f"cannot be read or written: {error.strerror or error}.", 1)
    except MemoryError:
        return say("out of memory; use a smaller problem, or set limits.memory in the spec.", 1)
    except Exception as error:
        if os.environ.get("CHAINPLAN_DEBUG"):
            raise
        return say(f"defect of chainplan: {type(error).__name__}: {error}. Report it with the input.", 1)


def command() -> None:
    """Entry point of the installed command."""
    end_at_once()
    sys.exit(main())


if __name__ == "__main__":
    command()
