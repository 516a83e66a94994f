"""Plans on a cluster of processes: `execute(plan, jacobians, backend="dask")`; needs the extra `chainplan[dask]`."""
