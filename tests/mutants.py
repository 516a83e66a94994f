"""Mutants: small faults in solvers and judges, each with the tests that must notice it.

`tests/test_mutants.py` puts one fault at a time into a copy of the package and runs the tests named; the fault lives on
where they pass. A text that is not found exactly once has moved: write the mutant anew where the code is now.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """Replaces `text`, which stands once in `file` of the package, by `by`; `killers` are pytest's arguments."""

    file: str
    text: str
    by: str
    killers: str


SWEEPS = "tests/test_compression.py"
CHAINS = "tests/test_solvers.py -k small_chains"
MEMORY = "tests/test_chain_memory.py -k brute_force"
EXACT = "tests/test_dag_exact.py"
SCHEDULES = "tests/test_schedule.py -k brute_force"

MUTANTS = {
    "blocks of one shape are equal": Mutant(
        "plans/places.py",
        "other.kind == e.kind",
        "other.block == e.block",
        "tests/test_equal.py -k stands_again",
    ),
    "a block that stands again has the labels of its first place": Mutant(
        "plans/path_labels.py",
        'assert moved is not None, "replay refuses a block without a place"',
        "return self.held[step.arg]",
        "tests/test_equal.py -k 'stands_again or path_that_is_equal'",
    ),
    "a state forgets its other words": Mutant(
        "solvers/chain/shared_search.py",
        "self._together((*pending[1:], *option.reads), best - option.price)",
        "self._together(option.reads, best - option.price)",
        "tests/test_equal.py -k brute_force",
    ),
    "words of one length repeat": Mutant(
        "solvers/chain/words.py",
        "return places[-1] - places[0] >= self.lengths[word]",
        "return places[-1] - places[0] > 2 * self.lengths[word]",
        "tests/test_equal.py -k brute_force",
    ),
    "parts take five times the colours": Mutant(
        "plans/sweep_colours.py",
        "parts = block.rows if isinstance(block.structure, OnDiagonal)",
        "parts = block.rows // 5 if isinstance(block.structure, OnDiagonal)",
        f"{SWEEPS} -k five_diagonal",
    ),
    "a unit block costs its nonzeros in a sweep": Mutant(
        "plans/compressed_sweep.py",
        "total += 0 if e.block.structure.unit else e.block.nnz",
        "total += e.block.nnz",
        CHAINS,
    ),
    "sweeps of two modes forget the adjoints": Mutant(
        "plans/compressed_sweep.py",
        "return colours.tangents * (prices[0] or 0) + colours.adjoints * (prices[1] or 0)",
        "return colours.tangents * (prices[0] or 0)",
        f"{SWEEPS} -k tiny_pattern",
    ),
    "the table of chains takes adjoints for tangents": Mutant(
        "solvers/chain/interval_prices.py",
        "self.by_end[d:, q - d + 1], self.s[d:])",
        "self.by_end[d:, q - d + 1], self.s[:count])",
        CHAINS,
    ),
    "listed chains have adjoints at one end alone": Mutant(
        "solvers/chain/interval_table.py",
        "if first.adjoint is not None:",
        "if first.adjoint is not None and last.adjoint is None:",
        CHAINS,
    ),
    "the heap of arcs is upside down": Mutant(
        "solvers/chain/hu_shing.py",
        "if a.num * b.den < b.num * a.den:",
        "if a.num * b.den > b.num * a.den:",
        "tests/test_hu_shing.py -k 'medium or small'",
    ),
    "arcs that do not pay stay": Mutant(
        "solvers/chain/hu_shing.py",
        "            if top.num >= low * top.den:",
        "            if top.num >= 2 * low * top.den:",
        "tests/test_hu_shing.py -k small",
    ),
    "a lower peak stands in for a whole profile": Mutant(
        "solvers/chain/memory_limit.py",
        "any(dominates(entry.profile, profile) for entry in front)",
        "any(entry.profile[0][0] <= profile[0][0] for entry in front)",
        "tests/test_chain_memory.py -k whole_profile",
    ),
    "tapes weigh nothing": Mutant(
        "solvers/chain/memory_moves.py", "return e.tape if mode is Mode.ADJOINT else 0", "return 0", MEMORY
    ),
    "a factor that waits weighs nothing": Mutant(
        "solvers/checkpoint/grammar.py",
        'least, way = waiting + nnz[i, k] + whole, TaskRule("times right", i, j, k)',
        'least, way = nnz[i, k] + whole, TaskRule("times right", i, j, k)',
        "tests/test_recompute.py -k nested_plans",
    ),
    "an adjoint step has no tape": Mutant(
        "solvers/checkpoint/grammar.py",
        "self._single(chain.n[i] + waiting + whole + e.tape,",
        "self._single(chain.n[i] + waiting + whole,",
        "tests/test_recompute.py -k nested_plans",
    ),
    "an output that was eliminated is forgotten": Mutant(
        "solvers/elimination/subset_dp.py",
        "& (~gone | kept)",
        "& ~gone",
        "tests/test_heuristics.py -k best_of_all",
    ),
    "going last costs one more": Mutant(
        "solvers/elimination/branch_and_bound.py",
        "total = self._last(inside & ~(1 << v), price, best)",
        "total = self._last(inside & ~(1 << v), price + 1, best)",
        f"{EXACT} -k best_of_all",
    ),
    "bounds of parts are counted twice": Mutant(
        "solvers/elimination/branch_and_bound.py",
        "self.low[inside] = max(total, rows[0][0], self.low.get(inside, 0))",
        "self.low[inside] = max(total, rows[-1][0], self.low.get(inside, 0))",
        f"{EXACT} -k best_of_all",
    ),
    "widest paths add up": Mutant(
        "solvers/elimination/cut_sum.py",
        "widest[v] = max(widest[v], paid(v, u, width))",
        "widest[v] += paid(v, u, width)",
        "tests/test_structured_bounds.py",
    ),
    "the quick bound is one too high": Mutant(
        "solvers/elimination/path_bound.py",
        "bound = core.least_fixed + lower_bound(core, tick=tick)",
        "bound = core.least_fixed + lower_bound(core, tick=tick) + 1",
        f"{EXACT} -k stopped",
    ),
    "vertices send more than their size": Mutant(
        "solvers/elimination/linked_spans.py",
        "if size >= len(span):",
        "if size + 1 >= len(span):",
        "tests/test_large_bounds.py",
    ),
    "windows count what reaches both ends twice": Mutant(
        "solvers/elimination/linked_spans.py",
        "weights.append(self.unit * len(span))",
        "weights.append(self.unit * len(span) + (chosen & chosen - 1 != 0))",
        "tests/test_large_bounds.py",
    ),
    "products with units are paid for": Mutant(
        "solvers/elimination/entry_graph.py",
        "if block.structure.unit else",
        "if not block.structure.unit else",
        "tests/test_structured_bounds.py",
    ),
    "locked vertices are cut": Mutant(
        "solvers/elimination/mincut.py",
        "return 1 << 200 if self.locked >> u & 1 else self.size[u] - self.through.get(u, 0)",
        "return self.size[u] - self.through.get(u, 0)",
        f"{EXACT} -k minimum_cuts",
    ),
    "a group costs the dearest order": Mutant(
        "solvers/elimination/bounds.py",
        "least[part] = min(",
        "least[part] = max(",
        f"{EXACT} -k group_bounds",
    ),
    "an output's in-edges are eliminated": Mutant(
        "solvers/elimination/edge_moves.py",
        "if j in self.middle and not self.kept[j]:",
        "if j in self.middle:",
        "tests/test_moves.py -k sequences",
    ),
    "a face is added onto any successor's dual vertex": Mutant(
        "solvers/elimination/face_moves.py",
        "before[d] == before[a] and behind[d] == behind[b]",
        "before[d] == before[a]",
        "tests/test_moves.py -k sequences",
    ),
    "halves side by side take as long as the shorter": Mutant(
        "solvers/schedule/machine_dp.py",
        "best = np.minimum(best, np.maximum(lefts[t1], rights[t - t1]))",
        "best = np.minimum(best, np.minimum(lefts[t1], rights[t - t1]))",
        SCHEDULES,
    ),
    "paths to both halves add up": Mutant(
        "solvers/schedule/bounds.py",
        "_longest(self.path[arg] for arg in option.reads)",
        "sum(self.path[arg] for arg in option.reads)",
        SCHEDULES,
    ),
    "cuts of a pattern ask for one adjoint more": Mutant(
        "colouring/bounds.py",
        "-((c * cut.rows - cut.nonzeros) // cut.columns)",
        "1 - ((c * cut.rows - cut.nonzeros) // cut.columns)",
        "tests/test_colouring.py -k arrowhead",
    ),
    "two of a colour in a row are alone": Mutant(
        "colouring/recovery.py",
        "minlength=colours) == 1",
        "minlength=colours) <= 2",
        "tests/test_colouring.py -k changed",
    ),
    "a cycle of equations is a tree": Mutant(
        "colouring/symmetric/recovery.py",
        "bad = (links >= nodes) | (ends > 1)",
        "bad = (links > nodes) | (ends > 1)",
        "tests/test_symmetric_colouring.py -k judge",
    ),
    "stars have an edge less": Mutant(
        "colouring/symmetric/bounds.py",
        "stars = 1 + -(-(edges * (most + 1))",
        "stars = 2 + -(-(edges * (most + 1))",
        "tests/test_symmetric_colouring.py -k arrowhead",
    ),
    "leaves are not looked at": Mutant(
        "colouring/symmetric/first_fit.py",
        "            found |= leaf[w]\n",
        "",
        "tests/test_symmetric_colouring.py -k greedy",
    ),
    "a loop runs once only": Mutant(
        "jax/patterns.py",
        "    for step in range(length):",
        "    for step in range(min(length, 1)):",
        "tests/test_jax_coloured.py -k places",
    ),
    "blocks die a step early": Mutant(
        "plans/replay.py",
        "            change[last + 1] -= size\n    for",
        "            change[last] -= size\n    for",
        "tests/test_chain_memory.py -k every_order",
    ),
    "a product costs one less": Mutant(
        "plans/typed.py", "        return product, price, 0\n", "        return product, price - 1, 0\n", CHAINS
    ),
    "any paths will do": Mutant(
        "plans/check.py",
        "if _differs(plan, labels, weights, along, prime):",
        "if False:",
        "tests/test_checker.py",
    ),
    "colours are not looked at": Mutant(
        "plans/check.py",
        "colouring_of(plan, replayed, step))\n            if wrong:",
        "colouring_of(plan, replayed, step))\n            if False:",
        f"{SWEEPS} -k wrong_seed",
    ),
    "an output may stand twice": Mutant("plans/check.py", "if key in seen:", "if False:", "tests/test_checker.py"),
    "a limit may be exceeded by one": Mutant(
        "plans/check.py",
        "if limit is not None and candidate.peak > limit:",
        "if limit is not None and candidate.peak > limit + 1:",
        "tests/test_checker.py",
    ),
    "a bound may lie above the cost": Mutant(
        "io/plan_file_claims.py",
        "if bound > price or (proven and (bound != price or within is None)):",
        "if proven and (bound != price or within is None):",
        "tests/test_plan_file.py",
    ),
    "tasks share a machine": Mutant(
        "plans/schedule.py",
        "if before is not None and task.start < before.end:",
        "if before is not None and task.start < before.start:",
        "tests/test_schedule_file.py",
    ),
    "a task starts before what it reads is there": Mutant(
        "plans/schedule.py",
        "if task is not None and task.start < ready:",
        "if task is not None and task.start < 0:",
        "tests/test_schedule_file.py",
    ),
    "bands of a product do not add up": Mutant(
        "structures/banded.py",
        "band(self.lower + right.lower, self.upper + right.upper)",
        "band(max(self.lower, right.lower), max(self.upper, right.upper))",
        "tests/test_structures.py",
    ),
}
