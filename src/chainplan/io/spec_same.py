"""Jacobians of a spec that are equal: `same_as` names the one whose values a jacobian has, `times` repeats one."""

from __future__ import annotations

from collections.abc import Sequence

from chainplan.errors.suggest import did_you_mean
from chainplan.io.located.diagnostics import describe
from chainplan.io.located.nodes import LocatedNode, shown, written
from chainplan.io.located.reader import MAX_NAME_LENGTH, NodeReader
from chainplan.io.spec_draft import DETAILS

MAX_TIMES = 100_000
"""The most jacobians that the `times` of a chain may stand for together."""

JacobianFields = dict[str, LocatedNode]
"""The values of a jacobian by key."""


def first_of_each(fields: Sequence[JacobianFields], names: Sequence[Sequence[str]], reader: NodeReader) -> list[int]:
    """Return, for each jacobian, the position of the one whose values it has: its own where it shares none.

    `names` are those that each jacobian stands for. One that names what cannot be found keeps its own values.
    """
    places: dict[str, int] = {}
    for i, some in enumerate(names):
        for name in some:
            places.setdefault(name, i)
    named = [reader.name(own["same_as"]) if "same_as" in own else None for own in fields]
    nearest = [i if name is None else places.get(name, -1) for i, name in enumerate(named)]
    for i, own in enumerate(fields):
        if nearest[i] < 0:
            node = own["same_as"]
            text = f"{written(node.path)} is '{shown(named[i] or '')}', which no jacobian is called; expected the name"
            reader.messages.add(node, f"{text} of another one. {did_you_mean(named[i] or '', places, 'Correct it.')}")
        elif named[i] is not None:
            _refuse_what_follows(own, reader)
    return [_first(i, nearest, fields, reader) for i in range(len(fields))]


def _first(i: int, nearest: Sequence[int], fields: Sequence[JacobianFields], reader: NodeReader) -> int:
    """Follow `same_as` from a jacobian to one with values of its own; one of a circle keeps its own."""
    place, seen = i, {i}
    while nearest[place] not in (place, -1):
        place = nearest[place]
        if place in seen:
            break
        seen.add(place)
    if place == i and (node := fields[i].get("same_as")) is not None and nearest[i] >= 0:
        what = "names the jacobian itself" if nearest[i] == i else f"leads back to itself in {len(seen)} steps"
        text = f"{written(node.path)} {what}; expected a jacobian with values of its own."
        reader.messages.add(node, f"{text} Name that, or give this one a shape.")
    return place if nearest[place] == place and "same_as" not in fields[place] else i


def _refuse_what_follows(own: JacobianFields, reader: NodeReader) -> None:
    """Note keys that follow from `same_as`; a shape may stand beside it and is compared."""
    for key in DETAILS:
        if key in own:
            node = own[key]
            text = f"{written(node.path)} stands beside 'same_as', from which it follows; expected one of them."
            reader.messages.add(node, f"{text} Remove '{key}'.")


def times_of(own: JacobianFields, left: int, reader: NodeReader) -> int:
    """Read how many jacobians an entry of a chain stands for, where so many of `MAX_TIMES` are left."""
    node = own.get("times")
    if node is None:
        return 1
    count = reader.whole(node, MAX_TIMES)
    if count == 0:
        reader.messages.add(node, f"{written(node.path)} is {describe(node)}; expected at least 1. Correct it.")
    if count is not None and count > left:
        text = f"{written(node.path)} makes the chain longer than {MAX_TIMES:,} jacobians by 'times'"
        reader.messages.add(node, f"{text}; expected at most so many. Write fewer.")
        return 1
    return count or 1


def names_of(name: str, count: int, item: LocatedNode, reader: NodeReader) -> list[str]:
    """Return the names of `count` equal jacobians: NAME, NAME#2, NAME#3, ..."""
    names = [name, *(f"{name}#{k}" for k in range(2, count + 1))]
    if count > 1 and len(names[-1]) > MAX_NAME_LENGTH:
        text = f"has copies with names of {len(names[-1])} characters; expected at most {MAX_NAME_LENGTH}. Shorten it."
        reader.messages.add(item, f"{written(item.path)} {text}")
    return names
