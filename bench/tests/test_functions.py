"""The benchmark functions in JAX: both orders and differences agree, and each is the function that was published."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from scipy.optimize import root
from scipy.stats import norm

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

from bench.instances.functions import FUNCTIONS, Function, minpack
from bench.instances.functions import finance as money
from bench.instances.functions import roe as gas
from bench.instances.functions.robot import A2, A3, D3, D4, robot_arm, robot_arm_chain
from bench.instances.functions.textbook import lighthouse
from bench.instances.functions.thermodynamics import helmholtz, potentials

pytestmark = pytest.mark.usefixtures("quickly_compiled")


@pytest.fixture(autouse=True, scope="module")
def _float64() -> Iterator[None]:
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def flat(tree: Any) -> np.ndarray:
    """All elements of all arrays, one behind the other."""
    return np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree_util.tree_leaves(tree)])


def matrix(function: Function, transform: Any) -> np.ndarray:
    """The whole Jacobian, m x n, from `jacfwd` or `jacrev`."""
    outputs = jax.tree_util.tree_leaves(function.call(*function.arguments))
    jacobian = jax.jit(transform(function.call, argnums=function.argnums))
    blocks = jax.tree_util.tree_leaves(jacobian(*function.arguments))
    wide = len(function.argnums)
    rows = [
        np.concatenate([np.asarray(b).reshape(y.size, -1) for b in blocks[i * wide : (i + 1) * wide]], 1)
        for i, y in enumerate(outputs)
    ]
    return np.concatenate(rows)


def differences(function: Function) -> np.ndarray:
    """The Jacobian by central differences of order four."""
    call, columns = jax.jit(function.call), []
    for i in function.argnums:
        for index in np.ndindex(function.arguments[i].shape):
            step = 1e-3 * max(1e-2, abs(float(function.arguments[i][index])))

            def moved(times: int, i: int = i, index: Any = index, step: float = step) -> np.ndarray:
                arguments = [argument.copy() for argument in function.arguments]
                arguments[i][index] += times * step
                return flat(call(*arguments))

            columns.append((8.0 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12.0 * step))
    return np.stack(columns, axis=1)


def close(found: Any, expected: Any, tolerance: float = 1e-12) -> bool:
    """Norm-wise: the largest difference over the largest element, or 1."""
    a, b = flat(found), flat(expected)
    return a.shape == b.shape and bool(np.max(np.abs(a - b)) <= tolerance * max(1.0, np.max(np.abs(b))))


def solved(function: Function, method: Literal["hybr", "lm"]) -> Any:
    """Where the outputs vanish, from the function's own arguments."""

    def residual(x: Any) -> np.ndarray:
        return flat(function.call(*x))

    return root(residual, flat(function.arguments), method=method, tol=1e-15).x


LONG = [
    name for name in FUNCTIONS if "-200-" in name or (name.startswith("quadrotor") and name != "quadrotor-50-final")
]
SMALL = [
    name
    for name, one in FUNCTIONS.items()
    if one.m * one.n <= 130_000 and name not in LONG and one.task != "gauss-newton"
]
"""Those whose whole Jacobian is quickly made by differences, each once."""


class TestEvery:
    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_is_described(self, name: str) -> None:
        function = FUNCTIONS[name]
        assert (function.name, function.call.__doc__ is None) == (name, False)
        assert all(argument.dtype == np.float64 for argument in function.arguments)
        values = flat(function.call(*function.arguments))
        assert np.isfinite(values).all()
        assert function.sizes.startswith(f"{values.size} x {function.n}: ")
        assert function.m == values.size

    @pytest.mark.parametrize(
        "name", [n if i % 3 == 0 else pytest.param(n, marks=pytest.mark.nightly) for i, n in enumerate(SMALL)]
    )
    def test_forward_and_reverse_and_differences_agree(self, name: str) -> None:
        function = FUNCTIONS[name]
        forward, reverse = matrix(function, jax.jacfwd), matrix(function, jax.jacrev)
        assert forward.shape == (function.m, function.n)
        assert np.isfinite(forward).all()
        largest = np.max(np.abs(forward))
        assert np.max(np.abs(forward - reverse)) <= 1e-12 * largest
        assert np.max(np.abs(forward - differences(function))) <= 1e-6 * largest


class TestLargeOnes:
    def test_the_same_equations_on_small_grids(self) -> None:
        """At states without kinks."""
        for name, shape in {
            "burgers": (12,),
            "brusselator-1e3": (2, 4, 4),
            "burgers-limited": (12,),
            "battery": (12,),
        }.items():
            state = 1 + 0.4 * np.sin(2.0 * np.arange(math.prod(shape)) ** 1.5).reshape(shape)
            size = math.prod(shape)
            small = replace(FUNCTIONS[name], arguments=(state,), sizes=f"{size} x {size}: small")
            found = matrix(small, jax.jacfwd)
            assert np.max(np.abs(found - differences(small))) <= 1e-6 * np.max(np.abs(found))

    def test_limited_fluxes_conserve(self) -> None:
        u = FUNCTIONS["burgers-limited"].arguments[0]
        rates = np.asarray(FUNCTIONS["burgers-limited"].call(u))
        assert abs(rates.sum()) <= 1e-12 * np.abs(rates).sum()

    def test_vectors_are_their_scalars(self) -> None:
        for name in ("heart-dipole", "propane-full"):
            scalars, vector = FUNCTIONS[name], FUNCTIONS[f"{name}-vector"]
            assert close(vector.call(*vector.arguments), scalars.call(*scalars.arguments))


class TestTextbook:
    def test_the_trace_that_the_book_prints(self) -> None:
        """2.0167, from intermediate values that are rounded to four digits."""
        assert abs(float(FUNCTIONS["baby"].call(1.5, 0.5)) - 2.0167) < 1e-4

    def test_the_beam_meets_the_quay(self) -> None:
        nu, gamma, omega, t = 1.2, 1.5, 0.4, 0.9
        y1, y2 = lighthouse(*(jnp.array(x) for x in (nu, gamma, omega, t)))
        assert close(y2, gamma * y1)
        assert close(y2, math.tan(omega * t) * (y1 + nu))


class TestRoe:
    LEFT = (1.0, np.array([0.75, 0.2, -0.1]), 2.80625)
    RIGHT = (0.125, np.array([0.0125, -0.02, 0.03]), 0.255825)

    def test_equal_states_have_the_physical_flux(self) -> None:
        assert close(gas.roe_1d(1.0, 0.75, 2.78, 1.0, 0.75, 2.78), gas.flux_1d(1.0, 0.75, 2.78))
        for state in (self.LEFT, self.RIGHT):
            assert close(gas.roe_3d(*state, *state), gas.flux_3d(*state))

    def test_supersonic_flow_takes_the_flux_upwind(self) -> None:
        """All waves go one way: the averaged matrix maps the jump of states to that of fluxes, Roe's property U."""
        left, right = (1.0, np.array([4.0, 0.5, -0.3]), 11.0), (0.7, np.array([2.6, -0.4, 0.2]), 7.0)
        assert close(gas.roe_3d(*left, *right), gas.flux_3d(*left))
        turn = np.array([-1.0, 1.0, 1.0])
        left, right = (left[0], left[1] * turn, left[2]), (right[0], right[1] * turn, right[2])
        assert close(gas.roe_3d(*left, *right), gas.flux_3d(*right))
        assert close(gas.roe_1d(1.0, 4.0, 11.0, 0.7, 2.6, 7.0), gas.flux_1d(1.0, 4.0, 11.0))

    def test_a_standing_shock_of_mach_2_stands(self) -> None:
        """Rankine and Hugoniot: density 8/3 and pressure 9/2 of those before it."""
        p, density = 1.0 / gas.GAMMA, 8.0 / 3.0
        before = (1.0, 2.0, p / 0.4 + 2.0)
        behind = (density, 2.0, 4.5 * p / 0.4 + 2.0 / density)
        assert close(gas.flux_1d(*before), gas.flux_1d(*behind))
        assert close(gas.roe_1d(*before, *behind), gas.flux_1d(*before))

    def test_a_standing_contact_with_shear_stands(self) -> None:
        left, right = (1.0, np.array([0.0, 0.3, -0.2]), 2.5 + 0.065), (0.4, np.array([0.0, -0.1, 0.2]), 2.5 + 0.0625)
        mass, push, power = gas.roe_3d(*left, *right)
        assert close((mass, push, power), (0.0, np.array([1.0, 0.0, 0.0]), 0.0))

    def test_without_shear_the_third_dimension_adds_nothing(self) -> None:
        arguments = FUNCTIONS["roe-1d"].arguments
        wide = [np.array([x, 0.0, 0.0]) if i in (1, 4) else x for i, x in enumerate(arguments)]
        mass, push, power = gas.roe_3d(*wide)
        assert close((mass, push[0], power), gas.roe_1d(*arguments))
        assert close(push[1:], np.zeros(2))


class TestRobot:
    def test_at_zero_angles(self) -> None:
        position = robot_arm(*[jnp.array(0.0)] * 6)[:3]
        assert close(position, (A2 + A3, -D3, D4))
        assert close(robot_arm_chain(jnp.zeros(6))[:, :3], np.eye(3))

    def test_at_the_pose_of_the_worked_example(self) -> None:
        """Angles 90, 90, -180, 90, 90, -90 degrees; the example prints the frame and two of the lengths."""
        angles = np.radians([90.0, 90.0, -180.0, 90.0, 90.0, -90.0])
        frame = [[0.0, 0.0, 1.0, 12.54], [0.0, 1.0, 0.0, 43.18], [-1.0, 0.0, 0.0, 43.18 - 1.91]]
        assert close(robot_arm_chain(angles), frame)
        assert close(robot_arm(*angles)[:3], (12.54, 43.18, 41.27))

    @pytest.mark.parametrize("seed", range(4))
    def test_scalars_are_the_product_of_matrices(self, seed: int) -> None:
        angles = np.random.default_rng(seed).uniform(-1.0, 1.0, 6)
        found, frame = robot_arm(*angles), np.asarray(robot_arm_chain(angles))
        assert close(found[:3], frame[:, 3])

        def about(axis: int, angle: Any) -> np.ndarray:
            c, s = math.cos(angle), math.sin(angle)
            if axis == 2:
                return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
            return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])

        assert close(about(2, found[3]) @ about(1, found[4]) @ about(2, found[5]), frame[:, :3])


class TestMinpack:
    def test_heart_dipole_is_made_of_complex_moments(self) -> None:
        a, b, c, d, t, u, v, w = x = np.random.default_rng(0).normal(size=8)
        moments = [(a + 1j * c) * (t + 1j * v) ** k + (b + 1j * d) * (u + 1j * w) ** k for k in range(4)]
        expected = [part for moment in moments for part in (moment.real, moment.imag)]
        assert close(minpack.heart_dipole(*x), np.array(expected) - minpack.SUMS)

    def test_heart_dipole_has_a_root(self) -> None:
        function = FUNCTIONS["heart-dipole"]
        assert np.abs(flat(function.call(*function.arguments))[:6]).max() < 4e-3
        solution = solved(function, "hybr")
        assert np.abs(flat(function.call(*solution))).max() < 1e-10

    def test_both_forms_of_propane_have_the_same_root(self) -> None:
        x1, x2, x3, x4, x5 = solution = solved(FUNCTIONS["propane-reduced"], "lm")
        assert np.abs(flat(minpack.propane_reduced(*solution))).max() < 1e-14
        assert (solution > 0).all()
        k = {i: minpack.K[i] / minpack.P ** (0 if i == 5 else 1 if i in (8, 10) else 0.5) for i in minpack.K}
        moles = [x1 * x2, x2 * x3**2, x4**2, x1, k[5] * x3**2, k[6] * x3, k[7] * x2 * x3, k[8] * x2]
        moles += [k[9] * x2 * x4, k[10] * x2**2, 1.0]
        assert np.abs(flat(minpack.propane_full(*np.array(moles) / x5))).max() < 1e-11


class TestBlackScholes:
    def test_the_example_of_hull(self) -> None:
        """Options, Futures, and Other Derivatives: 42, 40, 10 %, 20 %, half a year: 4.76 and 0.81."""
        assert round(float(money.call_value(*money.MARKET)), 2) == 4.76
        assert round(float(money.put_value(*money.MARKET)), 2) == 0.81

    @pytest.mark.parametrize("market", [money.MARKET, (80.0, 100.0, 0.02, 0.4, 2.0), (1.2, 0.9, -0.01, 0.1, 0.1)])
    def test_parity_and_greeks_in_closed_form(self, market: tuple[float, ...]) -> None:
        s, k, r, sigma, t = market
        d1 = (math.log(s / k) + (r + sigma**2 / 2) * t) / (sigma * math.sqrt(t))
        d2, paid = d1 - sigma * math.sqrt(t), math.exp(-r * t)
        assert close(money.call_value(*market) - money.put_value(*market), s - k * paid)
        theta = s * norm.pdf(d1) * sigma / (2 * math.sqrt(t)) + r * k * paid * norm.cdf(d2)
        vega, rho = s * norm.pdf(d1) * math.sqrt(t), k * t * paid * norm.cdf(d2)
        assert close(money.call_greeks(*market), [norm.cdf(d1), -paid * norm.cdf(d2), rho, vega, theta])

    def test_greeks_of_greeks_in_closed_form(self) -> None:
        hessian = matrix(FUNCTIONS["black-scholes-greeks"], jax.jacfwd)
        s, k, r, sigma, t = money.MARKET
        d1 = (math.log(s / k) + (r + sigma**2 / 2) * t) / (sigma * math.sqrt(t))
        d2, density = d1 - sigma * math.sqrt(t), norm.pdf(d1)
        assert close(hessian, hessian.T)
        assert close(hessian[0, 0], density / (s * sigma * math.sqrt(t)))
        assert close(hessian[0, 3], -density * d2 / sigma)
        assert close(hessian[3, 3], s * density * math.sqrt(t) * d1 * d2 / sigma)


class TestHelmholtz:
    def test_an_ideal_gas_without_volume_and_attraction(self) -> None:
        x = np.array([0.1, 0.2, 0.3])
        tiny = np.full(3, 1e-9)
        assert close(helmholtz(x, np.zeros((3, 3)), tiny, 1.3), 1.3 * np.sum(x * np.log(x)), 1e-8)

    def test_thin_gases_have_the_second_virial_coefficient(self) -> None:
        x, a, b, thermal = FUNCTIONS["helmholtz"].arguments
        x = 1e-4 * x
        excess = helmholtz(x, a, b, thermal) - thermal * np.sum(x * np.log(x))
        assert abs(float(excess) / float(thermal * x.sum() * (b @ x) - x @ a @ x) - 1.0) < 1e-3

    def test_equal_species_mix_ideally(self) -> None:
        x = np.array([0.1, 0.25, 0.4])
        whole = helmholtz(np.array([x.sum()]), np.array([[1.7]]), np.array([0.6]), 1.3)
        mixed = helmholtz(x, np.full((3, 3), 1.7), np.full(3, 0.6), 1.3)
        assert close(mixed - whole, 1.3 * np.sum(x * np.log(x / x.sum())))

    def test_potentials_are_those_in_closed_form(self) -> None:
        x, a, b, thermal = FUNCTIONS["helmholtz-potentials"].arguments
        z, r, q = b @ x, math.sqrt(2), x @ a @ x
        ratio = math.log((1 + (1 + r) * z) / (1 + (1 - r) * z))
        slope = (1 + r) / (1 + (1 + r) * z) - (1 - r) / (1 + (1 - r) * z)
        expected = thermal * (np.log(x / (1 - z)) + 1 + b * x.sum() / (1 - z))
        expected = expected - (2 * a @ x * ratio - q * b * ratio / z + q * b * slope) / (math.sqrt(8) * z)
        assert close(potentials(x, a, b, thermal), expected)
