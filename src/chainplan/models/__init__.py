"""The models package takes what people already have, block models and simulations, to plans, and runs them.

It stands beside the front-ends for frameworks: it plans, prepares and runs with what the floors below offer.
"""
