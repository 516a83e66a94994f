"""European options by Black and Scholes: the value, and its Greeks by automatic differentiation.

The Jacobian of the Greeks is the Hessian of the value: a derivative of a derivative, as a trading desk has it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erf

from bench.instances.functions.function import Function, scalars


def _normal(z: Array) -> Array:
    return 0.5 * (1.0 + erf(z / 2.0**0.5))


def _moneyness(spot: Array, strike: Array, rate: Array, volatility: Array, maturity: Array) -> tuple[Array, Array]:
    spread = volatility * jnp.sqrt(maturity)
    d1 = (jnp.log(spot / strike) + (rate + 0.5 * volatility * volatility) * maturity) / spread
    return d1, d1 - spread


def call_value(spot: Array, strike: Array, rate: Array, volatility: Array, maturity: Array) -> Array:
    """Value of the right to buy at `strike` after `maturity` years. Black and Scholes 1973, equation 13."""
    d1, d2 = _moneyness(spot, strike, rate, volatility, maturity)
    return spot * _normal(d1) - strike * jnp.exp(-rate * maturity) * _normal(d2)


def put_value(spot: Array, strike: Array, rate: Array, volatility: Array, maturity: Array) -> Array:
    """Value of the right to sell."""
    d1, d2 = _moneyness(spot, strike, rate, volatility, maturity)
    return strike * jnp.exp(-rate * maturity) * _normal(-d2) - spot * _normal(-d1)


def call_greeks(
    spot: Array, strike: Array, rate: Array, volatility: Array, maturity: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Derivatives of the value of a call by spot (delta), strike, rate (rho), volatility (vega) and maturity."""
    found = jax.grad(call_value, argnums=(0, 1, 2, 3, 4))(spot, strike, rate, volatility, maturity)
    delta, by_strike, rho, vega, by_maturity = found
    return delta, by_strike, rho, vega, by_maturity


SOURCE = "F. Black and M. Scholes, J. Political Economy 81 (1973) 637-654, "
MARKET = (42.0, 40.0, 0.1, 0.2, 0.5)

BLACK_SCHOLES = Function(
    "black-scholes",
    call_value,
    scalars(*MARKET),
    (0, 1, 2, 3, 4),
    SOURCE + "equation 13",
    "1 x 5: value of a call by spot, strike, rate, volatility and maturity",
)
BLACK_SCHOLES_GREEKS = Function(
    "black-scholes-greeks",
    call_greeks,
    scalars(*MARKET),
    (0, 1, 2, 3, 4),
    SOURCE + "equation 13, differentiated",
    "5 x 5: the five first derivatives of the value by the same five scalars",
)
