"""Plans and searches on a cluster of processes, by the library `distributed` of the extra `chainplan[dask]`."""
