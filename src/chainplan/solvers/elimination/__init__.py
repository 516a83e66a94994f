"""Moves on a linearised DAG: the work graph, vertex, edge and face elimination, and the keys that rank them."""
