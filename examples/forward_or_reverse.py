"""f(x) = A x with 100 inputs and 1 to 1000 outputs: forward and reverse order cost the same where m = n.

A is known by its tangent and its adjoint alone, m·n fma for one vector of either. Forward order needs n tangents,
reverse order m adjoints (Griewank & Walther, section 3.2), so the one is cheaper left of m = n and the other right of
it; the plan takes the cheaper one everywhere.
"""

from __future__ import annotations

import numpy as np

import chainplan

INPUTS = 100
OUTPUTS = (1, 10, 50, 99, 100, 101, 200, 1000)


def planned(m: int, n: int = INPUTS) -> chainplan.Result:
    """The plan for m outputs."""
    return chainplan.plan(chainplan.chain([{"name": "A", "shape": [m, n], "tangent": m * n, "adjoint": m * n}]))


def main() -> None:
    """Print what each order costs, run the plan and compare it with A."""
    print(f"{'m':>5}  {'forward':>12}  {'reverse':>12}  {'plan':>12}")
    for m in OUTPUTS:
        result = planned(m)
        assert result.cost is not None
        assert result.plan is not None
        forward, reverse = result.baselines.forward, result.baselines.reverse
        print(f"{m:>5}  {forward:>12,}  {reverse:>12,}  {result.cost.fma:>12,}")
        matrix = np.random.default_rng(m).random((m, INPUTS))
        found = chainplan.execute(result.plan, {"A": (lambda v, a=matrix: a @ v, lambda w, a=matrix: w @ a)})
        assert np.allclose(found["x1", "x0"], matrix)


if __name__ == "__main__":
    main()
