"""The two relative figures of every screen: the gap to a bound, and how many times as much something else costs.

A gap is a share of the cost, from 0 to 1: what the least possible may be below it. A ratio is another cost over that of
the plan at hand, so that more than 1 is always worse than the plan.
"""

from __future__ import annotations


def gap(cost: int | None, bound: int) -> float | None:
    """(cost - bound) / cost, None without a cost; 0.0 where the bound is reached."""
    if cost is None:
        return None
    return 0.0 if cost <= bound else (cost - bound) / cost


def gap_text(cost: int | None, bound: int) -> str:
    """The gap in percent, never "0.0 %" where there is one; nothing where no bound above 0 is known."""
    found = gap(cost, bound)
    if found is None or (found and not bound):
        return ""
    return "below 0.1 %" if 0 < found < 0.0005 else f"{100 * found:.1f} %"


def ratio_text(other: int, price: int) -> str:
    """How many times as much as the plan something else costs."""
    if price == 0:
        return "1.00x" if other == 0 else "the plan is free"
    return f"{other / price:,.2f}x"
