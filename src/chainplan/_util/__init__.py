"""Small helpers that know nothing of Jacobians: files, caches, memory, threads."""
