"""Solvers: one per file, one visible table (`table.SOLVERS`)."""
