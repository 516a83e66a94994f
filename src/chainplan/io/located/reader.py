"""The few ways in which a grammar reads a node: as a mapping, a list, a whole number, a name.

Each returns what it read, or None after it noted what was wrong; from then on `None` means "already reported".
"""

from __future__ import annotations

import re
from typing import Any

from chainplan.errors.suggest import did_you_mean, nearest
from chainplan.io.located.diagnostics import SpecMessages, describe
from chainplan.io.located.nodes import (
    UNPRINTABLE_CHARACTERS,
    LocatedNode,
    MappingNode,
    ScalarNode,
    ScalarSpelling,
    SequenceNode,
    shown,
    written,
)
from chainplan.io.pattern_files import SpecPatterns

MAX_NAME_LENGTH = 200
MAX_DIGITS = 40
_WHOLE_NUMBER_PATTERN = re.compile(f"0|[1-9][0-9]{{0,{MAX_DIGITS - 1}}}")
_EXPONENT_NUMBER_PATTERN = re.compile(r"([1-9][0-9]{0,19})(?:\.([0-9]{1,19}))?[eE]\+?([0-9]{1,2})")


class NodeReader:
    """A reader of nodes, which notes what is wrong with them in `messages`."""

    def __init__(self, messages: SpecMessages) -> None:
        self.messages = messages
        self.patterns = SpecPatterns()

    def refuse(self, node: LocatedNode, expected: str, todo: str) -> None:
        """Note that a node holds something other than what was expected."""
        self.messages.add(node, f"{written(node.path)} is {describe(node)}; expected {expected}. {todo}")

    def fields(
        self, node: LocatedNode, known: tuple[str, ...], needed: tuple[str, ...] = ()
    ) -> dict[str, LocatedNode] | None:
        """Return the values of a mapping by key; an unknown or missing key is noted, and the other keys are read."""
        if not isinstance(node, MappingNode):
            self.refuse(node, f"a mapping with keys out of {_listed(known)}", "Write it as {key: value, ...}.")
            return None
        meant = [self._unknown(node, key, known) for key in node.keys if key not in known]
        for key in needed:
            if key not in node.keys and key not in meant:
                text = f"{written(node.path)} has no '{key}'; expected the keys {_listed(known)}. Add '{key}'."
                self.messages.add(node, text)
        return {key: node.values[key] for key in known if key in node.keys}

    def _unknown(self, node: MappingNode, key: str, known: tuple[str, ...]) -> str | None:
        """Note an unknown key, and return the known one that may have been meant."""
        todo = did_you_mean(key, known, "Remove it.")
        text = f"{written(node.path)} has the unknown key '{shown(key)}'; expected one of {_listed(known)}."
        self.messages.add_at(*node.keys[key], f"{text} {todo}")
        return nearest(key, known)

    def items(self, node: LocatedNode, what: str) -> tuple[LocatedNode, ...] | None:
        """Return the items of a list of `what`."""
        if not isinstance(node, SequenceNode):
            self.refuse(node, f"a list of {what}", "Put it in brackets: [..., ...].")
            return None
        return node.items

    def pair(self, node: LocatedNode, what: str) -> tuple[LocatedNode, LocatedNode] | None:
        """Return the two items of a list such as `[rows, cols]`."""
        if isinstance(node, SequenceNode) and len(node.items) == 2:
            return node.items[0], node.items[1]
        self.refuse(node, what, "Write two items in brackets.")
        return None

    def whole(self, node: LocatedNode, most: int) -> int | None:
        """Read a whole number from 0 to `most`, a power of ten, in digits alone."""
        if isinstance(node, ScalarNode) and node.spelling is ScalarSpelling.PLAIN:
            number = number_or_text(node.text)
            if isinstance(number, int) and number <= most:
                return number
        quoted = (
            isinstance(node, ScalarNode)
            and node.spelling is ScalarSpelling.QUOTED
            and _WHOLE_NUMBER_PATTERN.fullmatch(node.text)
        )
        todo = "Remove the quotes." if quoted else "Write it in digits alone, such as 1000."
        self.refuse(node, f"a whole number from 0 to 10^{len(str(most)) - 1}", todo)
        return None

    def flag(self, node: LocatedNode) -> bool | None:
        """Read `true` or `false`."""
        if (
            isinstance(node, ScalarNode)
            and node.spelling is not ScalarSpelling.QUOTED
            and node.text.lower() in ("true", "false")
        ):
            return node.text.lower() == "true"
        self.refuse(node, "true or false", "Write one of them.")
        return None

    def name(self, node: LocatedNode) -> str | None:
        """Read a name, which is the text as written, whatever else YAML would see in it."""
        if not isinstance(node, ScalarNode) or node.spelling is ScalarSpelling.NONE:
            self.refuse(node, "a name", "Write a word, in quotes if need be.")
            return None
        if reason := unnamable(node.text):
            self.messages.add(node, f"{written(node.path)} {reason}")
            return None
        return node.text


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def unnamable(text: str) -> str | None:
    """Say why a text cannot be a name, or return None where it can."""
    if not text:
        return "is empty; expected a name. Write at least one character."
    if len(text) > MAX_NAME_LENGTH:
        return f"is {len(text)} characters long; expected a name of at most {MAX_NAME_LENGTH}. Shorten it."
    if UNPRINTABLE_CHARACTERS.search(text):
        return f"is '{shown(text)}'; expected a name without control characters. Remove them."
    return None


def number_or_text(text: str) -> int | str:
    """Return the whole number that a text is, such as 20000 or 2e4, of at most 40 digits, or else the text itself."""
    if _WHOLE_NUMBER_PATTERN.fullmatch(text):
        return int(text)
    if (short := _EXPONENT_NUMBER_PATTERN.fullmatch(text)) is None:
        return text
    whole, fraction, exponent = short[1], short[2] or "", int(short[3])
    fits = len(fraction) <= exponent and len(whole) + exponent <= MAX_DIGITS
    return int(whole + fraction) * 10 ** (exponent - len(fraction)) if fits else text


def signed_or_text(text: str) -> int | str:
    """Return the whole number that a text is, which may have a minus before it, or else the text itself."""
    number = number_or_text(text.removeprefix("-"))
    return text if isinstance(number, str) else -number if text.startswith("-") else number


def plain(node: LocatedNode) -> Any:
    """Turn a node into a Python value: a whole number where it is written plainly, text, a list or a mapping."""
    if isinstance(node, ScalarNode):
        return signed_or_text(node.text) if node.spelling is ScalarSpelling.PLAIN else node.text
    if isinstance(node, SequenceNode):
        return node.listed if node.listed is not None else [plain(item) for item in node.items]
    return {key: plain(node.values[key]) for key in node.keys}
