"""The values package holds the numbers of a problem: elemental Jacobians as arrays, and functions that apply them.

Execution and validation take values from here; nothing that plans ever does.
"""
