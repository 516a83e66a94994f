"""The grammar of sizes with names: `ranges: {n: [1, 1000]}`, and `n` or `640*n` where a size or a price may stand.

chain: [n, 100, 10*batch, 10]
ranges: {n: [1, 100000], batch: [1, 512]}

The spec is read by the grammar of single problems, with a number in place of each term, one that nothing else in the
spec has. So blocks fit at all sizes if they fit at these, and messages get the terms back in place of the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from chainplan.io.located.diagnostics import SpecMessages
from chainplan.io.located.nodes import LocatedNode, MappingNode, SequenceNode, written
from chainplan.io.located.reader import NodeReader
from chainplan.io.spec_draft import MAX_VERTEX_SIZE
from chainplan.io.spec_terms import PRICES, SpecTerms, is_name, is_named, large_numbers
from chainplan.problem.family import MAX_SIZE_NAMES, Family, SizeRange
from chainplan.problem.problem import Problem

_LONE_KEYS = ("limits", "products", "derivative")
"""The keys of a spec that go with a single problem only."""
ProblemReader = Callable[[LocatedNode, SpecMessages], Problem]


def has_names(root: LocatedNode) -> bool:
    """Say whether a spec describes a family, or names sizes without ranges."""
    parts = root.values if isinstance(root, MappingNode) else {}
    chain, dag = parts.get("chain"), parts.get("dag")
    sizes = dag.values.get("sizes") if isinstance(dag, MappingNode) else None
    named = sizes.values.values() if isinstance(sizes, MappingNode) else ()
    items = chain.items if isinstance(chain, SequenceNode) else ()
    return "ranges" in parts or any(map(is_named, (*named, *_chain_sizes(items))))


def _chain_sizes(items: Iterable[LocatedNode]) -> Iterator[LocatedNode]:
    """Yield the nodes of a chain at which a size stands."""
    for item in items:
        shape = item.values.get("shape") if isinstance(item, MappingNode) else None
        yield from shape.items if isinstance(shape, SequenceNode) else (item,)


def read_family(root: LocatedNode, messages: SpecMessages, read: ProblemReader) -> Family:
    """Read a family, given the reader of single problems.

    Raises
    ------
    SpecError
        Where the spec has errors; the message lists every error.
    """
    assert isinstance(root, MappingNode)
    reader, given = NodeReader(messages), root.values.get("ranges")
    terms = SpecTerms(_ranges(given, reader) if given else {}, reader, large_numbers(root))
    for key in _LONE_KEYS:
        if key in root.keys and given:
            text = (
                f"the spec has 'ranges' and '{key}'; expected one of them. Remove one, or write numbers for the names."
            )
            messages.add_at(*root.keys[key], text)
    dag = root.values.get("dag")
    if isinstance(dag, MappingNode) and "implicit" in dag.keys:
        text = "the spec has names for sizes and 'implicit'; expected one of them. Write numbers for the names."
        messages.add_at(*dag.keys["implicit"], text)
        messages.finish()
    numeric = root._replace(
        keys={key: place for key, place in root.keys.items() if key not in ("ranges", *_LONE_KEYS)},
        values={
            key: terms.of_part(key, node) for key, node in root.values.items() if key not in ("ranges", *_LONE_KEYS)
        },
    )
    if given:
        terms.require_all_used(given)
    problem = read(numeric, _TermMessages(messages, {code: str(term) for term, code in terms.codes.items()}))
    return _family(problem, terms)


def _family(problem: Problem, terms: SpecTerms) -> Family:
    """Return the family of a problem that has codes for terms."""
    term_of, graph = {code: term for term, code in terms.codes.items()}, problem.graph
    sizes = {vertex: term_of[size] for vertex, size in graph.sizes.items() if size in term_of}
    given = ((e.name, key, getattr(e, key)) for e in graph.elementals for key in PRICES)
    prices = {(name, key): term_of[price] for name, key, price in given if price in term_of}
    coded = Family(graph, name=problem.name, ranges=terms.ranges, sizes=sizes, prices=prices)
    least = coded.at_point(coded.corner(0))
    return Family(least.graph, name=problem.name, ranges=terms.ranges, sizes=sizes, prices=prices)


def _ranges(node: LocatedNode, reader: NodeReader) -> dict[str, SizeRange]:
    """Read the ranges; one that cannot be read is noted and stands for 1 to 1."""
    if not isinstance(node, MappingNode) or not node.keys:
        reader.refuse(node, "a mapping from names to ranges", "Write it as {n: [1, 1000]}.")
        reader.messages.finish()
        return {}
    if len(node.keys) > MAX_SIZE_NAMES:
        text = f"ranges has {len(node.keys)} names; expected at most {MAX_SIZE_NAMES}. Write numbers for some of them."
        reader.messages.add(node, text)
    result = dict[str, SizeRange]()
    for name, place in node.keys.items():
        if not is_name(name):
            text = f"ranges has the key '{name[:60]}'; expected a name of letters, digits and _. Rename it."
            reader.messages.add_at(*place, text)
        result[name] = _range(node.values[name], reader) or (1, 1)
    return result


def _range(node: LocatedNode, reader: NodeReader) -> SizeRange | None:
    pair = reader.pair(node, "a range [least, largest]")
    if pair is None:
        return None
    least, largest = (reader.whole(item, MAX_VERTEX_SIZE) for item in pair)
    if least is None or largest is None:
        return None
    if not 1 <= least <= largest:
        text = f"{written(node.path)} is [{least}, {largest}]; expected 1 <= least <= largest. Correct it."
        reader.messages.add(node, text)
        return None
    return least, largest


class _TermMessages(SpecMessages):
    """Messages with terms in place of their codes; they are raised with those that were noted before."""

    def __init__(self, before: SpecMessages, terms: dict[int, str]) -> None:
        super().__init__(before.source, before.files)
        self._noted = before._noted
        self._terms = {text: term for code, term in terms.items() for text in (str(code), f"{code:,}")}

    def add_at(self, line: int, column: int, text: str) -> None:
        for code, term in self._terms.items():
            text = text.replace(code, term)
        super().add_at(line, column, text)
