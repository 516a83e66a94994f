"""The execution package runs plans in numpy: it turns steps into kernels, and elemental Jacobians into Jacobians.

It never imports solvers; other packages run plans by `execution.executor`.
"""
