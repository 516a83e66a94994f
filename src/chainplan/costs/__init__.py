"""The costs package holds what a plan can minimise: the objectives, and rates of kernels measured on this machine.

Other packages ask `costs.objectives` for a cost model by name.
"""
