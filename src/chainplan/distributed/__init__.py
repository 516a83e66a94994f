"""Plans as tasks, and teams of searches: on a cluster of the extra `chainplan[dask]`, in pools, and on threads."""
