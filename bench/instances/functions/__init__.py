"""Functions of the field's benchmarks in JAX, and the table of them. A new function is one entry.

Written from the published formulas, one family per file. Everything here needs JAX.
"""

from __future__ import annotations

from bench.instances.functions.finance import BLACK_SCHOLES, BLACK_SCHOLES_GREEKS
from bench.instances.functions.function import Function
from bench.instances.functions.grids import MEMBRANE_READOUT, REDUCED_ORDER
from bench.instances.functions.implicit import EQUILIBRIUM_LAYER, RESISTOR_NETWORK
from bench.instances.functions.integrators import LOTKA_VOLTERRA_SCAN, LOTKA_VOLTERRA_UNROLLED
from bench.instances.functions.minpack import HEART_DIPOLE, PROPANE_FULL, PROPANE_REDUCED
from bench.instances.functions.networks import BOTTLENECK, ENCODER, MLP, MLP_WEIGHTS
from bench.instances.functions.robot import ROBOT_ARM, ROBOT_ARM_CHAIN
from bench.instances.functions.roe import ROE_1D, ROE_3D
from bench.instances.functions.textbook import BABY, LIGHTHOUSE, SIMPLE
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
    )
}
"""By name, small textbook examples first."""
