"""Elimination on a linearised DAG: its graphs, three kinds of moves, greedy keys, local and exact searches, bounds."""
