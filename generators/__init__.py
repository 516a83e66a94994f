"""Problems that are made by a rule: what the tests and the benchmarks draw from."""
