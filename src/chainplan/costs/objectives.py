"""The table of objectives: it lists what a plan can minimise, by the names used on the command line and in plan files.

A file whose objective is `calibrated` carries the rates of the machine on which it was planned, so that all its prices
can be derived again elsewhere; the rates of the other objectives are part of chainplan.
"""

from __future__ import annotations

from collections.abc import Callable

from chainplan._util.json_value import JsonValue
from chainplan.costs.rate_store import stored_rates
from chainplan.costs.timed import WEIGHTED_COST, TimedCost, proper_rates, timed
from chainplan.errors import SpecError
from chainplan.errors.arguments import expect
from chainplan.errors.suggest import did_you_mean
from chainplan.problem.cost import FMA, CostModel

OBJECTIVES: dict[str, Callable[[str], CostModel]] = {
    "fma": lambda dtype: FMA,
    "weighted": lambda dtype: WEIGHTED_COST,
    "calibrated": lambda dtype: timed("calibrated", stored_rates(dtype)),
}
"""For each objective, the function that returns its cost model for values of a dtype."""


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
    return OBJECTIVES[name](dtype)


def stored_model(model: CostModel) -> dict[str, JsonValue]:
    """Return what a plan file stores of a model beyond its name: the rates, where they belong to one machine."""
    if isinstance(model, TimedCost) and model is not WEIGHTED_COST:
        return {"rates": {regime: list(rates) for regime, rates in model.table}}
    return {}


def read_rates(name: str, rates: object) -> CostModel:
    """Return the model that a plan file names; an unknown name means fma.

    Raises
    ------
    ValueError
        Where rates are needed but missing or malformed, or where rates are there but not needed.
    """
    if name != "calibrated":
        if rates is not None:
            raise ValueError(f"found some, but the objective is '{name[:40]}'; expected them with 'calibrated' alone.")
        return WEIGHTED_COST if name == "weighted" else FMA
    return timed("calibrated", proper_rates(rates))
