"""Right answers straight from the definitions, by trying all: what exactness tests compare with.

An oracle takes plain values (a spec as `Problem.to_spec` writes it, sizes, patterns of zeros and ones) and shares
nothing with what it judges: the modules of this package import the standard library and numpy alone, which
`tests/test_oracles.py` sees to. They are slow and for tiny problems.
"""
