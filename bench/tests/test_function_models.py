"""The benchmark functions with layers, grids and steps: known laws of networks, membranes, circuits and predators."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

from bench.instances.functions import FUNCTIONS, grids, implicit, integrators, networks


@pytest.fixture(autouse=True, scope="module")
def _float64() -> Iterator[None]:
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


class TestNetworks:
    def test_without_positions_the_encoder_follows_a_permutation_of_tokens(self) -> None:
        x, *weights = FUNCTIONS["encoder"].arguments
        order = [2, 0, 3, 1]
        found, permuted = networks.encoder(x, *weights), networks.encoder(x[order], *weights)
        assert np.abs(np.asarray(found)[order] - permuted).max() < 1e-13

    def test_rows_of_the_encoder_are_normalised(self) -> None:
        rows = np.asarray(FUNCTIONS["encoder"].call(*FUNCTIONS["encoder"].arguments))
        assert np.abs(rows.mean(axis=1)).max() < 1e-14
        assert np.abs(rows.std(axis=1) - 1.0).max() < 1e-4

    def test_equal_keys_attend_to_the_mean(self) -> None:
        value = np.arange(12.0).reshape(4, 3)
        found = networks.attention(value, np.ones((4, 3)), value)
        assert np.abs(found - value.mean(axis=0)).max() < 1e-13

    def test_the_bottleneck_has_the_rank_of_its_code(self) -> None:
        function = FUNCTIONS["bottleneck"]
        sizes = np.linalg.svd(jax.jacfwd(function.call)(*function.arguments), compute_uv=False)
        assert sizes[3] > 1e-2 * sizes[0]
        assert sizes[4] < 1e-14

    def test_the_perceptron_is_what_numpy_computes(self) -> None:
        x, w1, b1, w2, b2, w3, b3 = FUNCTIONS["mlp"].arguments
        expected = w3 @ np.tanh(w2 @ np.tanh(w1 @ x + b1) + b2) + b3
        assert np.abs(networks.mlp(x, w1, b1, w2, b2, w3, b3) - expected).max() < 1e-14


class TestGrids:
    def test_the_membrane_rests_at_the_published_gates(self) -> None:
        """At rest the gates are 0.3177, 0.0529 and 0.5961; the leak's potential makes the current vanish."""
        rates = grids.gate_rates(jnp.array(0.0))
        n, m, h = (opening / (opening + closing) for opening, closing in rates)
        assert np.abs(np.array([n, m, h]) - [0.3177, 0.0529, 0.5961]).max() < 5e-5
        current, *gates = grids.membrane(jnp.array(0.0), n, m, h)
        assert abs(float(current)) < 5e-3
        assert np.abs(np.array(gates)).max() < 1e-15

    def test_cells_are_on_their_own(self) -> None:
        state = FUNCTIONS["membrane-readout"].arguments[:4]
        blocks = jax.tree_util.tree_leaves(jax.jacfwd(grids.membrane, argnums=(0, 1, 2, 3))(*state))
        assert len(blocks) == 16
        assert all(np.array_equal(block, np.diag(np.diagonal(block))) for block in blocks)

    def test_a_full_basis_reduces_nothing(self) -> None:
        u = jnp.linspace(0.0, 6.0, 5)
        assert np.array_equal(grids.reduced_order(u, jnp.eye(5)), grids.budworm(u))

    def test_the_budworm_rests_where_growth_is_predation(self) -> None:
        """r (1 - u / q) (1 + u^2) = u for u other than 0."""
        r, q = grids.BIRTH, grids.CAPACITY
        roots = np.roots([-r / q, r, -r / q - 1.0, r])
        rests = roots[np.abs(roots.imag) < 1e-12].real
        assert rests.size in (1, 3)
        assert np.abs(grids.budworm(jnp.append(rests, 0.0))).max() < 1e-14

    def test_a_reduced_basis_is_orthogonal(self) -> None:
        basis = FUNCTIONS["reduced-order"].arguments[1]
        assert np.abs(basis.T @ basis - 16.0 * np.eye(12)).max() < 1e-13


class TestImplicit:
    def test_the_equilibrium_is_one(self) -> None:
        x, recurrent, inward, _ = FUNCTIONS["equilibrium-layer"].arguments
        z = np.asarray(implicit.equilibrium(recurrent, inward @ x))
        assert np.abs(np.tanh(recurrent @ z + inward @ x) - z).max() < 1e-15

    def test_its_rule_is_the_derivative_of_the_iteration(self) -> None:
        _, recurrent, inward, _ = FUNCTIONS["equilibrium-layer"].arguments
        drive = inward @ np.ones(12)

        def iterated(w: jax.Array, b: jax.Array) -> jax.Array:
            z = jnp.zeros(32)
            for _ in range(80):
                z = jnp.tanh(w @ z + b)
            return z

        for i in (0, 1):
            found = jax.jacfwd(implicit.equilibrium, argnums=i)(recurrent, drive)
            assert np.abs(found - jax.jacfwd(iterated, argnums=i)(recurrent, drive)).max() < 1e-12

    def test_resistors_in_series_add_up(self) -> None:
        """A current of 2 into the far end of a chain: every potential is the current times the resistance to ground."""
        chain, currents = implicit.ladder(4)[:4], np.array([0.0, 0.0, 0.0, 2.0])
        conductances = np.array([1.0, 2.0, 4.0, 0.5])
        found = implicit.resistor_network(conductances, chain, currents, np.eye(4))
        assert np.abs(found - 2.0 * np.cumsum(1.0 / conductances)).max() < 1e-13

    def test_transfer_resistances_are_reciprocal(self) -> None:
        conductances, incidence, _, _ = FUNCTIONS["resistor-network"].arguments
        columns = [implicit.resistor_network(conductances, incidence, unit, np.eye(16)) for unit in np.eye(16)]
        assert np.abs(np.array(columns) - np.array(columns).T).max() < 1e-13


class TestIntegrators:
    STATE, PARAMETERS = integrators.START

    def test_the_invariant_of_volterra_is_kept(self) -> None:
        birth, capture, death, conversion = self.PARAMETERS

        def invariant(state: np.ndarray) -> float:
            prey, predators = state
            return float(conversion * prey - death * np.log(prey) + capture * predators - birth * np.log(predators))

        end = np.asarray(integrators.lotka_volterra_scan(self.STATE, self.PARAMETERS))
        assert abs(invariant(end) - invariant(self.STATE)) < 1e-4

    def test_predators_and_prey_rest_at_their_balance(self) -> None:
        birth, capture, death, conversion = self.PARAMETERS
        rest = np.array([death / conversion, birth / capture])
        for function in (integrators.lotka_volterra_scan, integrators.lotka_volterra_unrolled):
            assert np.array_equal(function(rest, self.PARAMETERS), rest)

    def test_the_method_has_order_four(self) -> None:
        def end(steps: int) -> np.ndarray:
            state = jnp.asarray(self.STATE)
            for _ in range(steps):
                state = integrators.rk4(state, self.PARAMETERS, 1.0 / steps)
            return np.asarray(state)

        errors = [np.abs(end(steps) - end(160)).max() for steps in (10, 20)]
        assert 12.0 < errors[0] / errors[1] < 20.0

    def test_scan_and_steps_written_out_are_the_same_steps(self) -> None:
        def scanned(state: jax.Array) -> jax.Array:
            for _ in range(integrators.SCANNED):
                state = integrators.rk4(state, self.PARAMETERS, integrators.SPAN / integrators.SCANNED)
            return state

        found = integrators.lotka_volterra_scan(self.STATE, self.PARAMETERS)
        assert np.abs(found - scanned(self.STATE)).max() < 1e-14
