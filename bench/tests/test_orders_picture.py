"""The picture at the front door is what the command draws, and its figures are those of the two plans."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.orders_picture import PICTURE, picture

SVG = "{http://www.w3.org/2000/svg}"


def test_the_committed_picture_is_what_is_drawn() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), "run 'python -m bench picture'"


def test_the_figures_are_those_of_the_orders() -> None:
    words = [text.text or "" for text in ElementTree.fromstring(picture()).iter(f"{SVG}text")]
    assert [w for w in words if re.fullmatch(r"[\d,]+ fma", w)] == ["3,000,000 fma", "1,002,000 fma"]
    assert {"F4·(F3·(F2·F1))", "(F4·(F3·F2))·F1"} <= set(words)
    assert "F3·F2: 1,000 fma" in words


def test_blocks_are_to_scale(tmp_path: Path) -> None:
    path = tmp_path / "chain.yaml"
    path.write_text("chain: [100, 50, 25]\n", encoding="utf-8")
    drawn = [r for r in ElementTree.fromstring(picture(path)).iter(f"{SVG}rect") if r.get("class") in ("given", "made")]
    sizes = [(float(r.get("height", 0)), float(r.get("width", 0))) for r in drawn[:3]]
    assert sizes == [(16.0, 32.0), (32.0, 64.0), (16.0, 64.0)]


def test_other_plans_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.yaml"
    path.write_text("dag: {edges: [[x, a], [a, y], [x, y]]}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected loads and products of a dense chain"):
        picture(path)
