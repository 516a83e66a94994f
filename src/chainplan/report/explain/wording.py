"""Groups of sentences for the reasons of a plan, the same in `chainplan explain` and on a page."""

from __future__ import annotations

from collections.abc import Iterator

from chainplan.problem.units import unit_text
from chainplan.report.explain.changes import ElementalSaving, SizeSensitivity
from chainplan.report.explain.products import ProductRange
from chainplan.report.explain.ranges import MAX_RANGE_SIZE, OptimalRange
from chainplan.report.explain.reasons import PlanReasons
from chainplan.report.explain.replan import ReplannedOptimum
from chainplan.report.explain.splits import LastOperation
from chainplan.report.words.figures import figure, label, percent

_MAX_NAMED = 8
"""The most elementals or vertices that are named as the dearest."""


def worded(reasons: PlanReasons) -> list[tuple[str, list[str]]]:
    """Return (heading, sentences) of every group that has any."""
    groups = (
        ("The top splits and their runners-up", _splits(reasons)),
        ("What the cost is made of", _shares(reasons)),
        ("Break-evens", _ranges(reasons)),
        ("If a size were different", _sensitivities(reasons)),
        ("If an elemental were different", _savings(reasons)),
        (f"Is the {'Jacobian' if reasons.result.problem.second is None else 'Hessian'} needed?", _products(reasons)),
        ("Not looked at", iter(reasons.notes)),
    )
    texts = [(title, list(sentences)) for title, sentences in groups]
    return [(title, sentences) for title, sentences in texts if sentences]


def _splits(reasons: PlanReasons) -> Iterator[str]:
    unit = unit_text(reasons.result.problem)
    for split in reasons.splits:
        chosen = f"{_choice(split.chosen)}, {figure(split.chosen.price)} {unit}"
        words = f"#{split.step}, {label(split.source)} → {label(split.target)}: {chosen}"
        if split.ties:
            words += f"; as cheap: {', '.join(_choice(t) for t in split.ties[:3])}"
            words += f" and {len(split.ties) - 3:,} more" if len(split.ties) > 3 else ""
        if split.runner_up is not None:
            other = split.runner_up
            extra = other.price - split.chosen.price
            word = "runner-up" if extra > 0 else "cheaper"
            words += f"; {word}: {_choice(other)}, {figure(other.price)}"
            words += f" ({extra:+,}{_times(other.price, split.chosen.price)})" if abs(extra) < 10**15 else ""
        yield words + "."


def _choice(choice: LastOperation) -> str:
    if choice.how == "product":
        return f"split at {label(choice.at)}"
    if choice.how == "tangent":
        return f"a tangent from {label(choice.at)} on"
    if choice.how == "adjoint":
        return f"an adjoint up to {label(choice.at)}"
    return "one coloured sweep"


def _times(price: int, than: int) -> str:
    return f", {price / than:,.2f}x" if 0 < than < price else ""


def _shares(reasons: PlanReasons) -> Iterator[str]:
    replayed, unit = reasons.result.priced, unit_text(reasons.result.problem)
    total = max(1, replayed.total if replayed is not None else 1)
    price = reasons.result.price
    if reasons.result.problem.memory is not None and price is not None:
        saved = "nothing" if price == reasons.price else f"{figure(price - reasons.price)} {unit}"
        yield f"The memory limit costs {saved}: without it there is a plan of {figure(reasons.price)}."
    if reasons.result.schedule is not None and reasons.price != price:
        yield f"On one machine there is a plan of {figure(reasons.price)} {unit}; this one is done first on several."
    if reasons.shares:
        named = (f"{label(s.elemental)} {percent(s.price, total)}" for s in reasons.shares[:_MAX_NAMED])
        more = f"; {len(reasons.shares) - _MAX_NAMED:,} others less" if len(reasons.shares) > _MAX_NAMED else ""
        yield (
            f"Share of the steps that take or multiply an elemental itself: {', '.join(named)}{more}. A product of two "
            "elementals counts for both."
        )
    if reasons.others:
        total = max(1, reasons.price)
        named = (f"{name} {figure(price)}{_times(price, total)}" for name, price in reasons.others)
        yield f"Other orders: {', '.join(named)}."
    dear = sorted((v for v in reasons.vertices if v.price), key=lambda v: -v.price)[:_MAX_NAMED]
    if dear:
        named = (f"{label(v.vertex)} {percent(v.price, total)} ({figure(v.price)} {unit})" for v in dear)
        yield f"Vertices over which the products are dearest: {', '.join(named)}."


def _ranges(reasons: PlanReasons) -> Iterator[str]:
    names = {"this plan": "This plan", "forward": "Forward order", "reverse": "Reverse order"}
    own = {r.vertex: (r.low, r.high) for r in reasons.ranges if r.order == "this plan"}
    always = [r for r in reasons.ranges if r.order == "this plan" and (r.low, r.high) == (1, None)]
    if always:
        named = ", ".join(f"{label(r.vertex)} ({figure(r.size)})" for r in always)
        yield f"This plan stays optimal whatever one of these sizes is, up to {MAX_RANGE_SIZE:,} at least: {named}."
    for r in reasons.ranges:
        now = f"the size of {label(r.vertex)} (now {figure(r.size)})"
        if not r.holds:
            yield f"{names[r.order]} becomes optimal when {now} is {_outside(r)}."
        elif r.order == "this plan":
            if r not in always:
                yield f"This plan stays optimal {_while(r, now)}."
        elif own.get(r.vertex) == (r.low, r.high):
            yield f"{names[r.order]} is as good for all these sizes of {label(r.vertex)}."
        else:
            yield f"{names[r.order]} is as good {_while(r, now)}."


def _while(r: OptimalRange, now: str) -> str:
    if r.low == r.high:
        return f"only where {now} is {figure(r.low)}"
    if r.high is None:
        return f"while {now} is at least {figure(r.low)}" if r.low > 1 else f"whatever {now} is"
    if r.low == 1:
        return f"while {now} is at most {figure(r.high)}"
    return f"while {now} is {figure(r.low)} to {figure(r.high)}"


def _outside(r: OptimalRange) -> str:
    if r.high is None:
        return f"{figure(r.low)} or larger"
    return f"smaller than {figure(r.high + 1)}"


def _sensitivities(reasons: PlanReasons) -> Iterator[str]:
    price = reasons.price
    idle = [s for s in reasons.sensitivities if all(f and f.proven and f.price == price for f in (s.doubled, s.halved))]
    if idle:
        named = ", ".join(f"{' and '.join(map(label, s.vertices[:4]))} ({figure(s.size)})" for s in idle)
        yield f"Neither doubling nor halving one of these sizes changes the optimum: {named}."
    for s in reasons.sensitivities:
        if s in idle:
            continue
        shown = ", ".join(map(label, s.vertices[:4])) + (
            f" and {len(s.vertices) - 4} more" if len(s.vertices) > 4 else ""
        )
        size = figure(s.size) + (" each, tied by structures" if len(s.vertices) > 1 else "")
        yield f"{shown} ({size}): {'; '.join(_turned(s, price))}."


def _turned(s: SizeSensitivity, price: int) -> Iterator[str]:
    for word, optimum in (("doubled", s.doubled), ("halved", s.halved)):
        if optimum is not None:
            yield f"{word}, the optimum is {_optimum(optimum, price)}"


def _optimum(optimum: ReplannedOptimum, price: int) -> str:
    ratio = "" if price == 0 else f" ({optimum.price / price:.2f}x)"
    return f"{'' if optimum.proven else 'at most '}{figure(optimum.price)}{ratio}"


def _savings(reasons: PlanReasons) -> Iterator[str]:
    price, unit = reasons.price, unit_text(reasons.result.problem)
    for saving in reasons.savings:
        yield _saved(saving, price, unit)
    alike: dict[tuple[int, int], list[str]] = {}
    for t in reasons.thresholds:
        alike.setdefault((t.most, t.product), []).append(label(t.elemental))
    for (most, product), names in alike.items():
        each = " each" if len(names) > 1 else ""
        yield (
            f"{', '.join(names)}{each} would be better matrix-free where a tangent and an adjoint take at most "
            f"{figure(most)} fma a vector; a product with the explicit block takes {figure(product)}."
        )


def _saved(saving: ElementalSaving, price: int, unit: str) -> str:
    about = "" if saving.proven else "at most "
    start = f"{label(saving.elemental)} {saving.change}: {about}{figure(saving.price)} {unit}"
    if saving.price == price:
        return f"{start}, which saves nothing."
    if saving.price < price:
        return f"{start}, {percent(price - saving.price, price)} less."
    return f"{start}, {figure(saving.price - price)} more than now."


def _products(reasons: PlanReasons) -> Iterator[str]:
    unit = unit_text(reasons.result.problem)
    for r in reasons.products:
        about = "" if r.proven else "at most "
        price = f"{figure(r.setup)} {unit} once, {figure(r.each)}" if r.setup else f"{figure(r.each)} {unit}"
        yield f"{r.what}, {_number(r)}: {r.formed}: {about}{price} for each."
    for what in dict.fromkeys(r.what for r in reasons.products):
        last = [r for r in reasons.products if r.what == what][-1]
        whole = "J" if reasons.result.problem.second is None else "H"
        if last.formed != f"{whole} is formed" and last.proven:
            yield f"{what}: for products alone {whole} should never be formed."


def _number(r: ProductRange) -> str:
    if r.last is None:
        return "any number" if r.first == 1 else f"{figure(r.first)} and more"
    return figure(r.first) if r.first == r.last else f"{figure(r.first)} to {figure(r.last)}"
