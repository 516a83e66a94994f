"""The validation package compares a plan with the truth: with forward order, reverse order and finite differences.

Its `reference` knows neither plans nor solvers; other packages take `validate` and `reference_jacobian` from here.
"""
