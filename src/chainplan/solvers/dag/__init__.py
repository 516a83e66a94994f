"""Solvers of DAGs: vertex, edge and face elimination, exact and heuristic."""
