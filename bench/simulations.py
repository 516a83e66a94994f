"""Ten simulations of different kinds: the time that a plan promises after `measure`, beside the time that a run takes.

`python -m bench.simulations` prints both and their ratio, on one thread: the fastest of many runs of each simulation,
right behind its measurement, and the median of three such rounds. The last columns are the shares of the time of
reverse order, promised and measured. Modules are matrices, bands, sparse arrays, solves with factors, elementwise
functions and convolutions by FFT, narrow and wide, in chains and in graphs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csc_array, diags_array, random_array
from scipy.sparse.linalg import splu
from threadpoolctl import threadpool_limits

from chainplan import Simulation

SECONDS = 1.0
"""Seconds for the measurement of each simulation, and for its runs."""
ROUNDS = 3
"""Rounds of measuring and running each simulation."""


class Promise(NamedTuple):
    """The microseconds that a plan promises and those of its fastest run, and both for reverse order."""

    promised: float
    measured: float
    reverse_promised: float
    reverse_measured: float

    @property
    def ratio(self) -> float:
        """The promise over the measured time."""
        return self.promised / self.measured


def _draws(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _matrix(seed: int, rows: int, cols: int) -> Any:
    return _draws(seed).random((rows, cols)) / cols


def _functions(matrix: Any) -> tuple[Any, Any]:
    transposed = matrix.T
    return lambda v: matrix @ v, lambda w: (transposed @ w.T).T


def _solve(seed: int, n: int) -> tuple[Any, Any]:
    """Solves with a sparse LU decomposition of a matrix of five diagonals."""
    rng, side = _draws(seed), round(n**0.5)
    matrix = diags_array(
        [-rng.random(n - 1), -rng.random(n - side), 4.5 + rng.random(n), -rng.random(n - 1), -rng.random(n - side)],
        offsets=[1, side, 0, -1, -side],
    )
    factors: Any = splu(csc_array(matrix))
    return (
        lambda v: factors.solve(np.ascontiguousarray(v)),
        lambda w: factors.solve(np.ascontiguousarray(w.T), "T").T,
    )


def _band(seed: int, n: int) -> Any:
    rng = _draws(seed)
    diagonals = [rng.random(n - 1), rng.random(n), rng.random(n - 1)]
    return diags_array(diagonals, offsets=[-1, 0, 1], format="csr")


def _sparse(seed: int, rows: int, cols: int, density: float) -> Any:
    return random_array((rows, cols), density=density, format="csr", rng=_draws(seed))


def _elementwise(seed: int, n: int) -> tuple[Any, Any]:
    slope = 1 - np.tanh(_draws(seed).random(n)) ** 2
    return lambda v: slope[:, None] * v, lambda w: w * slope


def _convolution(seed: int, n: int) -> tuple[Any, Any]:
    spectrum = np.fft.rfft(_draws(seed).random(n) / n)
    return (
        lambda v: np.fft.irfft(spectrum[:, None] * np.fft.rfft(v, axis=0), n, axis=0),
        lambda w: np.fft.irfft(spectrum.conj() * np.fft.rfft(w, axis=1), n, axis=1),
    )


def _network() -> Simulation:
    sizes = [300, 200, 400, 20, 400, 100]
    return Simulation([_matrix(i, m, n) for i, (n, m) in enumerate(pairwise(sizes))])


def _diffusion() -> Simulation:
    modules: dict[str, Any] = {"feed": _matrix(0, 900, 12)}
    for k in range(6):
        modules |= {f"solve{k}": _solve(k, 900), f"react{k}": _elementwise(k, 900)}
    return Simulation(modules | {"sensors": _matrix(1, 30, 900)})


def _stencils() -> Simulation:
    return Simulation([_matrix(0, 500, 8), *(_band(k, 500) for k in range(12)), _matrix(1, 40, 500)])


def _interpolations() -> Simulation:
    sizes = [40, 600, 2000, 600, 2000, 10]
    pairs = enumerate(pairwise(sizes))
    return Simulation([_sparse(k, rows, cols, 0.02) for k, (cols, rows) in pairs])


def _activations() -> Simulation:
    elementwise = {f"activation{k}": _elementwise(k, 20_000) for k in range(8)}
    return Simulation({"spread": _matrix(0, 20_000, 6), **elementwise, "mean": _matrix(1, 3, 20_000)})


def _filters() -> Simulation:
    filters = {f"filter{k}": _convolution(k, 2048) for k in range(5)}
    return Simulation({"source": _matrix(0, 2048, 16), **filters, "receivers": _matrix(1, 24, 2048)})


def _wide() -> Simulation:
    modules = {
        "basis": _matrix(0, 400, 300),
        "flow": _solve(1, 400),
        "mix": _matrix(2, 400, 400),
        "heat": _solve(3, 400),
    }
    return Simulation(modules | {"field": _matrix(4, 250, 400)})


def _one_output() -> Simulation:
    layers = {f"layer{k}": _functions(_matrix(k, 600, 600)) for k in range(6)}
    return Simulation(layers | {"loss": _matrix(9, 1, 600)})


def _branches() -> Simulation:
    return Simulation(
        {
            "mesh": _matrix(0, 400, 10),
            "flow": _solve(1, 400),
            "heat": _functions(_matrix(2, 300, 400)),
            "walls": _band(3, 400),
            "join": _matrix(4, 200, 700),
            "sensors": _matrix(5, 12, 200),
        },
        takes={"flow": ["mesh"], "heat": ["flow"], "walls": ["mesh"], "join": ["heat", "walls"]},
    )


def _two_ends() -> Simulation:
    return Simulation(
        {
            "inlet": _matrix(0, 500, 6),
            "flow": _solve(1, 500),
            "scale": _elementwise(2, 500),
            "coarse": _sparse(3, 60, 500, 0.03),
            "lift": _matrix(4, 4, 60),
            "drag": _matrix(5, 2, 500),
        },
        takes={"drag": ["scale"], "coarse": ["scale"], "lift": ["coarse"]},
        outputs=["lift", "drag"],
    )


SIMULATIONS: dict[str, Callable[[], Simulation]] = {
    "dense matrices, 20 in the middle": _network,
    "six solves of 900 and reactions": _diffusion,
    "twelve bands of 500": _stencils,
    "sparse matrices up to 2000": _interpolations,
    "elementwise functions of 20000": _activations,
    "convolutions by FFT of 2048": _filters,
    "wide: 300 inputs, 250 outputs": _wide,
    "narrow: one output": _one_output,
    "a graph of two branches": _branches,
    "a graph of two outputs": _two_ends,
}
"""The simulations by name."""


def promise(make: Callable[[], Simulation], seconds: float = SECONDS, rounds: int = ROUNDS) -> Promise:
    """Return the promise whose ratio is the median of some rounds, which leaves out what disturbed one of them."""
    found = sorted((_promise(make(), seconds) for _ in range(rounds)), key=lambda one: one.ratio)
    return found[rounds // 2]


def _promise(simulation: Simulation, seconds: float) -> Promise:
    """Measure and plan a simulation, run it by its plan, and then in reverse order; each takes some seconds."""
    simulation.measure(seconds)
    result = simulation.plan()
    if result.price is None:
        raise ValueError(f"{simulation!r} has no plan")
    measured = _fastest(simulation, seconds)
    simulation.plan(solver="reverse")
    reverse = _fastest(simulation, seconds / 4)
    return Promise(result.price / 1e3, measured, result.price_baselines.reverse / 1e3, reverse)


def _fastest(simulation: Simulation, seconds: float) -> float:
    """Return the microseconds of the fastest run in some seconds."""
    best, end = float("inf"), perf_counter() + seconds
    while best == float("inf") or perf_counter() < end:
        start = perf_counter()
        simulation.jacobians()
        best = min(best, perf_counter() - start)
    return 1e6 * best


def main() -> None:
    """Print the table."""
    worst = 1.0
    sys.stdout.write(f"{'':36}{'promised':>12}{'measured':>12}{'ratio':>8}   of reverse order\n")
    for name, make in SIMULATIONS.items():
        found = promise(make)
        worst = max(worst, found.ratio, 1 / found.ratio)
        times = f"{found.promised:9.0f} us{found.measured:9.0f} us{found.ratio:8.2f}"
        shares = f"{found.promised / found.reverse_promised:8.2f}{found.measured / found.reverse_measured:8.2f}"
        sys.stdout.write(f"{name:36}{times}{shares}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{'the farthest':60}{worst:8.2f}\n")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
