"""Orders for ranges of sizes: all that a chain of named sizes needs, and how near the chosen ones are to the best."""
