"""The plans package says what a plan is and what follows from it: steps, replay, check, schedules, classes of plans.

Its `replay` and `check` judge plans and import nothing that makes them; solvers write plans by `plans.recorder`.
"""
