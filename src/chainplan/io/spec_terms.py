"""Terms such as `n` or `640*n` in a spec, and the same spec with a number of its own in place of each term."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from chainplan.errors.suggest import did_you_mean
from chainplan.io.located.nodes import LocatedNode, MappingNode, ScalarNode, ScalarSpelling, SequenceNode, written
from chainplan.io.located.reader import NodeReader, number_or_text
from chainplan.io.spec_draft import MAX_COST, MAX_VERTEX_SIZE
from chainplan.problem.family import SizeRange, SizeTerm

PRICES = ("tangent", "adjoint", "tape", "advance")
"""The keys of a jacobian that may be terms."""
GROWING_STRUCTURES = (
    "dense",
    "diagonal",
    "identity",
    "negated_identity",
    "scaled_identity",
    "sign",
    "zero",
    "banded",
    "lower_triangular",
    "upper_triangular",
)
"""The structures that a block of every size can have."""
_LONE_JACOBIAN_KEYS = ("same_as", "times")
"""The keys of a jacobian that go with a single problem only."""
_NAME_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_NAMES = ("true", "false", "null", "none", "yes", "no", "on", "off", "nan", "inf")
"""Words that YAML or people read as something else."""
_FIRST_CODE = 999_999_999_989
"""The number in place of the first term; those of further terms are smaller."""


@dataclass
class SpecTerms:
    """The terms of a spec, each with the number that stands in its place."""

    ranges: dict[str, SizeRange]
    reader: NodeReader
    taken: set[int]
    codes: dict[SizeTerm, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def of_part(self, key: str, node: LocatedNode) -> LocatedNode:
        """Return a part of the spec with numbers for terms."""
        if key == "chain" and isinstance(node, SequenceNode):
            return node._replace(items=tuple(map(self._chain_item, node.items)))
        if key == "dag" and isinstance(node, MappingNode):
            return self._dag(node)
        return node

    def _chain_item(self, item: LocatedNode) -> LocatedNode:
        if isinstance(item, MappingNode):
            shape = item.values.get("shape")
            parts = shape.items if isinstance(shape, SequenceNode) else ()
            growing = any(is_named(part) for part in parts)
            item = self._jacobian(item, growing)
            return self._mapped(item, "shape", self._sequence)
        return self.number(item, MAX_VERTEX_SIZE)

    def _sequence(self, node: LocatedNode) -> LocatedNode:
        if not isinstance(node, SequenceNode):
            return node
        return node._replace(items=tuple(self.number(item, MAX_VERTEX_SIZE) for item in node.items))

    def _dag(self, node: MappingNode) -> MappingNode:
        sizes = node.values.get("sizes")
        growing = {v for v, size in (sizes.values.items() if isinstance(sizes, MappingNode) else ()) if is_named(size)}
        node = self._mapped(node, "sizes", self._sizes)
        return self._mapped(node, "jacobians", lambda items: self._jacobians(items, growing))

    def _sizes(self, node: LocatedNode) -> LocatedNode:
        if not isinstance(node, MappingNode):
            return node
        return node._replace(values={v: self.number(size, MAX_VERTEX_SIZE) for v, size in node.values.items()})

    def _jacobians(self, node: LocatedNode, growing: set[str]) -> LocatedNode:
        """Return the jacobians of a DAG; those at a vertex whose size has a name must be able to grow."""
        if not isinstance(node, SequenceNode):
            return node
        items = []
        for item in node.items:
            if isinstance(item, MappingNode):
                edge = item.values.get("edge")
                ends = edge.items if isinstance(edge, SequenceNode) else ()
                item = self._jacobian(item, any(isinstance(e, ScalarNode) and e.text in growing for e in ends))
            items.append(item)
        return node._replace(items=tuple(items))

    def _jacobian(self, item: MappingNode, growing: bool) -> MappingNode:
        """Return a jacobian with numbers for its prices."""
        for key in _LONE_JACOBIAN_KEYS:
            if key in item.keys:
                text = f"{written(item.path)} has '{key}' in a spec with 'ranges'; expected one of them. Remove one."
                self.reader.messages.add_at(*item.keys[key], text)
                item = item._replace(
                    keys={k: place for k, place in item.keys.items() if k != key},
                    values={k: value for k, value in item.values.items() if k != key},
                )
        structure = item.values.get("structure")
        if growing and structure is not None and not _can_grow(structure):
            known = ", ".join(GROWING_STRUCTURES)
            text = f"{written(structure.path)} fixes the size of a block that has a name; expected one of {known}."
            self.reader.messages.add(structure, f"{text} Write numbers for its size, or 'dense'.")
            plain = ScalarNode(item.path, "structure", structure.line, structure.column, "dense")
            item = item._replace(values=item.values | {"structure": plain})
        for key in PRICES:
            item = self._mapped(item, key, lambda node: self.number(node, MAX_COST))
        return item

    def _mapped(self, node: MappingNode, key: str, make: Callable[[LocatedNode], LocatedNode]) -> MappingNode:
        """Return a mapping with another value of a key, where it has that."""
        return node._replace(values=node.values | {key: make(node.values[key])}) if key in node.values else node

    def number(self, node: LocatedNode, most: int) -> LocatedNode:
        """Return a node with the number of its term; one that is no term stays as it is."""
        term = _term(node)
        if term is None or not term.names:
            return node
        assert isinstance(node, ScalarNode)
        unknown = next((name for name in term.names if name not in self.ranges), None)
        if unknown is not None:
            add = f"Write it in digits alone, such as 1000, or add ranges: {{{unknown[:60]}: [1, 1000]}}."
            todo = did_you_mean(unknown, self.ranges) or add
            self.reader.refuse(node, f"a whole number from 0 to 10^{len(str(most)) - 1}", todo)
        self.used.update(term.names)
        largest = term.at({name: self.ranges.get(name, (1, 1))[1] for name in term.names})
        if largest > most:
            found = str(largest) if largest < 10**60 else "more than 10^60"
            text = f"{written(node.path)} grows to {found}; expected at most 10^{len(str(most)) - 1}. Narrow a range."
            self.reader.messages.add(node, text)
        return node._replace(text=str(self._code(term)), spelling=ScalarSpelling.PLAIN)

    def _code(self, term: SizeTerm) -> int:
        if term not in self.codes:
            code = min(self.codes.values(), default=_FIRST_CODE) - 2
            while code in self.taken:
                code -= 2
            self.codes[term] = code
        return self.codes[term]

    def require_all_used(self, node: LocatedNode) -> None:
        """Note every range that nothing uses."""
        for name in self.ranges:
            if name not in self.used and isinstance(node, MappingNode):
                text = f"ranges names '{name[:60]}', but no size or price does; expected one that does. Remove it."
                self.reader.messages.add_at(*node.keys[name], text)


def is_named(node: LocatedNode) -> bool:
    """Say whether a term with names stands at a node."""
    if not isinstance(node, ScalarNode) or node.text.isdigit():
        return False
    term = _term(node)
    return term is not None and bool(term.names)


def is_name(text: str) -> bool:
    """Say whether a text can be the name of a size."""
    return _NAME_PATTERN.fullmatch(text) is not None and text.lower() not in _NO_NAMES


def _can_grow(structure: LocatedNode) -> bool:
    """Say whether a block of every size can have a structure; one that cannot be read is left to the grammar."""
    if isinstance(structure, ScalarNode):
        return structure.text in GROWING_STRUCTURES or not structure.text.isidentifier()
    return isinstance(structure, MappingNode) and list(structure.keys) == ["banded"]


def _term(node: LocatedNode) -> SizeTerm | None:
    """Read a product of whole numbers and names, or a single one; None where something else stands there."""
    if not isinstance(node, ScalarNode) or node.spelling is ScalarSpelling.NONE:
        return None
    coefficient, names = 1, []
    for factor in (part.strip() for part in node.text.split("*")):
        number = number_or_text(factor)
        if isinstance(number, int) and number:
            coefficient *= number
        elif is_name(factor):
            names.append(factor)
        else:
            return None
    return SizeTerm(coefficient, tuple(sorted(names)))


def large_numbers(root: LocatedNode) -> set[int]:
    """Return the numbers of a spec that are as large as the codes of terms."""
    todo, found = [root], set[int]()
    while todo:
        node = todo.pop()
        if isinstance(node, MappingNode):
            todo += node.values.values()
        elif isinstance(node, SequenceNode):
            todo += node.items
        elif len(node.text) >= len(str(_FIRST_CODE)) and isinstance(number := number_or_text(node.text), int):
            found.add(number)
    return found
