"""Every error of a spec, word by word and with its place.

A message stands on one line here, as its reader will see it.
"""
# ruff: noqa: E501

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chainplan.errors import SpecError
from chainplan.io import read as table
from chainplan.io.located import objects
from chainplan.io.located.diagnostics import MAX_MESSAGES, SpecMessages
from chainplan.io.read import FRONTENDS, from_spec, read
from chainplan.problem.problem import Problem

EXAMPLES = Path(__file__).parent.parent / "examples"


def errors(text: str | bytes, name: str = "yaml") -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    frontend = next(f for f in FRONTENDS if f.name == name)
    with pytest.raises(SpecError) as caught:
        frontend.reader(data, SpecMessages(f"s.{name}"))
    return list(caught.value.messages)


def object_errors(spec: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        from_spec(spec)
    return list(caught.value.messages)


# Errors of the grammar

WHOLE = "a whole number from 0 to 10^12"
DIGITS = "Write it in digits alone, such as 1000."


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1e-3", "1e-3"),
        ("1.25e1", "1.25e1"),
        ("1e13", "1e13"),
        ("1e99", "1e99"),
        ("٣e3", "٣e3"),
        ("3.0", "3.0"),
        ("-1", "-1"),
        ("+1", "+1"),
        ("true", "true"),
        ("007", "007"),
        ("0x10", "0x10"),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("٣", "٣"),
        ("10000000000000", "10000000000000"),
        ("1000000000001", "1000000000001"),
        ("~", "~"),
        ("''", "the text ''"),
        ("[1]", "a list of 1"),
        ("9" * 5000, "9" * 60 + "... (5000 characters)"),
    ],
)
def test_what_is_no_size(written: str, shown: str) -> None:
    expected = f"s.yaml:1:21: chain[0].shape[1] is {shown}; expected {WHOLE}. {DIGITS}"
    assert errors(f"chain: [{{shape: [1, {written}]}}]") == [expected]


@pytest.mark.parametrize(("written", "size"), [("1e3", 1000), ("1.25E+2", 125), ("10e0", 10), ("1e12", 10**12)])
def test_short_numbers_are_whole_ones(written: str, size: int) -> None:
    for suffix in ("yaml", "json"):
        frontend = next(f for f in FRONTENDS if f.name == suffix)
        text = f'{{"chain": [1, {written}], "limits": {{"memory": {written}}}}}'
        problem = frontend.reader(text.encode(), SpecMessages("s"))
        assert isinstance(problem, Problem)
        assert (problem.graph.sizes["x1"], problem.memory) == (size, size)
    problem = from_spec({"chain": [1, float(size)], "limits": {"memory": float(size)}})
    assert (problem.graph.sizes["x1"], problem.memory) == (size, size)


def test_kilobytes_in_both_spellings() -> None:
    for unit in ("kB", "KB"):
        assert from_spec({"chain": [1, 2], "limits": {"memory": f"20 {unit}"}}).memory == 2500


def test_a_size_in_quotes() -> None:
    assert errors("chain: [1, '12']") == [
        f"s.yaml:1:12: chain[1] is the text '12'; expected {WHOLE}. Remove the quotes."
    ]


TOP = "'chain', 'dag', 'limits', 'products', 'derivative', 'weights', 'directions', 'ranges', 'name'"
ITEM = "'name', 'shape', 'structure', 'tangent', 'adjoint', 'tape', 'advance', 'second', 'second_tangent', 'second_adjoint', 'same_as', 'times'"
DAG = "'sizes', 'inputs', 'outputs', 'jacobians', 'edges', 'seconds', 'implicit'"
XY = "inputs: [x], outputs: [y]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "3",
            f"1:1: the spec is 3; expected a mapping with keys out of {TOP}. Write it as {{key: value, ...}}.",
        ),
        (
            "name: a",
            "1:1: the spec has neither 'chain' nor 'dag'; expected exactly one. Add the one that describes the problem.",
        ),
        (
            f"chain: [1, 2]\ndag: {{{XY}, jacobians: [{{edge: [x, y]}}]}}",
            "1:1: the spec has both 'chain' and 'dag'; expected exactly one. Remove one of them.",
        ),
        (
            "chain: [1, 2]\nnam: a",
            f"2:1: the spec has the unknown key 'nam'; expected one of {TOP}. Did you mean 'name'?",
        ),
        (
            "chain: [1, 2]\nzzz: a",
            f"2:1: the spec has the unknown key 'zzz'; expected one of {TOP}. Remove it.",
        ),
        (
            "chain: [1, 2]\nlimits: 3",
            "2:9: limits is 3; expected a mapping with keys out of 'memory', 'recompute', 'disk', 'transfer'. Write it as {key: value, ...}.",
        ),
        (
            "chain: [1, 2]\nlimits: {memory: -3}",
            "2:18: limits.memory is -3; expected a whole number from 0 to 10^36. " + DIGITS,
        ),
        (
            "chain: [1, 2]\nname:",
            "2:6: name is empty; expected a name. Write at least one character.",
        ),
        (
            "chain: [1, 2]\nname: [a]",
            "2:7: name is a list of 1; expected a name. Write a word, in quotes if need be.",
        ),
        (
            "chain: [1, 2]\nname: " + "x" * 201,
            "2:7: name is 201 characters long; expected a name of at most 200. Shorten it.",
        ),
        (
            'chain: [1, 2]\nname: "a\\x1bb"',
            "2:7: name is 'a\\x1bb'; expected a name without control characters. Remove them.",
        ),
        (
            "chain: 3",
            "1:8: chain is 3; expected a list of sizes or of mappings. Put it in brackets: [..., ...].",
        ),
        (
            "chain: []",
            "1:8: chain is empty; expected at least two sizes or one jacobian. Add them.",
        ),
        (
            "chain: [3]",
            "1:8: chain has one size; expected at least two, those of x0 and x1. Add the size of the output.",
        ),
        (
            "chain: [3, {shape: [1, 2]}]",
            f"1:9: chain[0] is 3; expected a mapping with keys out of {ITEM}. Write it as {{key: value, ...}}.",
        ),
        (
            "chain: [{name: a}]",
            f"1:9: chain[0] has no 'shape'; expected the keys {ITEM}. Add 'shape'.",
        ),
        (
            "chain: [{shap: [1, 2]}]",
            f"1:10: chain[0] has the unknown key 'shap'; expected one of {ITEM}. Did you mean 'shape'?",
        ),
        (
            "chain: [{shape: [1, 2, 3]}]",
            "1:17: chain[0].shape is a list of 3; expected [rows, cols]. Write two items in brackets.",
        ),
        (
            "chain: [{shape: 4}]",
            "1:17: chain[0].shape is 4; expected [rows, cols]. Write two items in brackets.",
        ),
        (
            "chain: [{shape: [1, 1], tape: 4}]",
            "1:31: chain[0].tape is 4, but there is no 'tangent' and no 'adjoint'; expected one beside it. Add it, or remove 'tape'.",
        ),
        (
            "chain: [{shape: [1, 1], name: a}, {shape: [1, 1], name: a}]",
            "1:57: chain[1].name: the name 'a' is taken by chain[0]; expected unique names. Rename one.",
        ),
        (
            "chain: [{shape: [1, 1], name: F2}, {shape: [1, 1]}]",
            "1:36: chain[1]: the name 'F2' is taken by chain[0]; expected unique names. Rename one.",
        ),
        (
            "chain: [{shape: [1, 2], structure: diagonal}]",
            "1:36: chain[0].structure: structure 'diagonal' of 'F1' needs as many rows as columns, not 1 x 2.",
        ),
        (
            "chain: [{shape: [1, 1], structure: diagnal}]",
            "1:36: chain[0].structure is 'diagnal'; expected one of dense, diagonal, identity, negated_identity, zero, sign, scaled_identity, lower_triangular, upper_triangular, banded, shifts, block_diagonal, kronecker, permutation, selection, scatter, replicate, reduce, coo, sparse. Did you mean 'diagonal'?",
        ),
        (
            "chain: [{shape: [1, 1], structure: {xyz: 1}}]",
            "1:37: chain[0].structure is 'xyz'; expected one of dense, diagonal, identity, negated_identity, zero, sign, scaled_identity, lower_triangular, upper_triangular, banded, shifts, block_diagonal, kronecker, permutation, selection, scatter, replicate, reduce, coo, sparse. Use 'dense' where nothing is known.",
        ),
        (
            "chain: [{shape: [1, 1], structure: {banded: [1, -1]}}]",
            "1:36: chain[0].structure has no fitting argument for 'banded'; expected {banded: [lower, upper]}, two widths from 0. Correct it.",
        ),
        (
            "chain: [{shape: [1, 1], structure: [dense]}]",
            "1:36: chain[0].structure is a list of 1; expected a structure. Write its name, or {name: argument}.",
        ),
        (
            "chain: [{shape: [1, 1], structure: {dense: 1, zero: 2}}]",
            "1:36: chain[0].structure is a mapping; expected a structure. Write its name, or {name: argument}.",
        ),
        (
            f"dag: {{{XY}}}",
            f"1:6: dag has no 'jacobians'; expected the keys {DAG}. Add 'jacobians'.",
        ),
        (
            f"dag: {{{XY}, jacobians: [3]}}",
            "1:46: dag.jacobians[0] is 3; expected a mapping with keys out of 'edge', 'name', 'structure', 'tangent', 'adjoint', 'tape', 'advance', 'second', 'second_tangent', 'second_adjoint', 'same_as'. Write it as {key: value, ...}.",
        ),
        (
            f"dag: {{{XY}, jacobians: [{{edge: [x]}}]}}",
            "1:53: dag.jacobians[0].edge is a list of 1; expected [from, to]. Write two items in brackets.",
        ),
        (
            f"dag: {{{XY}, sizes: [1], jacobians: [{{edge: [x, y]}}]}}",
            "1:41: dag.sizes is a list of 1; expected a mapping from vertices to sizes. Write it as {x: 3, y: 2}.",
        ),
        (
            f"dag: {{{XY}, sizes: {{x: 2.5}}, jacobians: [{{edge: [x, y], structure: diagonal}}]}}",
            f"1:45: dag.sizes.x is 2.5; expected {WHOLE}. {DIGITS}",
        ),
        (
            f"dag: {{{XY}, sizes: {{'': 2}}, jacobians: [{{edge: [x, y]}}]}}",
            "1:42: dag.sizes has a key that is empty; expected a name. Write at least one character.",
        ),
        (
            "dag: {inputs: [], outputs: [y], jacobians: [{edge: [x, y]}]}",
            "1:15: dag.inputs: found no vertex; expected at least one. Name the inputs of the program.",
        ),
        (
            "dag: {edges: []}",
            "1:14: dag.edges has no edge; expected [[from, to], ...]. Add one.",
        ),
        (
            "dag: {edges: [[x, y], [y]]}",
            "1:23: dag.edges[1] is a list of 1; expected [from, to]. Write two items in brackets.",
        ),
        (
            "dag: {edges: [[x, y], [y, x]]}",
            "1:23: dag.edges[1]: the edges form a cycle 'y' -> 'x' -> 'y'; a linearised DAG has none. Have the vertices that depend on each other solved together by implicit: {unknowns: [y, x]}.",
        ),
        (
            f"dag: {{{XY}, edges: [[x, y]], jacobians: [{{edge: [x, y]}}]}}",
            "1:41: dag has both 'jacobians' and 'edges'; expected exactly one. Write all edges as jacobians.",
        ),
        (
            "dag: {inputs: x, outputs: [y], jacobians: [{edge: [x, y]}]}",
            "1:15: dag.inputs is x; expected a list of vertices. Put it in brackets: [..., ...].",
        ),
        (
            "dag: {inputs: [x1], outputs: [out], jacobians: [{edge: [x1, outp]}]}",
            "1:31: dag.outputs[0]: 'out' is no vertex; expected one that a size or an edge names. Correct the name. Did you mean 'outp'?",
        ),
        (
            "dag: {inputs: [x, x], outputs: [y], jacobians: [{edge: [x, y]}]}",
            "1:19: dag.inputs[1]: 'x' stands twice among the inputs; name it once.",
        ),
        (
            "dag: {inputs: [x, h], outputs: [y], jacobians: [{edge: [x, h]}, {edge: [h, y]}]}",
            "1:56: dag.jacobians[0].edge: 'h/x' ends at 'h', which is an input; expected no edge into an input. Take 'h' out of the inputs, or remove the edge.",
        ),
        (
            "dag: {inputs: [x], outputs: [x], jacobians: [{edge: [x, y]}]}",
            "1:30: dag.outputs[0]: 'x' is also an input; expected inputs and outputs to differ. Add a vertex for the output and an edge with structure 'identity' from 'x' to it.",
        ),
        (
            f"dag: {{{XY}, jacobians: [{{edge: [x, y]}}, {{edge: [y, y]}}]}}",
            "1:69: dag.jacobians[1].edge: 'y/y' leads from 'y' to itself; a linearised DAG has no cycle. Remove it, or have the vertex solved for by implicit: {unknowns: [y]}.",
        ),
        (
            f"dag: {{{XY}, jacobians: [{{edge: [a, y]}}, {{edge: [x, y]}}, {{edge: [y, a]}}, {{edge: [y, z]}}]}}",
            "1:85: dag.jacobians[2].edge: the edges form a cycle 'y' -> 'a' -> 'y'; a linearised DAG has none. Have the vertices that depend on each other solved together by implicit: {unknowns: [y, a]}.",
        ),
        (
            f"dag: {{{XY}, jacobians: [{{edge: [x, y]}}, {{edge: [{'a' * 100}, {'b' * 100}]}}]}}",
            "1:62: dag.jacobians[1] has no name, and its default has 201 characters; expected at most 200. Name it.",
        ),
    ],
)
def test_errors_of_the_grammar(text: str, expected: str) -> None:
    assert errors(text) == [f"s.yaml:{expected}"]


def test_neighbours_that_do_not_fit() -> None:
    text = (EXAMPLES / "mixed_chain.yaml").read_text().replace("mixer,   shape: [64,", "mixer,   shape: [60,")
    assert errors(text) == [
        "s.yaml:7:28: chain[3] 'head' has 64 columns, but chain[2] 'mixer' has 60 rows; adjacent Jacobians must agree."
    ]


def test_all_errors_at_once_in_the_order_of_the_file() -> None:
    text = """\
nmae: all
limits: {memory: much}
dag:
  sizes: {x: 3, h: 4.0, y: 2, x: 5}
  inputs: [x, q]
  outputs: [y, ~, [z]]
  jacobians:
    - {edge: [x, h, y]}
    - {edge: [h, y], structure: diagonal, tape: 1}
    - {edge: [x, y], structure: diagonal}
    - {edge: [y, y]}
    - {edge: [a, b]}
    - {edge: [b, a], name: y/x}
"""
    places = [message.split(": ", 1)[0] for message in errors(text)]
    where = ["1:1", "2:18", "4:20", "4:31", "6:19", "8:14", "9:49", "10:33", "11:14", "13:14", "13:28"]
    assert places == [f"s.yaml:{place}" for place in where]


def test_only_the_first_errors_are_listed() -> None:
    messages = errors("chain: [" + "x, " * 1000 + "1]")
    assert len(messages) == MAX_MESSAGES + 1
    assert messages[-1] == "s.yaml: more than 50 errors; the first 50 are listed."


# Errors of the text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "",
            "1:1: the spec is empty; expected 'chain' or 'dag'. Describe the problem by one of them.",
        ),
        (
            "# nothing\n",
            "1:1: the spec is empty; expected 'chain' or 'dag'. Describe the problem by one of them.",
        ),
        (
            "a: 1\n---\nb: 2",
            "2:1: found a second document; expected one per file. Split the file at '---'.",
        ),
        (
            "chain: [1, 2",
            "2:1: found broken syntax (did not find expected ',' or ']', while parsing a flow sequence that starts at 1:8); expected YAML or JSON. Correct the syntax here.",
        ),
        (
            "chain: [1, 2]\nchain: [1, 2]",
            "2:1: the key 'chain' stands twice in the spec, first at 1:1; expected it once. Remove one.",
        ),
        (
            "chain: [1, 2]\n<<: {name: a}",
            "2:1: found a merge key '<<'; expected every key written out. Write the keys here.",
        ),
        (
            "chain: !!python/tuple [1, 2]",
            "1:8: found the tag '!!python/tuple'; expected a plain value. Remove the tag.",
        ),
        (
            "chain: [!!int 1, 2]",
            "1:9: found the tag '!!int'; expected a plain value. Remove the tag.",
        ),
        (
            "%TAG ! x\n---\nchain: [1, 2]",
            "1:1: found a '%TAG' line; expected values without tags. Remove it.",
        ),
        (
            "chain: [*b]",
            "1:9: found the alias *b; expected its anchor, complete, before it. Write it out.",
        ),
        (
            "chain: &b [*b]",
            "1:12: found the alias *b; expected its anchor, complete, before it. Write it out.",
        ),
        (
            "{[1]: 2}",
            "1:2: found a list or mapping as a key; expected text. Check the brackets and the ':'.",
        ),
        (
            "a: &b [1]\n*b : 2",
            "2:1: the alias *b is a list or mapping; expected text as a key. Write the key out.",
        ),
        (
            "[" * 100,
            "1:33: nests deeper than 32 levels; a spec needs fewer. Check the brackets.",
        ),
        (
            "é: \x00",
            "1:4: found the character U+0000; expected printable text. Remove it.",
        ),
        (
            "a: 1\r\nb: \x7f",
            "2:4: found the character U+007F; expected printable text. Remove it.",
        ),
        (
            "a: 1\nb\u2028: 2",
            "2:2: found the character U+2028; expected printable text. Remove it.",
        ),
        (
            b"\xff\xfea\x00",
            "1:1: found the byte 0xff; expected text in UTF-8. Save it as UTF-8.",
        ),
        (
            b"\xef\xbb\xbfa: 1\nn: \xc3\xa9\xe9",
            "2:5: found the byte 0xe9; expected text in UTF-8. Save it as UTF-8.",
        ),
    ],
)
def test_errors_of_the_text(text: str | bytes, expected: str) -> None:
    assert errors(text) == [f"s.yaml:{expected}"]


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize(
    ("before", "opening", "column"),
    [
        ("", "[", 33),
        ("", "[ ", 65),
        ("", "{a: ", 129),
        ("", '{"a":[', 97),
        ("", "- ", 65),
        ("chain: [1, 2, ", "[", 45),
        ('{"chain": [1, {"shape":', "[", 53),
        ("- - - ", "[", 36),
        ("- " * 32, "[", 65),
        ('["[[[", ', "[", 40),
        ("[a: " * 10, "[", 53),
        ("é: &a ", "[", 38),
        ("- [" + "[1], " * 30, "[", 184),
    ],
)
def test_no_depth_is_too_much(
    before: str, opening: str, column: int, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chainplan.io.located.yaml_events._YAML_LOADER", getattr(yaml, loader))
    for suffix in ("yaml", "json"):
        (message,) = errors(before + opening * 200_000, suffix)
        assert message == f"s.{suffix}:1:{column}: nests deeper than 32 levels; a spec needs fewer. Check the brackets."


def test_brackets_in_text_do_not_nest() -> None:
    (message,) = errors('chain: ["' + "[" * 3000)
    assert "found broken syntax (found unexpected end of stream" in message
    (message,) = errors("chain: [{name: '" + "[" * 150 + "', shape: [x, 1]}]")
    assert "chain[0].shape[0] is x; expected" in message


def test_aliases_of_aliases_are_refused() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert errors(bomb)[-1].endswith("aliases stand for more than 500000 values; expected fewer. Write them out.")
    deep = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 1000))
    assert errors(deep)[-1].endswith("the alias *a30 nests deeper than 32 levels; a spec needs fewer. Write it out.")


def test_an_error_behind_an_alias_names_the_use_and_where_it_is_written() -> None:
    assert errors("chain:\n- &b {shape: [2, 3], tape: 1, tangent: x}\n- *b\n") == [
        "s.yaml:2:14: chain[1] 'F2' has 3 columns, but chain[0] 'F1' has 2 rows; adjacent Jacobians must agree.",
        "s.yaml:2:40: chain[0].tangent is x; expected a whole number from 0 to 10^36. "
        "Write it in digits alone, such as 1000.",
        "s.yaml:2:40: chain[1].tangent is x; expected a whole number from 0 to 10^36. "
        "Write it in digits alone, such as 1000.",
    ]


# Python objects


def test_objects_have_paths_and_no_lines() -> None:
    assert object_errors({"chain": [{"shape": [1, 2]}, {"shape": [1, 3]}, {"shape": [True, "4"]}]}) == [
        "spec: chain[2].shape[0] is True; expected a whole number from 0 to 10^12. "
        "Write it in digits alone, such as 1000.",
        "spec: chain[2].shape[1] is the text '4'; expected a whole number from 0 to 10^12. Remove the quotes.",
        "spec: chain[1] 'F2' has 3 columns, but chain[0] 'F1' has 1 rows; adjacent Jacobians must agree.",
    ]


@pytest.mark.parametrize(
    "value",
    [True, None, 1.5, float("nan"), float("inf"), 2.0**54, b"x", object(), {1}, 10**5000, -1],
    ids=lambda v: type(v).__name__,
)
def test_objects_that_are_no_sizes(value: Any) -> None:
    (message,) = object_errors({"chain": [1, value]})
    assert message.startswith("spec: chain[1] is ")
    assert len(message) < 250


@pytest.mark.parametrize("value", [True, None, 1.5, [], "", "a\nb", "\ud800", "x" * 201])
def test_objects_that_are_no_names(value: Any) -> None:
    (message,) = object_errors({"chain": [1, 1], "name": value})
    assert message.startswith("spec: name is ")
    message.encode()


def test_objects_that_hold_themselves_or_are_huge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "MAX_SPEC_VALUES", 20_000)
    endless: list[Any] = []
    endless.append(endless)
    assert "nests deeper than 32 levels" in object_errors({"chain": endless})[0]
    wide: list[Any] = [1] * 1000
    for _ in range(10):
        wide = [wide] * 1000
    assert object_errors({"chain": wide}) == ["spec: more than 20000 values; expected fewer. Split the problem."]


def test_object_keys_are_text_or_whole_numbers() -> None:
    assert object_errors({"chain": [1, 1], None: 1, 2: 3, "2": 3}) == [
        "spec: the spec has the key None; expected text. Put it in quotes.",
        "spec: the spec has the key '2' twice; expected it once. Remove one.",
        "spec: the spec has the unknown key '2'; expected one of 'chain', 'dag', 'limits', 'products', 'derivative', 'weights', 'directions', 'ranges', 'name'. Remove it.",
    ]


# JSON


def test_json_positions_are_those_of_the_file() -> None:
    assert errors('{"name": "\\ud83d\\ude00\\ud83d\\ude00", "chain": [1, 2.0]}', "json") == [
        f"s.json:1:51: chain[1] is 2.0; expected {WHOLE}. {DIGITS}"
    ]


@pytest.mark.parametrize("name", ['"\\ud83d"', '"\\ude00\\ud83d"', '"a', '"\\', '"\\ud83d\\ude00'])
def test_json_strings_that_are_broken(name: str) -> None:
    (message,) = errors('{"chain": [1, 2], "name": ' + name, "json")
    assert message.startswith("s.json:")
    assert "found broken syntax" in message


def test_long_json_keys() -> None:
    assert "unknown key 'kkk" in errors('{"chain": [1, 2], "' + "k" * 900 + '": 1}', "json")[0]
    assert "found broken syntax" in errors('{"chain": [1, 2], "' + "k" * 2000 + '": 1}', "json")[0]


# Files


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"chain: [1, 2")))
    with pytest.raises(SpecError, match=r"^<stdin>:2:1: found broken syntax"):
        read("-")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nonexistent/a.yaml", "/nonexistent/a.yaml: No such file or directory"),
        ("/", "/: Is a directory"),
        ("a\0b", r"a\x00b: embedded null byte"),
        ("", ": No such file or directory"),
    ],
)
def test_paths_that_cannot_be_read(path: str, reason: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(path)
    assert caught.value.messages == (f"{reason}; expected a file to read. Check the path.",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.touch(0)
    with pytest.raises(SpecError, match="Permission denied; expected a file to read"):
        read(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no endless device")
def test_endless_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_SPEC_BYTES", 2_000_000)
    with pytest.raises(SpecError, match=r"^/dev/zero: found more than 2 MB; expected a smaller file"):
        read("/dev/zero")
