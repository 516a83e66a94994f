"""The suite `targets`: what planning is meant to reach, measured beside the goals in one run."""
