"""Charts: well-formed whatever they are named, and where a point is to be it is; profiles by their definition."""

from __future__ import annotations

from math import isclose, log10
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.charts import BOTTOM, HEIGHT, LEFT, MANY, RIGHT, TOP, WIDTH, Axis, Chart, Series, svg
from bench.profiles import over_best, profiles

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = pytest.mark.usefixtures("charts")
NASTY = '</text><script>alert("1")</script> & <b>'
VALUE = st.floats(1e-9, 1e15)


def _marks(text: str) -> list[tuple[float, float]]:
    """The places of the markers of the first series."""
    series = ElementTree.fromstring(text).find(f".//{SVG}g[@id='series-0']")
    assert series is not None
    return [(float(use.get("x", 0)), float(use.get("y", 0))) for use in series.iter(f"{SVG}use")]


def _chart(x: Axis, y: Axis, *points: tuple[float, float], mark: str = "line", name: str = "one") -> Chart:
    return Chart("title", "words", x, y, (Series(name, points),), mark)


@DRAWN
@pytest.mark.parametrize("mark", ["line", "step", "dots"])
def test_names_are_escaped(mark: str) -> None:
    nasty = Chart(NASTY, NASTY, Axis(NASTY), Axis(NASTY), (Series(NASTY, ((1, 2), (3, 4))),), mark)
    root = ElementTree.fromstring(svg(nasty))
    assert root.find(f"{SVG}title").text == root.find(f"{SVG}desc").text == NASTY  # type: ignore[union-attr]
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    assert sum(element.text == NASTY for element in root.iter(f"{SVG}text")) == 4


@DRAWN
def test_say_what_they_show() -> None:
    root = ElementTree.fromstring(svg(_chart(Axis("x"), Axis("y"), (0, 0), (1, 1))))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "title description"
    assert "prefers-color-scheme:dark" in (root.find(f".//{SVG}style").text or "")  # type: ignore[union-attr]


@DRAWN
@given(st.lists(st.tuples(VALUE, VALUE), max_size=5), st.booleans(), st.booleans(), st.sampled_from(["line", "step"]))
def test_points_are_inside_whatever_they_are(
    points: list[tuple[float, float]], log_x: bool, log_y: bool, mark: str
) -> None:
    chart = _chart(Axis("x", log=log_x), Axis("y", log=log_y), *points, mark=mark)
    text = svg(chart)
    assert "nan" not in text
    assert "inf" not in text
    marks = _marks(text) if points else []
    assert len(marks) == (len(points) if mark == "line" else 0)
    for x, y in marks:
        assert LEFT - 0.1 <= x <= WIDTH - RIGHT + 0.1
        assert TOP - 0.1 <= y <= HEIGHT - BOTTOM + 0.1


@DRAWN
def test_a_logarithmic_axis_is_one() -> None:
    text = svg(_chart(Axis("x", log=True), Axis("y"), (1, 0), (10, 1), (1000, 2), mark="dots"))
    at = [x for x, _ in _marks(text)]
    assert isclose(at[1] - at[0], (at[2] - at[0]) * log10(10) / log10(1000), abs_tol=0.2)


@DRAWN
def test_what_a_logarithmic_axis_cannot_show_is_left_out() -> None:
    text = svg(_chart(Axis("x", log=True), Axis("y"), (0, 1), (-1, 1), (5, 1), mark="dots"))
    assert len(_marks(text)) == 1


@DRAWN
def test_many_points_are_one_path() -> None:
    text = svg(_chart(Axis("x"), Axis("y"), *((i, i * i) for i in range(MANY + 1)), mark="dots"))
    drawn = [path.get("d", "") for path in ElementTree.fromstring(text).iter(f"{SVG}path")]
    assert max(path.count("M") for path in drawn) == MANY + 1


@DRAWN
def test_the_same_chart_is_the_same_text_without_a_date() -> None:
    chart = _chart(Axis("x"), Axis("y"), (0, 0), (1, 1))
    assert svg(chart) == svg(chart)
    assert "date" not in svg(chart)


def test_profiles_are_shares_within_a_factor_of_the_best() -> None:
    values = {"a": {"1": 1.0, "2": 4.0}, "b": {"1": 3.0, "2": 2.0}, "c": {"1": 1.0}}
    assert over_best(values) == {"a": {"1": 1, "2": 2}, "b": {"1": 3, "2": 1}, "c": {"1": 1}}
    found = {series.name: series.points for series in profiles(values)}
    assert found == {"a": ((1, 0.5), (2, 1), (3, 1)), "b": ((1, 0.5), (3, 1)), "c": ((1, 0.5), (3, 0.5))}


@given(st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("12345"), VALUE), min_size=1))
def test_profiles_rise_to_the_share_that_was_run(values: dict[str, dict[str, float]]) -> None:
    count = len({instance for found in values.values() for instance in found})
    for series in profiles(values):
        shares = [share for _, share in series.points]
        assert shares == sorted(shares)
        assert isclose(shares[-1], len(values[series.name]) / count if count else 0)
        assert [tau for tau, _ in series.points] == sorted({tau for tau, _ in series.points})
