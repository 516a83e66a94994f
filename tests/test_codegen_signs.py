"""Signs of values: few negations are left, and no other choice of the free signs leaves far fewer."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import ClassVar

import pytest

from chainplan.codegen import signs
from chainplan.codegen.layout import laid_out, needed
from chainplan.codegen.writer import Writer


def negations(writer: Writer, inputs: int, results: list[int]) -> int:
    _, lines, _ = laid_out(writer, inputs, results)
    return sum(line.operation == "neg" for line in lines)


def test_differences_constants_and_reciprocals_take_signs() -> None:
    w = Writer()
    x, y, z = (w.input(k) for k in range(3))
    difference = w.sub(x, y)
    assert negations(w, 3, [w.neg(w.mul(difference, z))]) == 0
    assert negations(w, 3, [w.neg(w.mul(w.mul(w.constant(2.0), x), z))]) == 0
    assert negations(w, 3, [w.neg(w.mul(z, w.recip(y)))]) == 1
    assert negations(w, 3, [w.neg(w.mul(w.unary("sin", difference), z)), w.unary("cos", difference)]) == 0
    assert negations(w, 3, [w.unary("exp", w.neg(w.mul(x, y)))]) == 1
    assert negations(w, 3, [difference, w.neg(difference)]) == 1


def drawn(seed: int) -> tuple[Writer, list[int]]:
    """Random sums, products and functions of four inputs, and some of them with random signs as results."""
    draw, w = Random(seed), Writer()
    values = [w.input(k) for k in range(4)]
    for _ in range(9):
        a, b = draw.choice(values[-6:]) ^ draw.randint(0, 1), draw.choice(values) ^ draw.randint(0, 1)
        name = draw.choice(("add", "mul", "sin", "recip"))
        made = w.apply(name, (a, b) if name in ("add", "mul") else (a,))
        if made >= 0:
            values.append(made)
    return w, [v ^ draw.randint(0, 1) for v in values[-4:]]


class Chosen(signs._Signs):
    """Signs by a choice of those that are free, without a search."""

    choice: ClassVar[dict[int, int]] = {}

    def improve(self) -> None:
        self._wish.update((n, wish) for n, wish in self.choice.items() if n in self._wish)
        for n in self._order:
            self.sign[n] = self._found(n)[0]


def test_few_more_are_left_than_by_the_best_of_all_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    found, least = 0, 0
    for seed in range(20):
        writer, results = drawn(seed)
        found += negations(writer, 4, results)
        free = [n for n in needed(writer, results) if writer.nodes[n][0] in ("add", "mul", "recip")]
        with monkeypatch.context() as context:
            context.setattr(signs, "_Signs", Chosen)
            choices = product((0, 1), repeat=len(free))
            best = []
            for choice in choices:
                Chosen.choice = dict(zip(free, choice, strict=True))
                best.append(negations(writer, 4, results))
        least += min(best)
    assert least <= found <= 1.1 * least
