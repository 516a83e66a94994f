"""The two relative figures that every report shows: the gap to a bound, and the ratio of another cost to the plan's.

A gap is a share of the cost, from 0 to 1: the optimum may be lower than the cost by at most this share. A ratio is
another cost over the cost of the plan at hand, so that more than 1 is always worse than the plan.
"""

from __future__ import annotations


def gap(cost: int | None, bound: int) -> float | None:
    """Return (cost - bound) / cost, which is 0.0 where the cost reaches the bound, or None without a cost."""
    if cost is None:
        return None
    return 0.0 if cost <= bound else (cost - bound) / cost


def gap_text(cost: int | None, bound: int) -> str:
    """Write the gap in percent, never "0.0 %" where there is a gap; without a bound above 0 the text is empty."""
    share = gap(cost, bound)
    if share is None or (share and not bound):
        return ""
    return "below 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def ratio_text(other: int, price: int) -> str:
    """Write another cost as a multiple of the price of the plan."""
    if price == 0:
        return "1.00x" if other == 0 else "the plan is free"
    return f"{other / price:,.2f}x"
