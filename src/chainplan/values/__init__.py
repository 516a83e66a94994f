"""Numbers for a problem: elemental Jacobians as arrays, and functions that apply them."""
