"""What is to be differentiated: elementals in a graph, limits, and the cost model."""
