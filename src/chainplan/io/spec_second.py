"""The grammar of second derivatives: `derivative: 2` at the top, and `second` of each elemental.

derivative: 2                    # the second derivative is asked for; 1, the Jacobian, where it is left out
weights: true                    # of the sum of the outputs, weighted by a row that is given when the plan is run
directions: {left: 3, right: 1}  # its column sides along so many given directions; a side left out has all columns

chain:
  - {shape: [64, 784]}                           # what its structure allows: here all entries
  - {shape: [64, 64], structure: diagonal}       # here one for each entry, as elementwise functions have
  - {shape: [10, 64], second: zero}              # zero, dense, diagonal, or the entries [i, j, k], j <= k
  - {shape: [1, 10], second: {coo: [[0, 2, 2], [0, 1, 3]]}}
  - {shape: [9, 64], second_tangent: 640, second_adjoint: 1280}   # matrix-free: fma per call; `second` is its pattern

dag:
  seconds:                                       # of vertices by two of their arguments; pairs left out have none
    - {at: h, args: [x, u], second: dense}       # of size(h) x size(x) x size(u); all entries [i, j, k] are listed
"""

from __future__ import annotations

from chainplan.errors.suggest import did_you_mean
from chainplan.io.located.nodes import LocatedNode, MappingNode, ScalarNode, ScalarSpelling, shown, written
from chainplan.io.located.reader import NodeReader, plain
from chainplan.problem.mixed_second import MixedSecond
from chainplan.problem.second import MAX_DIRECTIONS, MAX_SECOND_PRICE, ElementalSecond, SecondOrder
from chainplan.structures.second import MAX_SECOND_ENTRIES, ListedSecond, listed_second

SECOND_KEYS = ("derivative", "weights", "directions")
"""The keys at the top of a spec that ask for second derivatives."""
SECOND_DETAILS = ("second", "second_tangent", "second_adjoint")
"""The keys of an elemental that say its second derivative."""
SPEC_ORDERS = {"1": 1, "2": 2}
"""What `derivative` may be."""
SECOND_WORDS = ("dense", "diagonal", "zero", "coo")
"""What `second` may be."""


def read_second(top: dict[str, LocatedNode], reader: NodeReader) -> SecondOrder | None:
    """Read which derivative a spec asks for; None stands for the first one."""
    node = top.get("derivative")
    order = 1 if node is None else None
    if isinstance(node, ScalarNode) and node.spelling is ScalarSpelling.PLAIN:
        order = SPEC_ORDERS.get(node.text)
    if node is not None and order is None:
        reader.refuse(node, "1 or 2", "Write 'derivative: 2', or leave it out for the Jacobian.")
    if node is not None and order == 2 and _has(top, "limits.recompute"):
        text = "the spec has 'derivative: 2' and 'limits.recompute'; expected one of them. Leave one out."
        reader.messages.add(node, text)
    sides = _sides(top, reader)
    if order != 2:
        for key in (key for key in SECOND_KEYS[1:] if key in top and order is not None):
            text = f"the spec has '{key}' without 'derivative: 2'; expected both or none. Remove it, or add that."
            reader.messages.add(top[key], text)
    return SecondOrder(*sides) if order == 2 else None


def _sides(top: dict[str, LocatedNode], reader: NodeReader) -> tuple[bool, int | None, int | None]:
    """Read `weights` and `directions`; what cannot be read is noted and left out."""
    weights = reader.flag(top["weights"]) if "weights" in top else False
    given = (reader.fields(top["directions"], ("left", "right")) if "directions" in top else None) or {}
    counts = {side: reader.whole(node, MAX_DIRECTIONS) for side, node in given.items()}
    for side in (side for side, count in counts.items() if count == 0):
        reader.refuse(given[side], "at least one direction", "Leave the side out for all columns.")
    return bool(weights), counts.get("left") or None, counts.get("right") or None


def _has(top: dict[str, LocatedNode], key: str) -> bool:
    """Whether a spec has a key, at the top or below another one."""
    head, _, rest = key.partition(".")
    node = top.get(head)
    return node is not None and (not rest or (isinstance(node, MappingNode) and rest in node.keys))


def read_elemental_second(own: dict[str, LocatedNode], reader: NodeReader) -> ElementalSecond | None:
    """Read the second derivative of an elemental; None stands for what its structure allows."""
    pattern = _pattern(own["second"], reader, mixed=False) if "second" in own else None
    prices = [reader.whole(own[key], MAX_SECOND_PRICE) if key in own else None for key in SECOND_DETAILS[1:]]
    return None if pattern is None and prices == [None, None] else ElementalSecond(pattern, *prices)


def read_mixed_second(node: LocatedNode, reader: NodeReader) -> MixedSecond | None:
    """Read the second derivative of a vertex by two of its arguments; None where something cannot be read."""
    keys = ("at", "args", "second")
    own = reader.fields(node, (*keys, "name"), keys)
    if own is None or not own.keys() >= set(keys):
        return None
    at, pair = reader.name(own["at"]), reader.pair(own["args"], "[argument, argument]")
    args = None if pair is None else [reader.name(item) for item in pair]
    pattern = _pattern(own["second"], reader, mixed=True)
    if at is None or args is None or None in args or pattern is None:
        return None
    left, right = map(str, args)
    name = reader.name(own["name"]) if "name" in own else f"{at}/{left}/{right}"
    return None if name is None else MixedSecond(name, at, left, right, pattern)


def _pattern(node: LocatedNode, reader: NodeReader, mixed: bool) -> str | ListedSecond | None:
    """Read which entries of a second derivative may be nonzero; what cannot be read is noted."""
    if isinstance(node, MappingNode) and list(node.keys) == ["coo"]:
        return _listed(node.values["coo"], reader, mixed)
    if not isinstance(node, ScalarNode):
        reader.refuse(node, "a second derivative", "Write dense, diagonal, zero, or {coo: [[i, j, k], ...]}.")
        return None
    if node.text in SECOND_WORDS[:3]:
        return node.text
    todo = did_you_mean(node.text, SECOND_WORDS, "Leave it out where nothing is known.")
    text = f"{written(node.path)} is '{shown(node.text)}'; expected one of {', '.join(SECOND_WORDS)}."
    reader.messages.add(node, f"{text} {todo}")
    return None


def _listed(node: LocatedNode, reader: NodeReader, mixed: bool) -> ListedSecond | None:
    """Read a list of entries [i, j, k]."""
    entries = plain(node)
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        reader.refuse(
            node, "a list of entries [row, column, column]", "Write three whole numbers in brackets for each."
        )
        return None
    if 2 * len(entries) > MAX_SECOND_ENTRIES:
        text = f"{written(node.path)} has {len(entries):,} entries; expected at most {MAX_SECOND_ENTRIES // 2:,}."
        reader.messages.add(node, f"{text} Write 'dense' instead.")
        return None
    return listed_second([(i, j, k) for i, j, k in entries], mixed)


def _is_entry(value: object) -> bool:
    """Whether a value is a list of three whole numbers that an index may be."""
    return isinstance(value, list) and len(value) == 3 and all(type(x) is int and 0 <= x < 10**12 for x in value)
