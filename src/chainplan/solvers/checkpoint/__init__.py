"""Reversing a chain of steps with few checkpoints: equal steps in closed form, any prices and sizes by fronts."""

from chainplan.solvers.checkpoint.binomial import forward_steps as forward_steps
from chainplan.solvers.checkpoint.binomial import repetitions as repetitions
from chainplan.solvers.checkpoint.reversal import Action as Action
from chainplan.solvers.checkpoint.reversal import Reversal as Reversal
