"""Collects the errors of one file until all of it has been read.

Whoever writes a spec wants to see all errors at once. Reading goes on after an error as long as what follows can still
be judged, and ends where it cannot: at broken syntax, or after more errors than anyone reads.
"""

from __future__ import annotations

from typing import NoReturn

from chainplan.errors import SpecError
from chainplan.errors.arguments import expect
from chainplan.io.located.nodes import LocatedNode, MappingNode, ScalarSpelling, SequenceNode, shown

MAX_MESSAGES = 50


class SpecMessages:
    """Messages `source:line:column: ...`, which are raised together; `files` says whether the spec may name files.

    Raises
    ------
    SpecError
        From `fatal`, from `finish` where there was an error, and from `add` where there are too many.
    """

    def __init__(self, source: str, files: bool = True) -> None:
        expect("source", source, str, "text to begin messages with", "Leave it out, or pass a file's name.")
        self.source = shown(source, 1000)
        self.files = files
        self._noted: list[tuple[int, int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._noted)

    def add(self, node: LocatedNode, text: str) -> None:
        """Note an error at a node; reading goes on."""
        self.add_at(node.line, node.column, text)

    def add_at(self, line: int, column: int, text: str) -> None:
        """Note an error at a line and a column, both from 1; a line of 0 stands for no position."""
        if len(self._noted) == MAX_MESSAGES:
            self._raise(f"{self.source}: more than {MAX_MESSAGES} errors; the first {MAX_MESSAGES} are listed.")
        where = f"{self.source}:{line}:{column}" if line else self.source
        self._noted.append((line, column, f"{where}: {text}"))

    def fatal(self, line: int, column: int, text: str) -> NoReturn:
        """Note an error after which nothing can be read."""
        self.add_at(line, column, text)
        self._raise()

    def finish(self) -> None:
        """Raise if there was an error."""
        if self._noted:
            self._raise()

    def _raise(self, *more: str) -> NoReturn:
        ordered = sorted(self._noted, key=lambda note: note[:2])
        raise SpecError([*(text for _, _, text in ordered), *more])


def describe(node: LocatedNode) -> str:
    """Describe what stands at a node, for the part of a message before the semicolon."""
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        items = node.items if node.listed is None else node.listed
        return f"a list of {len(items)}" if isinstance(items, list | tuple) else "a sparse array"
    if node.spelling is ScalarSpelling.QUOTED:
        return f"the text '{shown(node.text)}'"
    return shown(node.text) or "empty"
