"""Kernels work on blocks with values: how a block is held, how one form becomes another, how two multiply and add.

Cost models and execution take the route of a product from `kernels.dispatch`, and execution runs it by
`kernels.products`; `kernels.storage` and `kernels.convert` say how values are held.
"""
