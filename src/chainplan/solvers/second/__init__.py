"""Solvers for second derivatives: a sibling of each kind of solver for Jacobians."""
