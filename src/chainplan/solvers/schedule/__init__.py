"""Plans for p machines: bracketing and schedule of a chain together, and schedules of a plan that is given."""
