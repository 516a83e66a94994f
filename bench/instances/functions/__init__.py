"""Functions of the field's benchmarks in JAX, and the table of them. A new function is one entry.

Written from the published formulas, one family per file. Everything here needs JAX.
"""

from __future__ import annotations

from dataclasses import replace

from bench.instances.functions.control import MULTIPLE_SHOOTING, ROLLOUTS, SHOOTING_COST
from bench.instances.functions.differences import BATTERY, BURGERS, BURGERS_LIMITED, SPARSE_GRIDS
from bench.instances.functions.estimation import BUNDLE_ADJUSTMENT, POSE_GRAPH
from bench.instances.functions.finance import BLACK_SCHOLES, BLACK_SCHOLES_GREEKS
from bench.instances.functions.function import Function, of_vector
from bench.instances.functions.grids import MEMBRANE_READOUT, REDUCED_ORDER
from bench.instances.functions.implicit import EQUILIBRIUM_LAYER, RESISTOR_NETWORK
from bench.instances.functions.integrators import LOTKA_VOLTERRA_SCAN, LOTKA_VOLTERRA_UNROLLED
from bench.instances.functions.minimisation import LOG_SUM_EXP, ROSENBROCK
from bench.instances.functions.minpack import HEART_DIPOLE, PROPANE_FULL, PROPANE_REDUCED
from bench.instances.functions.networks import (
    BOTTLENECK,
    BOTTLENECK_LOSS,
    CNN,
    ENCODER,
    GELU_BATCH,
    MLP,
    MLP_FIT,
    MLP_WEIGHTS,
    TANH_LAYERS,
)
from bench.instances.functions.particles import LENNARD_JONES, SPRINGS
from bench.instances.functions.robot import ARM_FRAMES, ROBOT_ARM, ROBOT_ARM_CHAIN
from bench.instances.functions.roe import ROE_1D, ROE_3D
from bench.instances.functions.textbook import BABY, LIGHTHOUSE, MASKED_LOG, SIMPLE
from bench.instances.functions.thermodynamics import HELMHOLTZ, HELMHOLTZ_POTENTIALS

__all__ = ["FUNCTIONS", "Function"]

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        SIMPLE,
        BABY,
        LIGHTHOUSE,
        HELMHOLTZ,
        HELMHOLTZ_POTENTIALS,
        BLACK_SCHOLES,
        BLACK_SCHOLES_GREEKS,
        HEART_DIPOLE,
        PROPANE_FULL,
        PROPANE_REDUCED,
        ROE_1D,
        ROE_3D,
        ROBOT_ARM,
        ROBOT_ARM_CHAIN,
        MLP,
        MLP_WEIGHTS,
        ENCODER,
        BOTTLENECK,
        MEMBRANE_READOUT,
        REDUCED_ORDER,
        EQUILIBRIUM_LAYER,
        RESISTOR_NETWORK,
        LOTKA_VOLTERRA_SCAN,
        LOTKA_VOLTERRA_UNROLLED,
        *map(of_vector, (LIGHTHOUSE, BLACK_SCHOLES, PROPANE_FULL, PROPANE_REDUCED, ROBOT_ARM)),
        replace(of_vector(HEART_DIPOLE), group="real"),
        ARM_FRAMES,
        TANH_LAYERS,
        GELU_BATCH,
        CNN,
        POSE_GRAPH,
        BUNDLE_ADJUSTMENT,
        MULTIPLE_SHOOTING,
        BATTERY,
        BURGERS_LIMITED,
        LENNARD_JONES,
        MASKED_LOG,
        BURGERS,
        *SPARSE_GRIDS,
        *ROLLOUTS,
        *ROSENBROCK,
        *SHOOTING_COST,
        *SPRINGS,
        BOTTLENECK_LOSS,
        LOG_SUM_EXP,
        *(
            replace(residuals, name=f"{residuals.name}-squared", task="gauss-newton", batches=(1,), group="")
            for residuals in (POSE_GRAPH, BUNDLE_ADJUSTMENT, TANH_LAYERS, BOTTLENECK, BURGERS, MLP_FIT)
        ),
    )
}
"""By name, small textbook examples first."""
