"""The table of objectives: it lists what a plan can minimise, by the names used on the command line and in plan files.

A file whose objective is `calibrated` carries the rates of the machine on which it was planned, so that all its prices
can be derived again elsewhere; the rates of the other objectives are part of chainplan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chainplan._util.json_value import JsonValue
from chainplan.costs.operations import SCALAR_OPERATIONS
from chainplan.costs.rate_store import stored_rates
from chainplan.costs.timed import WEIGHTED_COST, TimedCost, proper_rates, timed
from chainplan.errors import SpecError
from chainplan.errors.arguments import expect
from chainplan.errors.suggest import did_you_mean
from chainplan.problem.cost import FMA, CostModel


class Objective(NamedTuple):
    """What a plan can minimise, in words, and where its cost model comes from.

    `model` makes the cost model for values of a dtype on this machine. Where that depends on the machine, plan files
    store its rates, and `from_rates` makes the model of rates that were read.
    """

    words: str
    model: Callable[[str], CostModel]
    from_rates: Callable[[object], CostModel] | None = None


OBJECTIVES: dict[str, Objective] = {
    "fma": Objective("multiply-adds", lambda dtype: FMA),
    "operations": Objective("multiplications and additions of scalar code", lambda dtype: SCALAR_OPERATIONS),
    "weighted": Objective("nanoseconds by a static table", lambda dtype: WEIGHTED_COST),
    "calibrated": Objective(
        "nanoseconds by the table of this machine ('calibrate')",
        lambda dtype: timed("calibrated", stored_rates(dtype)),
        lambda rates: timed("calibrated", proper_rates(rates)),
    ),
}
"""All objectives by name; the command line, plan files and reports take them from here."""


def objective_model(name: str, dtype: str = "float64") -> CostModel:
    """Return the cost model of an objective.

    Raises
    ------
    SpecError
        Where there is no such objective, or it is 'calibrated' and this machine has not been measured.
    """
    expect("objective", name, str, "the name of an objective", "Pass objective='fma', say.")
    if name not in OBJECTIVES:
        text = f"objective '{name}' does not exist; expected one of {', '.join(OBJECTIVES)}."
        raise SpecError(f"{text} {did_you_mean(name, OBJECTIVES)}".rstrip())
    return OBJECTIVES[name].model(dtype)


def stored_model(model: CostModel) -> dict[str, JsonValue]:
    """Return what a plan file stores of a model beyond its name: the rates, where they belong to one machine."""
    objective = OBJECTIVES.get(model.objective)
    if objective is not None and objective.from_rates is not None and isinstance(model, TimedCost):
        return {"rates": {regime: list(rates) for regime, rates in model.table}}
    return {}


def model_of_file(name: str, rates: object) -> CostModel:
    """Return the model of the objective that a plan file names.

    Parameters
    ----------
    name : str
        One of `OBJECTIVES`.
    rates : object
        The rates of the file; None where it has none.

    Raises
    ------
    ValueError
        Where rates are needed but missing or malformed, or where rates are there but not needed.
    """
    objective = OBJECTIVES[name]
    if objective.from_rates is not None:
        return objective.from_rates(rates)
    if rates is not None:
        measured = " or ".join(f"'{other}'" for other, entry in OBJECTIVES.items() if entry.from_rates is not None)
        raise ValueError(f"found some, but the objective is '{name}'; expected them with {measured} alone.")
    return objective.model("float64")
