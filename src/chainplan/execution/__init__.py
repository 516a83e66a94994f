"""Plans run in numpy: from steps to kernels, and from values to Jacobians."""
