"""What a plan is and what follows from it: steps, replay, check, schedules, classes of plans."""
