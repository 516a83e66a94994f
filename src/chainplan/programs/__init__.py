"""Layers that have values: a program of ops, its linearised DAG, and its numbers at a point."""
