"""The programs package holds layers that have values: a program of ops, its linearised DAG, its numbers at a point.

Other packages take `Program` from `programs.program`, `evaluate` and `linearise` from `programs.evaluation`, and points
from `programs.point`.
"""
