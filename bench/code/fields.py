"""Fluxes, reactions, orbits and cameras.

References
----------
E. F. Toro, *Riemann Solvers and Numerical Methods for Fluid Dynamics*, 3rd edition, 2009, section 11.2.2 (the flux of
Roe). H. H. Robertson, "The solution of a set of reaction rate equations", 1966. W. C. Gardiner, *Gas-Phase Combustion
Chemistry*, 2000, section 1.2 (rates by the modified law of Arrhenius). D. A. Vallado, *Fundamentals of Astrodynamics
and Applications*, 4th edition, 2013, section 8.6.1 (J2). S. Agarwal et al., "Bundle adjustment in the large", ECCV
2010, section 5 (the camera). T. D. Barfoot, *State Estimation for Robotics*, 2017, section 7.1.3 (SE(3)).
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from bench.code.function import Vector

HEAT_RATIO = 1.4


def roe_flux(states: Vector) -> Vector:
    """The flux between two states (density, momentum, energy) of a gas in a plane."""
    left, right = states[:4], states[4:]
    (rl, ul, vl, pl, hl), (rr, ur, vr, pr, hr) = _primitive(left), _primitive(right)
    sl, sr = jnp.sqrt(rl), jnp.sqrt(rr)
    u, v, h = (sl * ul + sr * ur) / (sl + sr), (sl * vl + sr * vr) / (sl + sr), (sl * hl + sr * hr) / (sl + sr)
    rho, square = sl * sr, u**2 + v**2
    a = jnp.sqrt((HEAT_RATIO - 1) * (h - 0.5 * square))
    dp, du, dv, dr = pr - pl, ur - ul, vr - vl, rr - rl
    slow = jnp.abs(u - a) * (dp - rho * a * du) / (2 * a**2)
    still = jnp.abs(u) * (dr - dp / a**2)
    fast = jnp.abs(u + a) * (dp + rho * a * du) / (2 * a**2)
    shear = jnp.abs(u) * rho * dv
    jump = (
        slow * jnp.stack([jnp.ones_like(u), u - a, v, h - u * a])
        + still * jnp.stack([jnp.ones_like(u), u, v, 0.5 * square])
        + fast * jnp.stack([jnp.ones_like(u), u + a, v, h + u * a])
        + shear * jnp.stack([jnp.zeros_like(u), jnp.zeros_like(u), jnp.ones_like(u), v])
    )
    both = jnp.stack([rl * ul, rl * ul**2 + pl, rl * ul * vl, rl * ul * hl])
    both += jnp.stack([rr * ur, rr * ur**2 + pr, rr * ur * vr, rr * ur * hr])
    return 0.5 * (both - jump)


def _primitive(w: Vector) -> tuple[Vector, ...]:
    """Density, velocity, pressure and enthalpy of a state."""
    u, v = w[1] / w[0], w[2] / w[0]
    p = (HEAT_RATIO - 1) * (w[3] - 0.5 * w[0] * (u**2 + v**2))
    return w[0], u, v, p, (w[3] + p) / w[0]


def robertson(x: Vector, u: Vector) -> Vector:
    """Three species whose reactions differ by orders of magnitude in speed, slowed so that a step of 0.02 is stable."""
    first, second, third = 0.04 * x[0], 10.0 * x[1] * x[2], 300.0 * x[1] ** 2
    return jnp.stack([second - first, first - second - third, third])


def kinetics(species: int, seed: int = 1) -> Callable[[Vector, Vector], Vector]:
    """Return the rates of species and of the temperature, of twice as many random reactions of two with two."""
    draw = np.random.default_rng(seed)
    count = 2 * species
    takers = np.array([draw.choice(species, 4, replace=False) for _ in range(count)])
    change = np.zeros((species, count))
    for k, (a, b, c, d) in enumerate(takers):
        change[[a, b], k], change[[c, d], k] = -1.0, 1.0
    scale, power, energy = draw.uniform(-1, 1, count), draw.uniform(0, 0.5, count), draw.uniform(0.1, 1, count)
    heat = 0.1 * (np.arange(count) % 5 - 2.0)

    def rate(x: Vector, u: Vector) -> Vector:
        amounts, t = x[:species], x[species]
        there = jnp.exp(scale + power * jnp.log(t) - energy / t)
        back = jnp.exp(0.7 * scale + 0.5 * power * jnp.log(t) - 1.3 * energy / t)
        a, b, c, d = (amounts[takers[:, k]] for k in range(4))
        speed = there * a * b - back * c * d
        return jnp.concatenate([change @ speed, (heat @ speed)[None]])

    return rate


def oblate_orbit(x: Vector, u: Vector) -> Vector:
    """Position and velocity about an oblate body; a thrust."""
    r, mu, j2, radius = x[:3], 1.0, 1.08e-3, 0.9
    square = r @ r
    distance = jnp.sqrt(square)
    level = 5 * r[2] ** 2 / square
    k = 1.5 * j2 * mu * radius**2 / distance**5
    pull = r * (-mu / distance**3 + k * (level - np.array([1.0, 1.0, 3.0])))
    return jnp.concatenate([x[3:], pull + u])


def reprojection(x: Vector) -> Vector:
    """Where a camera (rotation, translation, focal length, two distortions) sees a point."""
    w, p = x[:3], x[9:12]
    a, b, _ = _rotation_terms(w)
    wp = jnp.cross(w, p)
    seen = p + a * wp + b * jnp.cross(w, wp) + x[3:6]
    flat = -seen[:2] / seen[2]
    square = flat @ flat
    return x[6] * (1 + square * (x[7] + x[8] * square)) * flat


def se3_exp(x: Vector) -> Vector:
    """The rotation and the translation of a twist."""
    a, b, c = _rotation_terms(x[:3])
    k = _cross_matrix(x[:3])
    k2 = k @ k
    rotation, through = jnp.eye(3) + a * k + b * k2, jnp.eye(3) + b * k + c * k2
    return jnp.concatenate([rotation.T.ravel(), through @ x[3:]])


def se3_between(x: Vector) -> Vector:
    """How two poses differ from what was measured between them, as a vector of rotation and a translation."""
    first, second = _rotation(x[:3]), _rotation(x[6:9])
    measured, moved = np.asarray(_numpy_rotation(np.array([0.1, -0.2, 0.3]))), np.array([1.0, 0.5, -0.2])
    rotation = measured.T @ (first.T @ second)
    translation = measured.T @ (first.T @ (x[9:12] - x[3:6]) - moved)
    c = (jnp.trace(rotation) - 1) / 2
    scale = jnp.arccos(c) / (2 * jnp.sqrt(1 - c**2))
    skew = rotation - rotation.T
    return jnp.concatenate([scale * jnp.stack([skew[2, 1], skew[0, 2], skew[1, 0]]), translation])


def _rotation_terms(w: Vector) -> tuple[Vector, Vector, Vector]:
    """sin t / t, (1 - cos t) / t², (t - sin t) / t³ of the angle t."""
    square = w @ w + 1e-12
    t = jnp.sqrt(square)
    a = jnp.sin(t) / t
    return a, (1 - jnp.cos(t)) / square, (1 - a) / square


def _cross_matrix(w: Vector) -> Vector:
    zero = jnp.zeros_like(w[0])
    return jnp.stack([jnp.stack([zero, -w[2], w[1]]), jnp.stack([w[2], zero, -w[0]]), jnp.stack([-w[1], w[0], zero])])


def _rotation(w: Vector) -> Vector:
    a, b, _ = _rotation_terms(w)
    k = _cross_matrix(w)
    return jnp.eye(3) + a * k + b * (k @ k)


def _numpy_rotation(w: np.ndarray) -> np.ndarray:
    t = float(np.sqrt(w @ w))
    k = np.array([[0.0, -w[2], w[1]], [w[2], 0.0, -w[0]], [-w[1], w[0], 0.0]])
    turned: np.ndarray = np.eye(3) + np.sin(t) / t * k + (1 - np.cos(t)) / t**2 * (k @ k)
    return turned
