"""Rates of the work of programs on an accelerator, where starting a kernel takes longer than most kernels run.

They were fitted to the times of compiled calls of the suite `jax` on a data-centre GPU: `JAX_PLATFORMS=cuda python -m
bench run jax` measures them there. What XLA fuses on a GPU differs from what `fusions` finds, so that arithmetic of
all kinds has one rate: calls, kernels, results and trips of loops decide nearly always.
"""

from __future__ import annotations

_SECONDS_BY_KINDS = {
    "call": 2.5e-5,
    "results": 5.7e-6,
    "kernels": 8.8e-7,
    "loop_kernels sequential_kernels compiled_kernels": 6.3e-7,
    "trips sequential_trips compiled_trips": 8.8e-6,
    "fma": 1.8e-13,
    "thin_fma vector_fma": 1.9e-12,
    "dots": 2.2e-9,
    "simple slow expensive called placed turned gathered picked": 8.2e-14,
    "branched_simple branched_slow branched_expensive branched_called": 8.2e-14,
    "branched_placed branched_turned branched_gathered branched_picked": 8.2e-14,
    "loaded branched_loaded reduced": 6.6e-14,
    "scattered": 2.1e-11,
    "read written written_far": 3.3e-14,
    "linalg_fma": 9.7e-12,
    "linalg_calls": 2e-5,
}

ON_ACCELERATOR = {kind: seconds for kinds, seconds in _SECONDS_BY_KINDS.items() for kind in kinds.split()}
"""Seconds per unit of each kind of work."""
