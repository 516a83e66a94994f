"""Turns YAML and JSON text into located values, built from yaml's event stream.

The module takes events instead of yaml's own loader because they carry positions, keep scalars as written, construct
nothing, and let it count the depth, the values, and what aliases stand for. It builds the tree iteratively, so that no
nesting overflows the stack. JSON is nearly a part of YAML and is read as such; what differs is rewritten first, without
moving any position.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import yaml

from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.located.nodes import (
    MAX_NESTING_DEPTH,
    MAX_SPEC_VALUES,
    LocatedNode,
    MappingNode,
    NodePath,
    ScalarNode,
    ScalarSpelling,
    SequenceNode,
    depth,
    moved,
    shown,
    written,
)

MAX_ALIASED_VALUES = 500_000
"""How many values aliases may stand for in total: a few lines of aliases of aliases could fill the memory."""

_MAX_LOOKAHEAD = 20_000
"""More characters than yaml reads ahead of the events it yields; it looks for the end of a key within 1024."""
_BETWEEN_VALUES_PATTERN = re.compile(r"(?:[\s,:?-]|#[^\n]*)*")
"""What may stand between two values."""
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN_CHARACTERS = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_TAG_DIRECTIVE_PATTERN = re.compile("^%TAG", re.MULTILINE)
_JSON_STRING_PATTERN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_ESCAPE_PATTERN = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)", re.DOTALL)


def from_yaml(data: bytes, messages: SpecMessages) -> LocatedNode:
    """Parse a YAML file in UTF-8."""
    return _parse(_decode(data, messages), messages)


def from_json(data: bytes, messages: SpecMessages) -> LocatedNode:
    """Parse a JSON file in UTF-8, whose characters escaped as surrogate pairs are rewritten as YAML has them."""
    return _parse(_JSON_STRING_PATTERN.sub(_join_pairs, _decode(data, messages)), messages)


def _join_pairs(string: re.Match[str]) -> str:
    """Write each surrogate pair of a string as one escape, and pad behind the quote so that columns stay."""
    return _ESCAPE_PATTERN.sub(_join_pair, string[0]).ljust(len(string[0])) if "\\u" in string[0] else string[0]


def _join_pair(escape: re.Match[str]) -> str:
    if escape[1] is None:
        return escape[0]
    return f"\\U{0x10000 + (int(escape[1], 16) - 0xD800 << 10) + int(escape[2], 16) - 0xDC00:08x}"


def _decode(data: bytes, messages: SpecMessages) -> str:
    """Decode the text, and end at bytes, characters and directives that a spec cannot have."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _position(error.object[: error.start].decode("utf-8-sig"))
        byte = error.object[error.start]
        text = f"found the byte 0x{byte:02x}; expected text in UTF-8. Save it as UTF-8."
        messages.fatal(line, column, text)
    if bad := _FORBIDDEN_CHARACTERS.search(text):
        at = _position(text[: bad.start()])
        messages.fatal(*at, f"found the character U+{ord(bad[0]):04X}; expected printable text. Remove it.")
    if tag := _TAG_DIRECTIVE_PATTERN.search(text):
        at = _position(text[: tag.start()])
        messages.fatal(*at, "found a '%TAG' line; expected values without tags. Remove it.")
    return text


def _position(before: str) -> tuple[int, int]:
    """Return the line and the column, from 1, of what follows a text."""
    lines = re.split("\r\n|\r|\n", before)
    return len(lines), len(lines[-1]) + 1


def _parse(text: str, messages: SpecMessages) -> LocatedNode:
    """Build the tree of a text; broken syntax ends it."""
    builder = _NodeBuilder(messages)
    try:
        for event in yaml.parse(text, Loader=_YAML_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        builder.take_ahead(text, error.problem_mark.index if error.problem_mark else 0)
        text = f"found broken syntax ({_problem(error)}); expected YAML or JSON. Correct the syntax here."
        messages.fatal(*_position_of(error.problem_mark or error.context_mark), text)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        text = f"found broken syntax ({shown(str(error))}); expected YAML or JSON. Correct the syntax."
        messages.fatal(1, 1, text)
    if builder.root is None:
        messages.fatal(1, 1, "the spec is empty; expected 'chain' or 'dag'. Describe the problem by one of them.")
    return builder.root


def _position_of(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """Return what yaml says of broken syntax, and where the construct begins that it could not finish."""
    text = shown(error.problem or "unknown")
    if not error.context:
        return text
    line, column = _position_of(error.context_mark)
    return f"{text}, {shown(error.context)} that starts at {line}:{column}"


class _OpenCollection:
    """A list or mapping that has begun and has not ended."""

    def __init__(self, path: NodePath, event: Any, start: int) -> None:
        self.path = path
        self.line, self.column = event.start_mark.line + 1, event.start_mark.column + 1
        self.anchor: str | None = event.anchor
        self.start = start
        self.maps = isinstance(event, yaml.MappingStartEvent)
        self.items: list[LocatedNode] = []
        self.keys: dict[str, tuple[int, int]] = {}
        self.values: dict[str, LocatedNode] = {}
        self.key: str | None = None
        """The key whose value comes next."""

    def closed(self) -> LocatedNode:
        """Return the finished node."""
        if self.maps:
            return MappingNode(self.path, self.line, self.column, self.keys, self.values)
        return SequenceNode(self.path, self.line, self.column, tuple(self.items))


class _NodeBuilder:
    """A builder of nodes from events; an explicit stack of open lists and mappings takes the place of recursion."""

    def __init__(self, messages: SpecMessages) -> None:
        self.root: LocatedNode | None = None
        self._messages = messages
        self._open: list[_OpenCollection] = []
        self._anchors: dict[str, tuple[LocatedNode, int, int]] = {}
        self._count = 0
        self._aliased = 0
        self._end = 0
        """The position in the text at which the last event ended."""

    def take(self, event: Any) -> None:
        """Take the next event of the stream."""
        self._end = event.end_mark.index
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._open.pop()
            self._put(done.closed(), done.anchor, self._count - done.start)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            self._fatal(event, "found a second document; expected one per file. Split the file at '---'.")

    def take_ahead(self, text: str, end: int) -> None:
        """Take what yaml had read ahead, without yielding it, when it failed at `end`, if that may nest too deeply.

        Some versions of yaml give up at a depth of their own before they yield the first bracket.
        """
        start = _BETWEEN_VALUES_PATTERN.match(text, self._end).end()  # type: ignore[union-attr]
        ahead = text[start:end]
        if len(ahead) > _MAX_LOOKAHEAD or ahead.count("[") + ahead.count("{") <= MAX_NESTING_DEPTH:
            return
        line, column = _position(text[:start])
        with suppress(yaml.YAMLError):
            for event in yaml.parse(ahead, Loader=yaml.SafeLoader):
                mark: Any = event.start_mark
                right = 0 if mark.line else column - 1
                event.start_mark = yaml.Mark("", 0, mark.line + line - 1, mark.column + right, None, 0)
                self.take(event)

    def _scalar(self, event: Any) -> None:
        self._check(event)
        mark = event.start_mark
        spelling = ScalarSpelling.QUOTED if event.style else ScalarSpelling.PLAIN
        above, step = self._path() or (None, None)
        node = ScalarNode(above, step, mark.line + 1, mark.column + 1, event.value, spelling)
        self._put(node, event.anchor, 1)

    def _begin(self, event: Any) -> None:
        if self._at_key():
            text = "found a list or mapping as a key; expected text. Check the brackets and the ':'."
            self._fatal(event, text)
        if len(self._open) == MAX_NESTING_DEPTH:
            self._fatal(event, f"nests deeper than {MAX_NESTING_DEPTH} levels; a spec needs fewer. Check the brackets.")
        self._check(event)
        self._open.append(_OpenCollection(self._path(), event, self._count - 1))

    def _check(self, event: Any) -> None:
        """Count a value, and refuse its tag if it has one."""
        self._count += 1
        if self._count > MAX_SPEC_VALUES:
            todo = "Split the problem, or put a long pattern into a file: {sparse: pattern.npz}."
            self._fatal(event, f"found more than {MAX_SPEC_VALUES} values; expected fewer. {todo}")
        if event.tag is not None:
            tag = shown(event.tag.replace("tag:yaml.org,2002:", "!!"))
            text = f"found the tag '{tag}'; expected a plain value. Remove the tag."
            self._messages.add_at(event.start_mark.line + 1, event.start_mark.column + 1, text)

    def _alias(self, event: Any) -> None:
        name = f"the alias *{shown(event.anchor)}"
        if event.anchor not in self._anchors:
            self._fatal(event, f"found {name}; expected its anchor, complete, before it. Write it out.")
        node, count, height = self._anchors[event.anchor]
        self._count += count
        self._aliased += count
        if self._aliased > MAX_ALIASED_VALUES or self._count > MAX_SPEC_VALUES:
            text = f"aliases stand for more than {MAX_ALIASED_VALUES} values; expected fewer. Write them out."
            self._fatal(event, text)
        if len(self._open) + height > MAX_NESTING_DEPTH:
            text = f"{name} nests deeper than {MAX_NESTING_DEPTH} levels; a spec needs fewer. Write it out."
            self._fatal(event, text)
        if height and self._at_key():
            self._fatal(event, f"{name} is a list or mapping; expected text as a key. Write the key out.")
        self._put(moved(node, self._path()), None, count)

    def _at_key(self) -> bool:
        """Say whether the next value is the key of a mapping."""
        return bool(self._open) and self._open[-1].maps and self._open[-1].key is None

    def _path(self) -> NodePath:
        if not self._open:
            return None
        top = self._open[-1]
        if not top.maps:
            return (top.path, len(top.items))
        return top.path if top.key is None else (top.path, top.key)

    def _put(self, node: LocatedNode, anchor: str | None, count: int) -> None:
        """Put a finished node, of `count` values, where it belongs."""
        if anchor is not None:
            self._anchors[anchor] = (node, count, depth(node))
        if not self._open:
            self.root = node
            return
        top = self._open[-1]
        if not top.maps:
            top.items.append(node)
        elif top.key is not None:
            top.values.setdefault(top.key, node)
            top.key = None
        elif isinstance(node, ScalarNode):
            self._put_key(top, node)

    def _put_key(self, top: _OpenCollection, key: ScalarNode) -> None:
        """Begin an entry; the first of two equal keys is the one that counts."""
        top.key = key.text
        if key.text in top.keys:
            line, column = top.keys[key.text]
            text = f"the key '{shown(key.text)}' stands twice in {written(top.path)}, first at {line}:{column}"
            self._messages.add(key, f"{text}; expected it once. Remove one.")
        elif key.text == "<<" and key.spelling is ScalarSpelling.PLAIN:
            text = "found a merge key '<<'; expected every key written out. Write the keys here."
            self._messages.add(key, text)
        else:
            top.keys[key.text] = (key.line, key.column)

    def _fatal(self, event: Any, text: str) -> None:
        self._messages.fatal(event.start_mark.line + 1, event.start_mark.column + 1, text)
