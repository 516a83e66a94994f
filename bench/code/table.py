"""The 24 functions of the suite `code`. A new one is a line here."""

from __future__ import annotations

from bench.code.arms import points, pose, torques
from bench.code.fields import kinetics, oblate_orbit, reprojection, robertson, roe_flux, se3_between, se3_exp
from bench.code.function import CodeFunction, function, of_one_vector, runge_kutta
from bench.code.vehicles import bicycle, cart_pole, pendulums, quadrotor

DRIVING = [0.2, 0.2, 0.2, 12.2, 0.3, 0.2, 41.2, 0.05, 0.2], [0.9, 0.9, 0.9, 12.9, 0.3, 0.2, 41.9, 0.05, 0.9]
GAS = [1.0, 0.3, 0.2, 3.0, 1.1, 0.35, 0.15, 3.2], [1.2, 0.36, 0.24, 3.6, 1.32, 0.42, 0.18, 3.84]
CAMERA = (
    [0.2, 0.2, 0.2, 0.2, 0.2, -5.0, 500.0, 0.2, 0.2, 0.06, 0.06, 0.06],
    [0.9, 0.9, 0.9, 0.9, 0.9, -5.0, 500.0, 0.9, 0.9, 0.27, 0.27, 0.27],
)

FUNCTIONS: dict[str, CodeFunction] = {
    one.name: one
    for one in (
        *map(pose, (3, 6, 7)),
        points(7),
        *map(torques, (3, 6, 7)),
        function("quadrotor", "Mahony et al. 2012", 17, of_one_vector(quadrotor, 13)),
        function("quadrotor-step", "Mahony et al. 2012", 17, runge_kutta(quadrotor, 13, 0.02)),
        function("bicycle", "Pacejka 2012", 9, of_one_vector(bicycle, 7), *DRIVING),
        function("bicycle-step", "Pacejka 2012", 9, runge_kutta(bicycle, 7, 0.02), *DRIVING),
        function("cart-pole", "Florian 2007", 5, of_one_vector(cart_pole, 4)),
        function("cart-pole-step", "Florian 2007", 5, runge_kutta(cart_pole, 4, 0.02)),
        function("pendulums", "chain with springs", 13, of_one_vector(pendulums, 12)),
        function("pendulums-step", "chain with springs", 13, runge_kutta(pendulums, 12, 0.02)),
        function("roe-flux", "Toro 2009, 11.2.2", 8, roe_flux, *GAS),
        function("robertson-step", "Robertson 1966", 3, runge_kutta(robertson, 3, 0.02)),
        function("kinetics", "Gardiner 2000, 1.2", 13, of_one_vector(kinetics(12), 13)),
        function("kinetics-step", "Gardiner 2000, 1.2", 7, runge_kutta(kinetics(6), 7, 0.02)),
        function("orbit", "Vallado 2013, 8.6.1", 9, of_one_vector(oblate_orbit, 6)),
        function("orbit-step", "Vallado 2013, 8.6.1", 9, runge_kutta(oblate_orbit, 6, 0.02)),
        function("reprojection", "Agarwal et al. 2010", 12, reprojection, *CAMERA),
        function("se3-exp", "Barfoot 2017, 7.1.3", 6, se3_exp),
        function("se3-between", "Barfoot 2017, 7.1.3", 12, se3_between),
    )
}
"""All functions by name."""
