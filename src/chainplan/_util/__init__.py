"""Small helpers that know nothing of Jacobians: files, caches, memory, threads, graphs. Every package may use them."""
