"""Binomial checkpointing of equal steps in closed form.

With s checkpoints, the initial state among them, and at most t evaluations of each step, C(s + t, s) steps can be
reversed. Griewank & Walther 2000, "Algorithm 799: revolve" (ACM TOMS 26), section 2; the optimum is due to Grimm,
Pottier & Rostaing-Schmidt 1996.
"""

from __future__ import annotations

from math import comb


def repetitions(steps: int, checkpoints: int) -> int:
    """The least t with C(checkpoints + t, checkpoints) >= steps: the most often that any step is advanced over.

    Raises
    ------
    ValueError
        Where there is no step, or no checkpoint to hold the initial state.
    """
    if steps < 1 or checkpoints < 1:
        raise ValueError(f"found {steps} steps and {checkpoints} checkpoints; expected at least one of each.")
    t = 0
    while comb(checkpoints + t, checkpoints) < steps:
        t += 1
    return t


def forward_steps(steps: int, checkpoints: int) -> int:
    """The fewest evaluations of single steps that reverse `steps` of them, the ones that record the tapes included.

    `checkpoints` counts the initial state. Raises as `repetitions` does.
    """
    t = repetitions(steps, checkpoints)
    return t * steps - (comb(checkpoints + t, t - 1) if t else 0) + steps


def first_checkpoint(steps: int, checkpoints: int) -> int:
    """How many of `steps` steps to advance before the next checkpoint is stored, by an optimal rule.

    `checkpoints` counts the state at which the steps begin; at least two of each are expected. With c checkpoints and t
    `repetitions`, k <= C(c + t - 1, c) and steps - k <= C(c + t - 1, c - 1) keep every step within t evaluations, the
    first k of which are advanced over once more than the rest is; k >= C(c + t - 2, c) and
    steps - k >= C(c + t - 2, c - 1) keep both parts from needing fewer. Every k within these four limits is optimal
    (Griewank & Walther 2000, section 3); this is the least one.
    """
    c, t = checkpoints, repetitions(steps, checkpoints)
    return max(1, comb(c + t - 2, c), steps - comb(c + t - 1, c - 1))
