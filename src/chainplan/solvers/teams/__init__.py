"""Searches that share one graph: members of a team take turns at it, and a leader merges what they find."""
