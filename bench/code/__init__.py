"""The suite `code`: scalar code of Jacobians against that of CasADi and SymPy, and against jitted JAX."""
