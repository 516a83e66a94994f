"""The errors of chainplan: one root class, and one class for each kind of misuse.

Exceptions are for misuse alone; the outcome of a search (optimal, infeasible, ...) is data (`plans.bound.Status`).
Every message reads *where: what was found; what was expected. What to do.* Every package may raise these errors, and
public functions check their arguments by `errors.arguments`.
"""

from __future__ import annotations

from collections.abc import Iterable


class ChainplanError(Exception):
    """Root of all errors that chainplan raises on purpose.

    Examples
    --------
    >>> import chainplan
    >>> try:
    ...     chainplan.chain([])
    ... except chainplan.ChainplanError as error:
    ...     print(error)
    spec: chain is empty; expected at least two sizes or one jacobian. Add them.
    """


class SpecError(ChainplanError):
    """A spec or a plan file cannot be read; `messages` holds every fault of the file, one line each."""

    def __init__(self, messages: str | Iterable[str]) -> None:
        self.messages = (messages,) if isinstance(messages, str) else tuple(messages)
        super().__init__("\n".join(self.messages))


class ArgumentError(ChainplanError):
    """A public function was given an argument that it does not take."""


class ShapeError(ChainplanError):
    """Two things that must agree in shape do not."""


class PlanError(ChainplanError):
    """A plan breaks a rule of the plan language, or claims something that does not hold."""


class SolverError(ChainplanError):
    """A solver does not exist, or refuses the problem it was given."""


class ExecutionError(ChainplanError):
    """A plan cannot be run on the Jacobians that were given."""


class PointError(ExecutionError):
    """Layers have no value or no Jacobian at the given point."""


def missing_extra(what: str, package: str, extra: str) -> str:
    """Say that a package is missing, and give the command that installs its extra in a checkout."""
    return f"{what} needs {package}, which is not installed. Run in the checkout of chainplan: pip install '.[{extra}]'"
