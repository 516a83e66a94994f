"""Solvers: each in a file of its own, all in one visible table (`registry.SOLVERS`)."""
