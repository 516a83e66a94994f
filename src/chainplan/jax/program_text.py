"""Programs as text: equal texts are equal programs, so that what was found for one need not be found again.

JAX prints a program without the values of its constants, and functions in its parameters by names alone. The values are
added here. A program with a function in it has no text, but for rules of tangents: that of a function of JAX itself is
told by where that function stands, that of another one by its trace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import jax
import numpy as np
from jax import Array
from jax.extend import core

from chainplan.jax.types import Parameters, Shaped

_PACKAGE = str(Path(jax.__file__).parent)


def value_text(value: Array) -> str:
    """Write an array with all its entries, large ones as a digest."""
    array = np.asarray(value)
    held = array.tobytes()
    return f"{array.dtype}{array.shape}:{held.hex() if len(held) <= 64 else hashlib.sha256(held).hexdigest()}"


def equation_text(
    primitive: core.Primitive, params: Parameters, ins: Sequence[Shaped], inside: frozenset[str] = frozenset()
) -> str | None:
    """Write a primitive and its parameters, None where they hold a function that cannot be told.

    `inside` says where the functions stand whose rules are being written.
    """
    told = params
    if primitive.name == "custom_jvp_call":
        body = params["call_jaxpr"]
        origin = str(getattr(body.jaxpr.debug_info, "func_src_info", None))
        told = {name: value for name, value in params.items() if name != "jvp_jaxpr_fun"} | {"origin": origin}
        if _PACKAGE not in origin and origin not in inside:
            told["rule"] = _tangent(primitive, params, ins)
            inside |= {origin}
    programs = []
    for part in _parts(list(told.values())):
        if hasattr(part, "eqns") or hasattr(part, "jaxpr"):
            programs.append(_program_text(part, inside))
            if programs[-1] is None:
                return None
        elif _is_untold(part):
            return None
    return f"{primitive.name} {told} {programs}"


def _program_text(program: core.ClosedJaxpr | core.Jaxpr, inside: frozenset[str]) -> str | None:
    """Write what the text of a parameter leaves out of a program: its constants and the functions in it."""
    consts = getattr(program, "consts", ())
    if any(isinstance(const, jax.core.Tracer) for const in consts):
        return None
    texts = [value_text(const) for const in consts]
    for eqn in getattr(program, "jaxpr", program).eqns:
        text = equation_text(eqn.primitive, eqn.params, [v.aval for v in eqn.invars], inside)
        if text is None:
            return None
        texts.append(text)
    return " ".join(texts)


def _tangent(primitive: core.Primitive, params: Parameters, ins: Sequence[Shaped]) -> core.ClosedJaxpr:
    """Trace the value and the tangent of a function with a rule of its own."""

    def tangent(*given: Array) -> tuple[list[Array], list[Array]]:
        half = len(given) // 2
        made: tuple[list[Array], list[Array]] = jax.jvp(
            lambda *values: primitive.bind(*values, **primitive.get_bind_params(params)), given[:half], given[half:]
        )
        return made

    values = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in ins]
    along = [jax.ShapeDtypeStruct(aval.shape, core.primal_dtype_to_tangent_dtype(aval.dtype)) for aval in ins]
    closed: core.ClosedJaxpr = jax.make_jaxpr(tangent)(*values, *along)
    return closed


def _parts(value: object) -> Iterable[object]:
    """Yield a parameter, or the items of one that is a sequence."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from _parts(item)
    else:
        yield value


def _is_untold(part: object) -> bool:
    """Say whether a printed parameter does not tell all that it is."""
    if callable(part) and not isinstance(part, type) and not type(part).__module__.startswith("jax."):
        return True
    return hasattr(part, "call_wrapped") or " at 0x" in repr(part)
