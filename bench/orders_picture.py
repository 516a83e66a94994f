"""The picture at the front door: a chain of dense Jacobians in two orders, its blocks to scale, with their costs.

Everything in it is worked out: the orders are plans of chainplan, each product is a step of its plan, and the figures
are the prices of the steps. matplotlib, which draws the charts, would be the worse tool here: the picture has no axes
and no data, it consists of rectangles and words at places of their own, and a rectangle of SVG carries the shape of its
block as a tooltip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import chainplan
from bench.instances import ROOT
from chainplan.plans.replay import replay
from chainplan.plans.steps import Load, Multiply

PICTURE = ROOT / "docs" / "orders.svg"
EXAMPLE = ROOT / "examples" / "seed_chain.yaml"
ORDERS = {"forward": "Forward order", "auto": "The plan"}
"""Solvers, and what their orders are called."""
WIDTH, HEIGHT, ROW = 760, 306, 142
LARGEST, THINNEST = 64.0, 3.0
"""Pixels of the largest size, and of the smallest that is drawn."""
STYLE = (
    ".page{fill:#fff}.word{fill:#222}.faint{fill:#666}.given{fill:#0072b2}.made{fill:#d55e00}"
    "@media(prefers-color-scheme:dark)"
    "{.page{fill:#1b1d21}.word{fill:#eee}.faint{fill:#aaa}.given{fill:#56b4e9}.made{fill:#ff9e4a}}"
)


class Factor(NamedTuple):
    """A block: its name, rows x cols, and whether it is a product."""

    name: str
    rows: int
    cols: int
    made: bool


class Product(NamedTuple):
    """A product of two blocks and its price in fma."""

    left: Factor
    right: Factor
    result: Factor
    fma: int


def picture(path: Path = EXAMPLE) -> str:
    """The text of the SVG file for a chain of dense Jacobians."""
    problem = chainplan.read(path)
    rows = [(title, _products(chainplan.plan(problem, solver=solver))) for solver, title in ORDERS.items()]
    totals = [f"{title.lower()} {sum(p.fma for p in products):,} fma" for title, products in rows]
    about = f"The same chain multiplied in two orders: {', '.join(totals)}."
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-labelledby="title" font-family="sans-serif" font-size="13">',
        f'<title id="title">{escape(about)}</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
    ]
    scale = LARGEST / max(problem.graph.sizes.values())
    for number, (title, products) in enumerate(rows):
        lines += _row(title, products, 12 + number * (ROW + 10), scale)
    return "\n".join([*lines, "</svg>", ""])


def _products(result: chainplan.Result) -> list[Product]:
    """The products of a plan in order."""
    assert result.plan is not None
    replayed, made, products = replay(result.plan), list[Factor](), list[Product]()
    for step, typed, fma in zip(result.plan.steps, replayed.blocks, replayed.prices, strict=True):
        rows, cols = typed.block.rows, typed.block.cols
        match step:
            case Load(name):
                made.append(Factor(name, rows, cols, made=False))
            case Multiply(left, right, None):
                name = f"{_inner(made[left])}·{_inner(made[right])}"
                made.append(Factor(name, rows, cols, made=True))
                products.append(Product(made[left], made[right], made[-1], fma))
            case _:
                raise ValueError(f"found a {type(step).__name__}; expected loads and products of a dense chain.")
    return products


def _inner(factor: Factor) -> str:
    return f"({factor.name})" if factor.made else factor.name


def _row(title: str, products: Sequence[Product], top: float, scale: float) -> Iterator[str]:
    """An order: its name, its products from left to right, its cost."""
    total = sum(product.fma for product in products)
    yield _text(20, top + 18, title, "word", "start", bold=True)
    yield _text(WIDTH / 2, top + 18, products[-1].result.name, "faint", "middle")
    yield _text(WIDTH - 20, top + 18, f"{total:,} fma", "word", "end", bold=True)
    width = (WIDTH - 40) / len(products)
    for number, product in enumerate(products):
        yield from _product(product, 20 + number * width, width, top + 30, scale)


def _product(product: Product, start: float, width: float, top: float, scale: float) -> Iterator[str]:
    """Left · right = result, and the price."""
    factors = (product.left, product.right, product.result)
    wide = [max(f.cols * scale, THINNEST) for f in factors]
    gap = 16.0
    x, middle = start + (width - sum(wide) - 2 * gap) / 2, top + LARGEST / 2 + 4
    for factor, w, sign in zip(factors, wide, ("·", "=", ""), strict=True):
        h = max(factor.rows * scale, THINNEST)
        shape = f"{factor.name}: {factor.rows:,} x {factor.cols:,}"
        kind = "made" if factor.made else "given"
        yield (
            f'<rect class="{kind}" x="{x:.1f}" y="{middle - h / 2:.1f}" width="{w:.1f}" height="{h:.1f}">'
            f"<title>{escape(shape)}</title></rect>"
        )
        if sign:
            yield _text(x + w + gap / 2, middle + 5, sign, "word", "middle")
        x += w + gap
    yield _text(start + width / 2, top + LARGEST + 28, f"{product.result.name}: {product.fma:,} fma", "faint", "middle")


def _text(x: float, y: float, text: str, kind: str, anchor: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'
