"""Benchmarks of chainplan against its peers, as ratios measured in one run.

Instances are stored files, the results of a run are a CSV, and the report is a function of that CSV alone, so that
every number in it can be traced and the report written again without measuring again.
"""
