"""What is wanted of Jacobians of JAX functions, and whether the suite `jax` shows it; a function of its rows alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.markdown import geometric_mean
from bench.rows import JaxRow

PROMISE = 1.3
"""Operations of the better mode over those of the plan from which a plan is expected to be faster."""
NEVER_BELOW, NEVER_BELOW_SHORT = 0.95, 0.9
"""Speed over the better mode that no function may miss; that where the calls are less than `SHORT` apart."""
SHORT = 20e-6
"""Seconds by which calls may differ by the noise of timing alone."""


@dataclass(frozen=True)
class Goal:
    """What is wanted, the figure that was measured (None where nothing was), and whether it is enough."""

    wanted: str
    figure: str | None
    reached: bool


def promise(row: JaxRow) -> float:
    """Operations of the better of JAX's modes over those of the plan."""
    modes = [price for price in (row.jacfwd_fma, row.jacrev_fma) if price is not None]
    return min(modes) / max(1, row.plan_fma) if modes and row.plan_fma is not None else 1.0


def better_mode(row: JaxRow) -> float | None:
    """Seconds of the faster of JAX's ways."""
    return min((t for t in (row.jacfwd_seconds, row.jacrev_seconds, row.hessian_seconds) if t), default=None)


def speed(row: JaxRow, way: str = "default") -> float | None:
    """Time of the faster of JAX's ways over that of another one; None where it was not measured."""
    return ratio(better_mode(row), getattr(row, f"{way}_seconds"))


def ratio(slower: float | None, faster: float | None) -> float | None:
    """One time over another, None where one of them was not measured."""
    return slower / faster if slower and faster else None


def goals(rows: Sequence[JaxRow]) -> list[Goal]:
    """Every goal in the order of importance."""
    dense = [row for row in rows if row.task == "jacobian"]
    sparse = [row for row in rows if row.task == "sparse"]
    hessians = [row for row in rows if "hessian" in row.task]
    squares = [row for row in rows if row.task == "gauss-newton"]
    over_hand = _pairs(dense, _over_hand)
    return [
        _never_below("never below 0.95 of the better mode (0.9 where calls are less than 20 µs apart)", dense),
        *(
            _mean_of(_promised(dense, batch), goal, f"where {PROMISE} is promised, batch {batch}")
            for batch, goal in _MEANS
        ),
        _mean_of(
            [row for row in dense if row.group == "real" and row.batch == 1], 4.0, "on functions of users, batch 1"
        ),
        _most("within 1.3 of what is written by hand", over_hand, 1.3),
        _least("sparse, up to 1,000: not behind asdex", _pairs(_sized(sparse, 0, 1000), _over_asdex), 1.0),
        _mean("sparse, from 10,000: over asdex", _pairs(_sized(sparse, 10_000, 1 << 40), _over_asdex), 1.5),
        _least("sparse, 1,000: over the dense modes", _pairs(_sized(sparse, 0, 1000), speed), 20.0),
        _most(
            "first call at 100,000, seconds", _pairs(_sized(sparse, 100_000, 1 << 40), lambda r: r.default_first), 3.0
        ),
        _most(
            "memory of it, MB", _pairs(_sized(sparse, 100_000, 1 << 40), lambda r: (r.peak or 0) / 1e6 or None), 500.0
        ),
        _mean_of([row for row in dense if row.group == "all states"], 5.0, "on all states of rollouts"),
        _never_below("rollouts never below 0.95 of the better mode", [r for r in dense if r.group in _ROLLED]),
        _most(
            "sparse Hessians over asdex, in time",
            _pairs(hessians, lambda r: ratio(r.default_seconds, r.asdex_seconds)),
            1.5,
        ),
        _never_below("Hessians never below 0.95 of jax.hessian", hessians),
        _least("Hessians with structure over jax.hessian", _pairs(_batch_of_one(hessians), speed), 2.0),
        _most("Hessians within 1.5 of what is written by hand", _pairs(hessians, _over_hand), 1.5),
        _never_below("products of Jacobians never below 0.95 of forming them", squares),
        _most("first call over 1.5 times JAX's, seconds", _pairs(dense, _late), 0.5),
    ]


_MEANS = ((1, 1.5), (512, 2.0))
"""By batch: the speed over the better mode, in the geometric mean, where the plan promises `PROMISE`."""
_ROLLED = ("all states", "rollouts")
_Pairs = list[tuple[float, JaxRow]]


def _pairs(rows: Iterable[JaxRow], figure: Callable[[JaxRow], float | None]) -> _Pairs:
    return [(found, row) for row in rows if (found := figure(row)) is not None]


def _promised(rows: Sequence[JaxRow], batch: int) -> list[JaxRow]:
    return [row for row in rows if row.batch == batch and promise(row) >= PROMISE]


def _sized(rows: Sequence[JaxRow], least: int, most: int) -> list[JaxRow]:
    return [row for row in rows if row.n is not None and least <= row.n <= most]


def _batch_of_one(rows: Sequence[JaxRow]) -> list[JaxRow]:
    return [row for row in rows if row.batch == 1]


def _over_hand(row: JaxRow) -> float | None:
    return ratio(row.default_seconds, row.hand_seconds)


def _over_asdex(row: JaxRow) -> float | None:
    return ratio(row.asdex_seconds, row.default_seconds)


def _late(row: JaxRow) -> float | None:
    """Seconds by which a first call takes more than 1.5 times that of the better mode; of the first batch alone."""
    modes = [t for t in (row.jacfwd_first, row.jacrev_first) if t]
    return row.default_first - 1.5 * min(modes) if modes and row.default_first and row.batch == 1 else None


def _never_below(wanted: str, rows: Sequence[JaxRow]) -> Goal:
    """Whether no row is below its floor; the figure names those that are."""
    pairs = _pairs(rows, speed)
    below = [(found, row) for found, row in pairs if found < _floor(row)]
    if not pairs:
        return Goal(wanted, None, False)
    found, row = min(pairs, key=lambda pair: pair[0])
    behind = f", {len(below)} of {len(pairs)} below" if below else ""
    return Goal(wanted, f"least {found:.2f} ({_named(row)}){behind}", not below)


def _floor(row: JaxRow) -> float:
    mode = better_mode(row)
    short = mode is not None and row.default_seconds is not None and row.default_seconds - mode < SHORT
    return NEVER_BELOW_SHORT if short else NEVER_BELOW


def _mean_of(rows: Sequence[JaxRow], least: float, where: str) -> Goal:
    return _mean(f"speed over the better mode {where}", _pairs(rows, speed), least)


def _mean(wanted: str, pairs: _Pairs, least: float) -> Goal:
    wanted = f"{wanted}: geometric mean at least {least:g}"
    if not pairs:
        return Goal(wanted, None, False)
    mean = geometric_mean([found for found, _ in pairs])
    return Goal(wanted, f"{mean:.2f} of {len(pairs)}, least {_extreme(pairs, min)}", mean >= least)


def _least(wanted: str, pairs: _Pairs, least: float) -> Goal:
    wanted = f"{wanted}: at least {least:g}"
    return Goal(wanted, _extreme(pairs, min), bool(pairs) and min(found for found, _ in pairs) >= least)


def _most(wanted: str, pairs: _Pairs, most: float) -> Goal:
    wanted = f"{wanted}: at most {most:g}"
    return Goal(wanted, _extreme(pairs, max), bool(pairs) and max(found for found, _ in pairs) <= most)


def _extreme(pairs: _Pairs, choose: Callable[..., tuple[float, JaxRow]]) -> str | None:
    if not pairs:
        return None
    found, row = choose(pairs, key=lambda pair: pair[0])
    return f"{found:.2f} ({_named(row)})"


def _named(row: JaxRow) -> str:
    return f"`{row.instance}`" if row.batch == 1 else f"`{row.instance}` at {row.batch}"
