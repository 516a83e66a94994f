"""A six-joint robot arm: where its hand is and how it is turned, from the angles of its joints.

Twice the same arm: in scalars, as a controller computes it, and as the product of six 4 x 4 matrices of Denavit and
Hartenberg, as a library does. The arm is the PUMA 560 with the lengths of Paul and Zhang, in centimetres.
"""

from __future__ import annotations

from functools import reduce

import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Function, scalars

A2, A3, D3, D4 = 43.18, 1.91, 12.54, 43.18
"""Lengths of the links and offsets along the joints that are not zero."""
LINKS = ((0.0, 0.0, 1), (A2, 0.0, 0), (A3, D3, -1), (0.0, D4, 1), (0.0, 0.0, -1), (0.0, 0.0, 0))
"""By joint: length a, offset d and twist alpha in right angles."""


def robot_arm(
    t1: Array, t2: Array, t3: Array, t4: Array, t5: Array, t6: Array
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Position x, y, z of the hand and its Euler angles about z, y and z.

    Paul and Zhang: the wrist first, then the arm; the angles of the second and the third joint only as their sum.
    Euler angles: Craig, section 2.8.
    """
    s1, s2, s4, s5, s6 = (jnp.sin(t) for t in (t1, t2, t4, t5, t6))
    c1, c2, c4, c5, c6 = (jnp.cos(t) for t in (t1, t2, t4, t5, t6))
    s23, c23 = jnp.sin(t2 + t3), jnp.cos(t2 + t3)
    reach, height = A2 * c2 + A3 * c23 - D4 * s23, A2 * s2 + A3 * s23 + D4 * c23
    side, turn = s4 * s5, c4 * s5
    forward = -(s23 * c5 + c23 * turn)
    ax, ay, az = c1 * forward + s1 * side, s1 * forward - c1 * side, c23 * c5 - s23 * turn
    tilt = s23 * c4 * c5 + c23 * s5
    nz, oz = tilt * c6 - s23 * s4 * s6, -tilt * s6 - s23 * s4 * c6
    return (
        *(c1 * reach + s1 * D3, s1 * reach - c1 * D3, height),
        *(jnp.arctan2(ay, ax), jnp.arctan2(jnp.sqrt(1.0 - az * az), az), jnp.arctan2(oz, -nz)),
    )


def link(angle: Array, length: float, offset: float, twist: int) -> Array:
    """From a joint's frame to the next: 4 x 4, for a twist of -1, 0 or 1 right angles. Denavit and Hartenberg 1955."""
    c, s, ca, sa = jnp.cos(angle), jnp.sin(angle), float(twist == 0), float(twist)
    along = jnp.stack([c, s, 0.0 * c, 0.0 * c])
    across = jnp.stack([-s, c, 0.0 * c, 0.0 * c])
    up = jnp.array([0.0, 0.0, 1.0, 0.0])
    origin = length * along + jnp.array([0.0, 0.0, offset, 1.0])
    return jnp.stack([along, ca * across + sa * up, ca * up - sa * across, origin], axis=1)


def robot_arm_chain(angles: Array) -> Array:
    """Position and turn of the hand as the upper 3 x 4 of a product of six matrices."""
    return reduce(jnp.matmul, [link(angles[i], *LINKS[i]) for i in range(6)])[:3]


SEVEN_JOINTS = ((-1, 0.34), (1, 0.0), (1, 0.4), (-1, 0.0), (-1, 0.4), (1, 0.0), (0, 0.126))
"""By joint of a light arm: twist in right angles, offset along the joint in metres."""


def arm_frames(angles: Array) -> Array:
    """Where each joint of a seven-joint arm is, 3 numbers each, frame after frame. Denavit and Hartenberg 1955."""
    frame, places = jnp.eye(4), []
    for i, (twist, offset) in enumerate(SEVEN_JOINTS):
        c, s = jnp.cos(angles[i]), jnp.sin(angles[i])
        ca, sa = float(twist == 0), float(twist)
        rows = [[c, -s * ca, s * sa, 0.0], [s, c * ca, -c * sa, 0.0], [0.0, sa, ca, offset], [0.0, 0.0, 0.0, 1.0]]
        frame = frame @ jnp.array(rows)
        places.append(frame[:3, 3])
    return jnp.concatenate(places)


SOURCE = "R. P. Paul and H. Zhang, Int. J. Robotics Research 5(2) (1986) 32-44; Denavit and Hartenberg 1955"
ANGLES = (0.3, -0.6, 0.4, 0.7, 0.9, -0.5)

ROBOT_ARM = Function(
    "robot-arm",
    robot_arm,
    scalars(*ANGLES),
    (0, 1, 2, 3, 4, 5),
    SOURCE + "; J. J. Craig, Introduction to Robotics, section 2.8 (Euler angles)",
    "6 x 6: position and three Euler angles of six joint angles, all of them scalars",
)
ROBOT_ARM_CHAIN = Function(
    "robot-arm-chain",
    robot_arm_chain,
    (np.array(ANGLES),),
    (0,),
    SOURCE,
    "12 x 6: the hand's 3 x 4 frame of six joint angles",
)
ARM_FRAMES = Function(
    "arm-frames",
    arm_frames,
    (np.array([0.3, -0.6, 0.4, 0.7, 0.9, -0.5, 0.2]),),
    (0,),
    "C. Gaz, F. Flacco and A. De Luca, ICRA 2014 (the arm); J. Denavit and R. S. Hartenberg 1955",
    "21 x 7: places of seven joints by their angles",
    group="real",
)
