"""What `auto` consists of: one file for each kind of problem, and the stages that they share."""
