"""The errors of one file, collected until all of it has been read.

Whoever writes a spec wants to hear everything at once. Reading goes on after an error wherever what follows
can still be judged, and ends at the first point where it cannot: broken syntax, or more errors than anyone
reads.
"""

from __future__ import annotations

from typing import NoReturn

from chainplan.errors import SpecError
from chainplan.errors.arguments import expect
from chainplan.io.located.nodes import Mapping, Node, Sequence, Spelling, shown

MOST_MESSAGES = 50


class Messages:
    """Collects messages `source:line:column: ...` and raises them together; `files` is whether a spec may name some.

    Raises
    ------
    SpecError
        From `fatal`, from `finish` where there was an error, and from `add` where there are too many.
    """

    def __init__(self, source: str, files: bool = True) -> None:
        expect("source", source, str, "text to begin messages with", "Leave it out, or pass a file's name.")
        self.source = shown(source, 1000)
        self.files = files
        self._found: list[tuple[int, int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, node: Node, text: str) -> None:
        """Note an error at a node; reading goes on."""
        self.add_at(node.line, node.column, text)

    def add_at(self, line: int, column: int, text: str) -> None:
        """Note an error at a line and a column, both from 1; a line of 0 stands for no position."""
        if len(self._found) == MOST_MESSAGES:
            self._raise(f"{self.source}: more than {MOST_MESSAGES} errors; the first {MOST_MESSAGES} are listed.")
        where = f"{self.source}:{line}:{column}" if line else self.source
        self._found.append((line, column, f"{where}: {text}"))

    def fatal(self, line: int, column: int, text: str) -> NoReturn:
        """Note an error after which nothing can be read."""
        self.add_at(line, column, text)
        self._raise()

    def finish(self) -> None:
        """Raise if there was an error."""
        if self._found:
            self._raise()

    def _raise(self, *more: str) -> NoReturn:
        ordered = sorted(self._found, key=lambda found: found[:2])
        raise SpecError([*(text for _, _, text in ordered), *more])


def found(node: Node) -> str:
    """What stands at a node, in words for the part of a message before the semicolon."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        held = node.items if node.listed is None else node.listed
        return f"a list of {len(held)}" if isinstance(held, list | tuple) else "a sparse array"
    if node.spelling is Spelling.QUOTED:
        return f"the text '{shown(node.text)}'"
    return shown(node.text) or "empty"
