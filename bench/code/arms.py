"""Arms of robots: their poses, and the torques of a motion.

References
----------
B. Siciliano, L. Sciavicco, L. Villani, G. Oriolo, *Robotics: Modelling, Planning and Control*, Springer 2009, section
2.8.2: frames of a link by the convention of Denavit and Hartenberg; section 7.5.2: the recursion of Newton and Euler.
"""

from __future__ import annotations

from math import cos, pi, sin
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from bench.code.function import CodeFunction, Vector, function

BOOK = "Siciliano et al. 2009"
GRAVITY = 9.81


class Link(NamedTuple):
    """The length, twist and offset of a link, and where its frame stands after its joint has turned by an angle."""

    length: float
    twist: float
    offset: float

    def frame(self, angle: Vector) -> tuple[Vector, Vector]:
        """The rotation, 3 x 3, and the position in the frame before."""
        c, s = jnp.cos(angle), jnp.sin(angle)
        ct, st = self.twist_cos_sin()
        rotation = jnp.stack(
            [jnp.stack([c, -s * ct, s * st]), jnp.stack([s, c * ct, -c * st]), jnp.array([0.0, st, ct])]
        )
        return rotation, jnp.stack([self.length * c, self.length * s, jnp.asarray(self.offset)])

    def twist_cos_sin(self) -> tuple[float, float]:
        """The cosine and the sine of the twist, exactly 0 and ±1 at multiples of a right angle."""
        return round(cos(self.twist), 15), round(sin(self.twist), 15)


ARMS = {
    3: (Link(0, pi / 2, 0.3), Link(0.5, 0, 0), Link(0.4, 0, 0)),
    6: (
        Link(0, pi / 2, 0.089),
        Link(-0.425, 0, 0),
        Link(-0.392, 0, 0),
        Link(0, pi / 2, 0.109),
        Link(0, -pi / 2, 0.0947),
        Link(0, 0, 0.0823),
    ),
    7: (
        Link(0, -pi / 2, 0.34),
        Link(0, pi / 2, 0),
        Link(0, pi / 2, 0.4),
        Link(0, -pi / 2, 0),
        Link(0, -pi / 2, 0.4),
        Link(0, pi / 2, 0),
        Link(0, 0, 0.126),
    ),
}
"""Arms by their number of joints; six and seven are of the shape of common industrial ones."""
TOOL = np.array([0.05, 0.02, 0.1])
"""A point in the frame of each link, in metres."""


def pose(joints: int) -> CodeFunction:
    """The position of an arm's end, and the first two columns of its rotation."""

    def call(q: Vector) -> Vector:
        rotation, position = jnp.eye(3), jnp.zeros(3)
        for k, link in enumerate(ARMS[joints]):
            turned, moved = link.frame(q[k])
            rotation, position = rotation @ turned, position + rotation @ moved
        return jnp.concatenate([position, rotation[:, 0], rotation[:, 1]])

    return function(f"pose{joints}", f"{BOOK}, 2.8.2", joints, call)


def points(joints: int) -> CodeFunction:
    """A point on each link."""

    def call(q: Vector) -> Vector:
        rotation, position, found = jnp.eye(3), jnp.zeros(3), []
        for k, link in enumerate(ARMS[joints]):
            turned, moved = link.frame(q[k])
            rotation, position = rotation @ turned, position + rotation @ moved
            found.append(position + rotation @ TOOL)
        return jnp.concatenate(found)

    return function(f"points{joints}", f"{BOOK}, 2.8.2", joints, call)


def torques(joints: int) -> CodeFunction:
    """The torques at the joints, by angles, speeds and accelerations."""

    def call(x: Vector) -> Vector:
        links, axis = ARMS[joints], np.array([0.0, 0.0, 1.0])
        frames = [link.frame(x[k])[0] for k, link in enumerate(links)]
        spin, spun, pull = jnp.zeros(3), jnp.zeros(3), jnp.array([0.0, 0.0, GRAVITY])
        forces, moments, arms, centres = [], [], [], []
        for k, (link, rotation) in enumerate(zip(links, frames, strict=True)):
            ct, st = link.twist_cos_sin()
            arm = np.array([link.length, link.offset * st, link.offset * ct])
            centre, inertia = _centre(k, link), np.array([0.02 + 0.001 * k, 0.03, 0.015 + 0.002 * k])
            turn = axis * x[joints + k]
            spun = rotation.T @ (spun + axis * x[2 * joints + k] + jnp.cross(spin, turn))
            spin = rotation.T @ (spin + turn)
            pull = jnp.cross(spun, arm) + jnp.cross(spin, jnp.cross(spin, arm)) + rotation.T @ pull
            at_centre = jnp.cross(spun, centre) + jnp.cross(spin, jnp.cross(spin, centre)) + pull
            forces.append((3.0 - 0.3 * k) * at_centre)
            moments.append(inertia * spun + jnp.cross(spin, inertia * spin))
            arms.append(arm)
            centres.append(centre)
        force, moment, torque = jnp.zeros(3), jnp.zeros(3), []
        for k in reversed(range(joints)):
            onward = frames[k + 1] if k + 1 < joints else jnp.eye(3)
            carried, own = onward @ force, forces[k]
            moment = onward @ moment + jnp.cross(arms[k], carried) + jnp.cross(arms[k] + centres[k], own) + moments[k]
            force = carried + own
            torque.append(frames[k][2] @ moment)
        return jnp.stack(torque[::-1])

    return function(f"torques{joints}", f"{BOOK}, 7.5.2", 3 * joints, call)


def _centre(k: int, link: Link) -> np.ndarray:
    """The centre of mass of a link in its own frame, in metres."""
    return np.array([-0.5 * link.length - 0.01 * (k + 1), 0.02, 0.03 * (k % 3)])
