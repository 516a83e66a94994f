"""Solvers for second derivatives."""
