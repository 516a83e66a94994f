"""Vehicles and pendulums: how their states change, as functions of states and controls.

References
----------
R. Mahony, V. Kumar, P. Corke, "Multirotor aerial vehicles", IEEE Robotics & Automation Magazine 19(3), 2012: the
quadrotor, equations 1 to 4. H. B. Pacejka, *Tire and Vehicle Dynamics*, 3rd edition, 2012, section 1.3.2 (the bicycle)
and 4.3.1 (the magic formula). R. V. Florian, "Correct equations for the dynamics of the cart-pole system", 2007. The
chain of pendulums has springs between neighbours, and is driven by the acceleration of its cart.
"""

from __future__ import annotations

import jax.numpy as jnp

from bench.code.function import Vector

GRAVITY = 9.81


def quadrotor(x: Vector, u: Vector) -> Vector:
    """Position, velocity, attitude as a quaternion, spin; the thrusts of four rotors."""
    v, (q0, q1, q2, q3), w = x[3:6], x[6:10], x[10:13]
    mass, reach, drag = 1.2, 0.2, 0.016
    up = jnp.stack([2 * (q1 * q3 + q0 * q2), 2 * (q2 * q3 - q0 * q1), q0**2 - q1**2 - q2**2 + q3**2])
    speed = jnp.sqrt(v @ v + 1e-6)
    pull = up * jnp.sum(u) / mass - jnp.array([0.0, 0.0, GRAVITY]) - 0.1 * speed * v
    turn = 0.5 * jnp.stack(
        [
            -q1 * w[0] - q2 * w[1] - q3 * w[2],
            q0 * w[0] + q2 * w[2] - q3 * w[1],
            q0 * w[1] - q1 * w[2] + q3 * w[0],
            q0 * w[2] + q1 * w[1] - q2 * w[0],
        ]
    )
    inertia = jnp.array([0.01, 0.012, 0.02])
    moment = jnp.stack([reach * (u[1] - u[3]), reach * (u[2] - u[0]), drag * (u[0] - u[1] + u[2] - u[3])])
    spun = (moment - jnp.cross(w, inertia * w)) / inertia
    return jnp.concatenate([v, pull, turn, spun])


def bicycle(x: Vector, u: Vector) -> Vector:
    """Position, heading, velocity along and across, yaw rate, speed of the rear wheel; steering and torque."""
    heading, vx, vy, yaw, wheel, steer, torque = x[2], x[3], x[4], x[5], x[6], u[0], u[1]
    mass, inertia, front, rear, radius = 1500.0, 2500.0, 1.2, 1.4, 0.3
    slip_front = steer - jnp.arctan((vy + front * yaw) / vx)
    slip_rear = -jnp.arctan((vy - rear * yaw) / vx)
    slip_along = (radius * wheel - vx) / vx
    side_front = _magic_formula(slip_front, 10.0, 1.3, 6000.0, 0.5)
    slip = jnp.sqrt(slip_along**2 + slip_rear**2 + 1e-6)
    grip = _magic_formula(slip, 11.0, 1.5, 6500.0, 0.4)
    along, side_rear = grip * slip_along / slip, grip * slip_rear / slip
    return jnp.stack(
        [
            vx * jnp.cos(heading) - vy * jnp.sin(heading),
            vx * jnp.sin(heading) + vy * jnp.cos(heading),
            yaw,
            (along - side_front * jnp.sin(steer) - 0.4 * vx**2) / mass + vy * yaw,
            (side_rear + side_front * jnp.cos(steer)) / mass - vx * yaw,
            (front * side_front * jnp.cos(steer) - rear * side_rear) / inertia,
            (torque - radius * along) / 1.2,
        ]
    )


def _magic_formula(slip: Vector, b: float, c: float, d: float, e: float) -> Vector:
    """The force of a tyre, by its stiffness, shape, peak and curvature."""
    return d * jnp.sin(c * jnp.arctan(b * slip - e * (b * slip - jnp.arctan(b * slip))))


def cart_pole(x: Vector, u: Vector) -> Vector:
    """Position, angle and their rates; the force on the cart."""
    v, spin, cart, pole, length = x[2], x[3], 1.0, 0.1, 0.5
    s, c = jnp.sin(x[1]), jnp.cos(x[1])
    below = cart + pole * s**2
    pull = (u[0] + pole * s * (length * spin**2 + GRAVITY * c)) / below
    turn = (-u[0] * c - pole * length * spin**2 * c * s - (cart + pole) * GRAVITY * s) / (length * below)
    return jnp.stack([v, spin, pull, turn])


def pendulums(x: Vector, u: Vector) -> Vector:
    """Position of the cart, five angles, velocity, five rates; the force on the cart."""
    angle, v, spin = x[1:6], x[6], x[7:12]
    s = jnp.sin(angle)
    spring = 5 * jnp.sin(jnp.diff(angle))
    pulls = u[0] - 0.1 * v + jnp.concatenate([jnp.zeros(1), jnp.cumsum(0.1 * spin**2 * s)])
    between = jnp.concatenate([spring, jnp.zeros(1)]) - jnp.concatenate([jnp.zeros(1), spring])
    turn = -GRAVITY * s - jnp.cos(angle) * pulls[:5] + between - 0.05 * spin
    return jnp.concatenate([v[None], spin, pulls[5:], turn])
