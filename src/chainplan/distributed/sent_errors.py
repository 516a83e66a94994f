"""Exceptions of tasks on their way from another process: one that would be lost gives way to one that says the same.

A cluster replaces an exception that cannot be pickled, or not be made again from its arguments, by its text, and loses
the notes that say which module it is of. In a pool such an exception ends all processes. And `sys.exit` in a module
would end the worker, and the next worker that tries.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable

from chainplan.distributed.worker_tasks import TaskOperand, WorkerTask, run_placed
from chainplan.errors import ExecutionError


def run_sent(dumps: Callable[[Exception], bytes], token: str, call: WorkerTask, *given: TaskOperand) -> TaskOperand:
    """Run a task as `run_placed` does, in a process that sends exceptions by `dumps`.

    Raises
    ------
    ExecutionError
        Where the plan was taken back, or in the place of an exception that would not arrive.
    """
    instead: Exception
    try:
        return run_placed(token, call, *given)
    except SystemExit as error:
        instead = _with_notes(error, f"a task called sys.exit({error.code!r}); expected a result, or an exception.")
    except Exception as error:
        if _arrives(error, dumps):
            raise
        error.__cause__ = error.__context__ = None
        instead = error if _arrives(error, dumps) else _with_notes(error, _lost(error))
    raise instead


def _arrives(error: Exception, dumps: Callable[[Exception], bytes]) -> bool:
    """Say whether an exception can be pickled and made again."""
    try:
        pickle.loads(dumps(error))
    except Exception:
        return False
    return True


def _lost(error: Exception) -> str:
    return (
        f"a task raised {type(error).__name__}: {error}; expected an exception that can be pickled, to raise it here. "
        "Have its class pass its arguments to Exception.__init__, and hold nothing that stays in a process."
    )


def _with_notes(error: BaseException, text: str) -> ExecutionError:
    """The error that goes in the place of another one, with its notes."""
    instead = ExecutionError(text)
    for note in getattr(error, "__notes__", ()):
        instead.add_note(note)
    return instead
