"""Residuals of least squares whose observations each see two of many unknowns: a pose graph, a bundle adjustment."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.instances.functions.function import Function, drawn


def relative_pose(p: Array, q: Array) -> Array:
    """The pose q as the pose p sees it: forward, left, turn. Grisetti et al. 2010, equation 30, in the plane."""
    c, s, d = jnp.cos(p[2]), jnp.sin(p[2]), q - p
    return jnp.stack([c * d[0] + s * d[1], -s * d[0] + c * d[1], d[2]])


def pose_graph(n: int, loops: int) -> Callable[[Array], Array]:
    """A path of n poses, and pairs of poses that see each other again."""
    draw = Random("pose-graph").randrange
    i = np.array([*range(n - 1), *(draw(n) for _ in range(loops))])
    j = np.array([*range(1, n), *(draw(n) for _ in range(loops))])

    def residuals(poses: Array) -> Array:
        """All relative poses, one behind the other."""
        p = poses.reshape(n, 3)
        return jax.vmap(relative_pose)(p[i], p[j]).ravel()

    return residuals


def projection(camera: Array, point: Array) -> Array:
    """Where a camera of nine numbers sees a point: Rodrigues' rotation, shift, focal length and two distortions.

    The model of the data sets Bundle Adjustment in the Large (Agarwal et al. 2010, section 4).
    """
    w = camera[:3]
    angle = jnp.sqrt(w @ w + 1e-12)
    k, c, s = w / angle, jnp.cos(angle), jnp.sin(angle)
    seen = point * c + jnp.cross(k, point) * s + k * (k @ point) * (1 - c) + camera[3:6]
    q = -seen[:2] / seen[2]
    r2 = q @ q
    return camera[6] * (1 + camera[7] * r2 + camera[8] * r2 * r2) * q


def bundle_adjustment(cameras: int, points: int, observations: int) -> Callable[[Array], Array]:
    """Observations of points by cameras, drawn at random."""
    draw = Random("bundle-adjustment").randrange
    camera = np.array([draw(cameras) for _ in range(observations)])
    point = np.array([draw(points) for _ in range(observations)])

    def projections(unknowns: Array) -> Array:
        """Where each observation is seen."""
        every = unknowns[: 9 * cameras].reshape(cameras, 9)
        where = unknowns[9 * cameras :].reshape(points, 3)
        return jax.vmap(projection)(every[camera], where[point]).ravel()

    return projections


POSE_GRAPH = Function(
    "pose-graph",
    pose_graph(100, 30),
    (drawn("pose-graph/poses", 300),),
    (0,),
    "G. Grisetti et al., A Tutorial on Graph-Based SLAM, IEEE ITS Magazine 2(4) (2010) 31-43",
    "387 x 300: 129 relative poses in the plane of 100 poses",
    group="real",
)
BUNDLE_ADJUSTMENT = Function(
    "bundle-adjustment",
    bundle_adjustment(10, 50, 200),
    (np.concatenate([1 + drawn("bundle/cameras", 90, scale=0.5), 3.5 + drawn("bundle/points", 150, scale=0.5)]),),
    (0,),
    "S. Agarwal et al., Bundle Adjustment in the Large, ECCV 2010, section 4",
    "400 x 240: 200 projections of 50 points by 10 cameras",
    group="real",
)
