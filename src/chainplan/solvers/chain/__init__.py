"""Solvers of chains: bracketings by exact dynamic programming, with matrix-free elementals and memory limits."""
