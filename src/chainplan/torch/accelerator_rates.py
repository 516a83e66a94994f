"""Rates of the work of programs on an accelerator, where starting an operation takes longer than most operations run.

They were fitted to the times of the functions of the suite `torch`, and of single large operations, on a data-centre
GPU: PyTorch starts one kernel after the other, so that views cost what kernels cost, and the number of operations
decides nearly always.
"""

from __future__ import annotations

_BY_KINDS = {
    "views starts": 7e-6,
    "batched_views": 2e-5,
    "batched_starts": 1.2e-5,
    "fma thin_fma": 3e-14,
    "near_bytes read_bytes written_bytes far_bytes": 2e-13,
    "gathered": 2.5e-11,
    "linalg_starts": 1e-5,
    "linalg_fma": 1e-12,
    "evaluated others": 0.0,
}

ACCELERATOR_SECONDS = {kind: seconds for kinds, seconds in _BY_KINDS.items() for kind in kinds.split()}
"""Seconds per unit of each kind of work."""
