"""Reversing a chain of steps with few checkpoints: equal steps in closed form, any prices and sizes by fronts."""

from chainplan.solvers.checkpoint.binomial import forward_steps as forward_steps
from chainplan.solvers.checkpoint.binomial import repetitions as repetitions
from chainplan.solvers.checkpoint.reversal import ReversalAction as ReversalAction
from chainplan.solvers.checkpoint.reversal import ReversalSchedules as ReversalSchedules
