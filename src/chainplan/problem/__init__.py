"""The problem package says what is to be differentiated: elementals in a graph, limits, and the cost model.

Other packages take `Problem` from `problem.problem`, `Graph`, `Elemental` and `Mode` from `problem.graph`, and
`CostModel` from `problem.cost`.
"""
