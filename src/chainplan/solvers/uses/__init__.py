"""Solvers for Jacobians that are used for products with vectors alone: what to form, and what to apply each time."""
