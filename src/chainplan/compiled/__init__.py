"""The compiled package holds routines in C for what plain Python does slowly; without them all is done in Python.

The Python code is the reference: it says what a routine does and why, and the two give the same numbers, also of the
work done, so that plans, bounds and nodes do not depend on whether a C compiler was at hand. `python hatch_build.py`
builds them in place; an installation builds them too and does without where that fails.

To add a routine, write `name.c` here: plain C on words and numbers, and in the same file or one beside it the
functions or the type that Python sees. Only the limited API may be used (`core.h` includes it). Name the type or the
functions in `core.h`, add them in `fill` of `module.c`, and give their signatures in `_core.pyi`. The Python code
that they stand in for asks `compiled_core()` of `compiled.loader` for the module and goes on by itself where that is
None, or where a number does not fit 63 bits. A case in `tests/test_compiled.py` compares the two. Long loops call
back to Python, where limits are looked at and Ctrl-C arrives.
"""
