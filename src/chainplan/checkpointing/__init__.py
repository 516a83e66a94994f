"""Reversing a chain of steps with few checkpoints: binomial in closed form, any prices and sizes by fronts."""

from chainplan.checkpointing.binomial import forward_steps as forward_steps
from chainplan.checkpointing.binomial import repetitions as repetitions
from chainplan.checkpointing.reversal import Action as Action
from chainplan.checkpointing.reversal import Reversal as Reversal
