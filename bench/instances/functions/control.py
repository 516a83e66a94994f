"""Optimal control: states by inputs over many steps, in shooting intervals side by side and in rollouts by `scan`."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Function, drawn

Rate = Callable[[Array, Array], Array]


def cart_pole(x: Array, u: Array) -> Array:
    """A pole on a cart that is pushed: place, angle and their rates. Barto, Sutton and Anderson 1983."""
    _, angle, v, w = x
    s, c = jnp.sin(angle), jnp.cos(angle)
    d = 1 + 0.2 * s * s
    push = u[0] + 0.2 * s * (w * w + 9.81 * c)
    return jnp.stack([v, w, push / d, (-u[0] * c - 0.2 * w * w * s * c - 1.2 * 9.81 * s) / d])


def quadrotor(x: Array, u: Array) -> Array:
    """A quadrotor: place, Euler angles, velocity and angular velocity; thrust and three torques. Beard 2008."""
    (roll, pitch, yaw), velocity, (p, q, r) = x[3:6], x[6:9], x[9:]
    sr, cr, sp, cp, sy, cy = (f(a) for a in (roll, pitch, yaw) for f in (jnp.sin, jnp.cos))
    up = jnp.stack([cr * sp * cy + sr * sy, cr * sp * sy - sr * cy, cr * cp])
    turn = jnp.stack([p + (q * sr + r * cr) * sp / cp, q * cr - r * sr, (q * sr + r * cr) / cp])
    spin = jnp.stack([-0.5 * q * r + u[1], 0.5 * p * r + u[2], u[3]])
    return jnp.concatenate([velocity, turn, (9.81 + u[0]) * up - jnp.array([0.0, 0.0, 9.81]), spin])


def rk4(rate: Rate, x: Array, u: Array, h: float = 0.02) -> Array:
    """One step of the classical method of order four at a constant input. Hairer et al., section II.1, table 1.2."""
    k1 = rate(x, u)
    k2 = rate(x + h / 2 * k1, u)
    k3 = rate(x + h / 2 * k2, u)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + rate(x + h * k3, u))


def shooting(intervals: int) -> Callable[[Array], Array]:
    """Multiple shooting of a cart with a pole: the gaps between intervals by all states and inputs. Bock 1984."""

    def gaps(z: Array) -> Array:
        """How far each interval ends from where the next one begins."""
        x, u = z[: 4 * (intervals + 1)].reshape(-1, 4), z[4 * (intervals + 1) :].reshape(intervals, 1)
        return (x[1:] - jax.vmap(lambda x, u: rk4(cart_pole, x, u))(x[:-1], u)).ravel()

    return gaps


def penalised_shooting(intervals: int) -> Callable[[Array], Array]:
    """The same with a cost: squares of states, of inputs and of gaps."""
    gaps = shooting(intervals)

    def cost(z: Array) -> Array:
        """Quadratic cost and penalty."""
        return 0.5 * jnp.sum(z * z) + 50.0 * jnp.sum(gaps(z) ** 2)

    return cost


def all_states(rate: Rate) -> Callable[[Array, Array], Array]:
    """A rollout from a start by the inputs of all steps."""

    def states(start: Array, inputs: Array) -> Array:
        """The state after every step."""

        def step(x: Array, u: Array) -> tuple[Array, Array]:
            after = rk4(rate, x, u)
            return after, after

        found: Array = jax.lax.scan(step, start, inputs)[1]
        return found

    return states


def final_state(rate: Rate) -> Callable[[Array, Array], Array]:
    """A rollout from a start by the inputs of all steps."""

    def end(start: Array, inputs: Array) -> Array:
        """The state after the last step."""
        found: Array = jax.lax.scan(lambda x, u: (rk4(rate, x, u), None), start, inputs)[0]
        return found

    return end


def feedback_cost(rate: Rate) -> Callable[[Array, Array, Array], Array]:
    """A rollout under linear feedback, whose gains are the parameters."""

    def cost(start: Array, gains: Array, pushes: Array) -> Array:
        """The sum of the squares of states and inputs over all steps."""

        def step(carry: tuple[Array, Array], push: Array) -> tuple[tuple[Array, Array], None]:
            x, total = carry
            u = push - gains @ x
            return (rk4(rate, x, u), total + x @ x + 0.1 * (u @ u)), None

        return jax.lax.scan(step, (start, jnp.zeros(())), pushes)[0][1]

    return cost


_BOCK = "H. G. Bock and K. J. Plitt, A Multiple Shooting Algorithm, IFAC World Congress 1984"
MULTIPLE_SHOOTING = Function(
    "multiple-shooting",
    shooting(80),
    (drawn("multiple-shooting", 404),),
    (0,),
    _BOCK,
    "320 x 404: gaps of 80 intervals by states and inputs",
    group="real",
)
_Z = drawn("shooting", 254)
SHOOTING_COST = (
    Function("shooting-cost", penalised_shooting(50), (_Z,), (0,), _BOCK, "1 x 254: 50 intervals", "hessian", (1,)),
    Function(
        "shooting-cost-sparse",
        penalised_shooting(50),
        (_Z,),
        (0,),
        _BOCK,
        "1 x 254: 50 intervals",
        "sparse hessian",
        (1,),
    ),
)

_RATES: dict[str, tuple[Rate, int, int, str]] = {
    "cart-pole": (cart_pole, 4, 1, "A. G. Barto, R. S. Sutton and C. W. Anderson, IEEE SMC-13 (1983) 834-846"),
    "quadrotor": (quadrotor, 12, 4, "R. W. Beard, Quadrotor Dynamics and Control, Brigham Young University (2008)"),
}


def _rollouts(name: str, steps: int) -> tuple[Function, ...]:
    rate, n, m, source = _RATES[name]
    start, inputs = drawn(f"{name}/start", n, scale=0.2), drawn(f"{name}/inputs", steps, m, scale=0.5)
    gains, long = drawn(f"{name}/gains", m, n, scale=0.1), f"{name}, {steps} steps"
    return (
        Function(
            f"{name}-{steps}-states",
            all_states(rate),
            (start, inputs),
            (1,),
            source,
            f"{steps * n} x {steps * m}: all states of {long}, by all inputs",
            batches=(1,),
            group="all states",
        ),
        Function(
            f"{name}-{steps}-final",
            final_state(rate),
            (start, inputs),
            (1,),
            source,
            f"{n} x {steps * m}: the final state of {long}, by all inputs",
            batches=(1,),
            group="rollouts",
        ),
        Function(
            f"{name}-{steps}-cost",
            feedback_cost(rate),
            (start, gains, np.asarray(inputs)),
            (1,),
            source,
            f"1 x {n * m}: the cost of {long}, by gains of a feedback",
            batches=(1,),
            group="rollouts",
        ),
    )


ROLLOUTS = tuple(one for steps in (50, 200) for name in _RATES for one in _rollouts(name, steps))
"""By 50 and 200 steps: all states, the final state, a cost."""
