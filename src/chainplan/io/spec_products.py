"""The grammar of `products`: how often the Jacobian is multiplied by vectors, where it is used for nothing else.

products: {right: 50}            # 50 products J·v with columns
products: {right: 50, left: 50}  # as many products w·J with rows

Beside `derivative: 2` they are products H·v with the Hessian, on the right alone.
"""

from __future__ import annotations

from chainplan.io.located.nodes import LocatedNode
from chainplan.io.located.reader import NodeReader
from chainplan.io.spec_limits import SpecLimits
from chainplan.problem.products import MAX_PRODUCTS, Products


def read_products(node: LocatedNode | None, limits: SpecLimits, reader: NodeReader) -> Products | None:
    """Read the numbers of products of a spec; what cannot be read is noted and left out."""
    if node is None:
        return None
    given = reader.fields(node, ("right", "left"))
    if given is None:
        return None
    counts = {side: reader.whole(number, MAX_PRODUCTS) for side, number in given.items()}
    if limits.recompute:
        text = (
            "the spec has 'products' and 'limits.recompute'; expected one of them, because every product needs the "
            "states at which it is linearised. Leave one out."
        )
        reader.messages.add(node, text)
    if None in counts.values():
        return None
    if not any(counts.values()):
        text = f"products has {'0 on both sides' if counts else 'no side'}; expected at least one product."
        reader.messages.add(node, f"{text} Write {{right: 50}}, say, or leave 'products' out for the Jacobian itself.")
        return None
    return Products(**{side: count for side, count in counts.items() if count is not None})
