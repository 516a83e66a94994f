"""Proofs of a saved plan: each of its claims is proven again by another search, refuted, or left as a claim."""
