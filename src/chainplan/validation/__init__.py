"""A plan compared with the truth: forward order, reverse order, finite differences."""
