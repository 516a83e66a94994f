"""What every solver is given and what it is: budget, seed, progress, the best plan so far, CP-SAT runs."""
