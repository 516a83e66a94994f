"""Tests of the benchmarks: suites, reports, stored instances, and the functions that they are measured on."""
