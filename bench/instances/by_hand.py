"""Jacobians of benchmark functions as one would write them by hand: what a planned order is measured against.

Each takes the arguments of its function and gives what `jax.jacrev`, or `jax.hessian`, gives. The products are in the
order that takes the fewest operations, with the structure of every factor used: the limit of what a plan can reach.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from bench.instances.functions.grids import budworm, membrane
from bench.instances.functions.networks import HEADS
from bench.instances.functions.robot import LINKS, link

Blocks = tuple[Array, ...]
Tree = Any


def mlp(x: Array, w1: Array, b1: Array, w2: Array, b2: Array, w3: Array, b3: Array) -> Blocks:
    """From the few outputs back: rows through the layers, scaled by the slopes between them."""
    y1 = jnp.tanh(w1 @ x + b1)
    y2 = jnp.tanh(w2 @ y1 + b2)
    return ((((w3 * (1 - y2 * y2)) @ w2) * (1 - y1 * y1)) @ w1,)


def tanh_layers(x: Array, w1: Array, w2: Array, w3: Array) -> Blocks:
    """Two products of matrices; slopes scale the columns, and the first of them also the rows, of a fixed factor."""
    y1 = jnp.tanh(w1 @ x)
    y2 = jnp.tanh(w2 @ y1)
    y3 = jnp.tanh(w3 @ y2)
    last = (1 - y3 * y3)[:, None] * w3 * (1 - y2 * y2)
    return (((last @ w2) * (1 - y1 * y1)) @ w1,)


def bottleneck(x: Array, i1: Array, o1: Array, down: Array, up: Array, i2: Array, o2: Array) -> Blocks:
    """The columns behind the code times the rows before it."""
    h1 = jnp.tanh(i1 @ x)
    code = jnp.tanh(down @ (x + o1 @ h1))
    h2 = jnp.tanh(i2 @ (up @ code))
    behind = up + o2 @ ((1 - h2 * h2)[:, None] * (i2 @ up))
    before = down + ((down @ o1) * (1 - h1 * h1)) @ i1
    return ((behind * (1 - code * code)) @ before,)


def _normalised(r: Array) -> tuple[Array, Array]:
    """Rows less their means over their deviations, and the deviations."""
    rest = r - r.mean(-1, keepdims=True)
    deviation = jnp.sqrt((rest * rest).mean(-1, keepdims=True) + 1e-5)
    return rest / deviation, deviation


def encoder(x: Array, wq: Array, wk: Array, wv: Array, wo: Array, w1: Array, b1: Array, w2: Array, b2: Array) -> Blocks:
    """Token by token behind the attention; in it a product by the probabilities and one of rank one for each pair."""
    tokens, width = x.shape
    d = width // HEADS

    def by_heads(a: Array) -> Array:
        return a.reshape(tokens, HEADS, d).transpose(1, 0, 2)

    q, k, v = (by_heads(x @ w.T) for w in (wq, wk, wv))
    from_q, from_k, from_v = (w.reshape(HEADS, d, width) for w in (wq, wk, wv))
    p = jax.nn.softmax(jnp.einsum("hid,hjd->hij", q, k) / d**0.5, -1)
    seen = jnp.einsum("hij,hjd->hid", p, v)
    y, s = _normalised(x + seen.transpose(1, 0, 2).reshape(tokens, width) @ wo.T)
    hidden = y @ w1.T + b1
    z, t = _normalised(y + jax.nn.relu(hidden) @ w2.T + b2)
    feed = ((w2[None] * (hidden > 0)[:, None, :]).reshape(tokens * width, -1) @ w1).reshape(tokens, width, width)
    feed = feed + jnp.eye(width)
    centred = feed - feed.mean(1, keepdims=True)
    second = (centred - z[:, :, None] * jnp.einsum("ta,tax->tx", z, feed)[:, None, :] / width) / t[:, :, None]
    centred = second - second.mean(2, keepdims=True)
    block = (centred - jnp.einsum("tax,tx->ta", second, y)[:, :, None] * y[:, None, :] / width) / s[:, :, None]
    outward = (block.reshape(tokens * width, width) @ wo).reshape(tokens, width, HEADS, d)
    spread = p[..., None] * (v[:, None, :, :] - seen[:, :, None, :])
    weight = jnp.einsum("iahd,hild->ialh", outward, spread)
    by_key = jnp.einsum("hid,hdx->hix", q, from_k) / d**0.5
    by_query = jnp.einsum("hjd,hdx->hjx", k, from_q) / d**0.5
    by_value = jnp.einsum("iahd,hdx->ihax", outward, from_v)
    whole = jnp.einsum("hil,ihax->ialx", p, by_value) + jnp.einsum("ialh,hix->ialx", weight, by_key)
    own = block + jnp.einsum("iajh,hjx->iax", weight, by_query)
    return (whole + jnp.eye(tokens)[:, None, :, None] * own[:, :, None, :],)


def heart_dipole(z: Array) -> Blocks:
    """All 64 entries of the eight moments by the eight unknowns of one vector."""
    a, b, c, d, t, u, v, w = z
    t2, tv, u2, uw = t * t - v * v, 2 * t * v, u * u - w * w, 2 * u * w
    t3, v3, u3, w3 = t * (t2 - 2 * v * v), v * (-t2 - 2 * t * t), u * (u2 - 2 * w * w), w * (-u2 - 2 * u * u)
    at, av, bu, bw = 2 * (a * t - c * v), 2 * (a * v + c * t), 2 * (b * u - d * w), 2 * (b * w + d * u)
    a2, av2, b2, bw2 = 3 * (a * t2 - c * tv), 3 * (a * tv + c * t2), 3 * (b * u2 - d * uw), 3 * (b * uw + d * u2)
    one, no = jnp.ones_like(a), jnp.zeros_like(a)
    rows = (
        (one, one, no, no, no, no, no, no),
        (no, no, one, one, no, no, no, no),
        (t, u, -v, -w, a, b, -c, -d),
        (v, w, t, u, c, d, a, b),
        (t2, u2, -tv, -uw, at, bu, -av, -bw),
        (tv, uw, t2, u2, av, bw, at, bu),
        (t3, u3, v3, w3, a2, b2, -av2, -bw2),
        (-v3, -w3, t3, u3, av2, bw2, a2, b2),
    )
    return (jnp.stack([jnp.stack(row) for row in rows]),)


def _small(left: Array, right: Array) -> Array:
    """A product of small matrices as a sum, which costs no call of a library."""
    return (left[..., :, :, None] * right[..., None, :, :]).sum(-2)


def robot_arm_chain(angles: Array) -> Blocks:
    """The frames before a joint times its derivative times the frames behind it, for all joints together."""
    count = len(LINKS)
    frames = [link(angles[i], *LINKS[i]) for i in range(count)]
    turned = [
        jax.jvp(lambda a, i=i: link(a, *LINKS[i]), (angles[i],), (jnp.ones_like(angles[i]),))[1] for i in range(count)
    ]
    before, behind = [jnp.eye(4)[:3]], [jnp.eye(4)]
    for i in range(count - 1):
        before.append(_small(before[-1], frames[i]))
        behind.append(_small(frames[count - 1 - i], behind[-1]))
    by_joint = _small(jnp.stack(before), _small(jnp.stack(turned), jnp.stack(behind[::-1])))
    return (by_joint.transpose(1, 2, 0),)


def membrane_readout(v: Array, n: Array, m: Array, h: Array, projection: Array) -> Blocks:
    """The slopes of every cell scale the columns; a gate depends on itself and the potential, which depends on all."""
    state = (v, n, m, h)

    def slopes(k: int) -> Blocks:
        ones = tuple(jnp.ones_like(a) if i == k else jnp.zeros_like(a) for i, a in enumerate(state))
        found: Blocks = jax.jvp(membrane, state, ones)[1]
        return found

    columns = jnp.split(projection, 4, axis=1)
    by_potential = slopes(0)
    first = sum((columns[j] * by_potential[j] for j in range(1, 4)), columns[0] * by_potential[0])
    others = (columns[0] * s[0] + columns[k] * s[k] for k, s in ((k, slopes(k)) for k in (1, 2, 3)))
    return (first, *others)


def reduced_order(code: Array, basis: Array) -> Blocks:
    """Slopes times the products of every two modes, which depend on the basis alone and serve a whole batch."""
    u = basis @ code
    rates = jax.jvp(budworm, (u,), (jnp.ones_like(u),))[1]
    modes = basis.shape[1]
    pairs = (basis[:, :, None] * basis[:, None, :]).reshape(-1, modes * modes)
    return ((rates @ pairs).reshape(modes, modes),)


def bottleneck_loss(x: Array, i1: Array, o1: Array, down: Array, up: Array, i2: Array, o2: Array) -> tuple[Blocks]:
    """The Hessian: second derivatives of each layer between the rows before it, and a product of the rank of the code.

    With y = h(c), c = tanh(d(x)) and the loss ½‖y - x‖² it is d'ᵀ·K·d' + i₁ᵀ·W·i₁ - y' - y'ᵀ + I, W diagonal and K of
    the size of the code.
    """
    t1 = jnp.tanh(i1 @ x)
    code = jnp.tanh(down @ (x + o1 @ t1))
    t2 = jnp.tanh(i2 @ (up @ code))
    d1, dc, d2 = 1 - t1 * t1, 1 - code * code, 1 - t2 * t2
    rest = up @ code + o2 @ t2 - x
    back2 = o2.T @ rest
    back = up.T @ (rest + i2.T @ (d2 * back2))
    back1 = o1.T @ (down.T @ (dc * back))
    inner = i2 @ up
    behind = up + o2 @ (d2[:, None] * inner)
    before = down + ((down @ o1) * d1) @ i1
    second = behind.T @ behind + (inner.T * (-2 * t2 * d2 * back2)) @ inner
    middle = dc[:, None] * second * dc + jnp.diag(-2 * code * dc * back)
    across = (behind * dc) @ before
    whole = before.T @ (middle @ before) + (i1.T * (-2 * t1 * d1 * back1)) @ i1 - across - across.T
    upper = jnp.arange(len(x))[:, None] <= jnp.arange(len(x))
    return ((jnp.where(upper, whole, whole.T) + jnp.eye(len(x)),),)


def log_sum_exp(x: Array, w: Array) -> tuple[Blocks]:
    """The Hessian: a product with weights, less one of rank one."""
    p = jax.nn.softmax(w @ x)
    slope = w.T @ p
    return (((w.T * p) @ w - slope[:, None] * slope,),)


BY_HAND: dict[str, Callable[..., Tree]] = {
    "mlp": mlp,
    "tanh-layers": tanh_layers,
    "bottleneck": bottleneck,
    "encoder": encoder,
    "heart-dipole-vector": heart_dipole,
    "robot-arm-chain": robot_arm_chain,
    "membrane-readout": membrane_readout,
    "reduced-order": reduced_order,
    "bottleneck-loss": bottleneck_loss,
    "log-sum-exp": log_sum_exp,
}
"""By the name of the function in `bench.instances.functions`."""
