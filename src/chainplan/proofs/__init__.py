"""A claim of optimality proven again by another search."""
