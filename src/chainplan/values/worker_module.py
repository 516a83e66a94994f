"""Modules with demands: what a worker must have to run one, how often it is tried again, how long a call may take.

A module that holds state, such as a mesh, a factorisation or a licence, is given as a function that builds it. It is
built once in each process that runs a step of it, when the first such step comes, and stays there; its functions are
then called one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import nullcontext
from functools import partial
from numbers import Real
from socket import gethostname
from threading import RLock, Thread

from chainplan._util.arrays import Array, ArrayFunction
from chainplan.errors import ExecutionError
from chainplan.errors.arguments import mapping, refuse, whole
from chainplan.problem.graph import Mode

FunctionPair = tuple[ArrayFunction | None, ArrayFunction | None]


class WorkerModule:
    """The functions of a matrix-free elemental with what they demand, in the place of a pair (tangent, adjoint).

    Parameters
    ----------
    functions : FunctionPair | Callable[[], FunctionPair]
        The pair, or a function without arguments that builds it. What it builds stays in the process that runs its
        steps, on a cluster for as long as a plan is placed there, and gets one call at a time.
    resources : Mapping[str, float] | None
        On a cluster of Dask, what a worker must have free to run a step, such as {'GPU': 1} or {'licence': 1}. Workers
        say what they have: `dask worker ADDRESS --resources 'GPU=1'`.
    retries : int
        How often a step that fails is tried again, by a backend that runs tasks.
    limit : float | None
        Seconds that one call may take.
    slices : bool
        Whether a tangent may be called with some of the columns of a block, and an adjoint with some of the rows, so
        that several workers share a wide block and no worker has to hold all of it.

    Raises
    ------
    ArgumentError
        If an argument is something else than what is described above.

    Examples
    --------
    >>> import chainplan, numpy
    >>> matrix = numpy.array([[1.0, 2.0]])
    >>> module = WorkerModule(lambda: (matrix.__matmul__, None), limit=60)
    >>> result = chainplan.plan(chainplan.chain([{"name": "sim", "shape": [1, 2], "tangent": 2}]))
    >>> chainplan.execute(result, {"sim": module})["x1", "x0"]
    array([[1., 2.]])
    """

    def __init__(
        self,
        functions: FunctionPair | Callable[[], FunctionPair],
        *,
        resources: Mapping[str, float] | None = None,
        retries: int = 0,
        limit: float | None = None,
        slices: bool = True,
    ) -> None:
        if not is_function_pair(functions) and not callable(functions):
            raise refuse(
                "functions",
                functions,
                "a pair (tangent, adjoint), or a function that builds one",
                "Write WorkerModule((tangent, adjoint)).",
            )
        self.functions = functions
        if resources is not None:
            mapping("resources", resources, "resources to numbers above zero", "resources={'GPU': 1}")
        self.resources = dict(resources or {})
        for name, amount in self.resources.items():
            if not isinstance(name, str) or not isinstance(amount, Real) or not amount > 0:
                raise refuse("resources", resources, "names and numbers above zero", "Write resources={'GPU': 1}.")
        self.retries = whole("retries", retries, least=0)
        if limit is not None and (not isinstance(limit, Real) or not limit > 0):
            raise refuse("limit", limit, "seconds above zero", "Write limit=600.")
        self.limit = limit
        if not isinstance(slices, bool):
            raise refuse("slices", slices, "True or False", "Write slices=False.")
        self.slices = slices
        self._lock = RLock()
        self._built: FunctionPair | None = None

    def __reduce__(self) -> tuple[Callable[..., WorkerModule], tuple[object, ...]]:
        """Pickle or copy what was given; a copy builds functions of its own."""
        return _made_again, (self.functions, self.resources, self.retries, self.limit, self.slices)

    def pair(self, name: str) -> FunctionPair:
        """Return the functions, which are built where that was not done yet.

        Parameters
        ----------
        name : str
            The elemental that they belong to, which errors name.

        Returns
        -------
        FunctionPair
            The tangent and the adjoint, which keep to the limit.

        Raises
        ------
        ExecutionError
            If the function that builds them raises, or returns no pair.
        """
        with self._lock:
            if self._built is None:
                self._built = self._build(name)
        tangent, adjoint = self._built
        return self._limited(name, Mode.TANGENT, tangent), self._limited(name, Mode.ADJOINT, adjoint)

    def _build(self, name: str) -> FunctionPair:
        if isinstance(self.functions, tuple):
            return self.functions
        try:
            made = self.functions()
        except Exception as error:
            raise ExecutionError(
                f"what builds '{name}' raised {type(error).__name__}: {error}; expected a pair (tangent, adjoint). Try "
                "it alone, where the plan runs."
            ) from error
        if not is_function_pair(made):
            raise ExecutionError(
                f"what builds '{name}' returned {type(made).__name__}; expected a pair (tangent, adjoint). Return "
                "both, such as (module.tangent, module.adjoint)."
            )
        return made

    def _limited(self, name: str, mode: Mode, function: ArrayFunction | None) -> ArrayFunction | None:
        """A function that keeps to the limit, and to one call at a time where the module was built."""
        if function is None or (self.limit is None and isinstance(self.functions, tuple)):
            return function
        turn = nullcontext() if isinstance(self.functions, tuple) else self._lock

        def in_turn(block: Array) -> Array:
            with turn:
                return function(block)

        return in_turn if self.limit is None else partial(_within, self.limit, f"the {mode.value} of '{name}'", in_turn)


def _made_again(
    functions: FunctionPair, resources: Mapping[str, float], retries: int, limit: float | None, slices: bool
) -> WorkerModule:
    return WorkerModule(functions, resources=resources, retries=retries, limit=limit, slices=slices)


def is_function_pair(value: object) -> bool:
    """Say whether a value is a pair of functions, either of which may be None."""
    return isinstance(value, tuple) and len(value) == 2 and all(f is None or callable(f) for f in value)


def _within(seconds: float, what: str, function: ArrayFunction, block: Array) -> Array:
    """Call a function in a thread of its own, and wait for it no longer than so many seconds."""
    end = Future[Array]()

    def call() -> None:
        try:
            end.set_result(function(block))
        except BaseException as error:
            end.set_exception(error)

    Thread(target=call, daemon=True, name=what).start()
    wait([end], timeout=seconds)
    if not end.done():
        raise ExecutionError(
            f"{what} has run for more than {seconds:g} s on {gethostname()}; expected it to end within its limit. Look "
            "at what it waits for, or raise limit=. The call goes on until it ends or its process does."
        )
    return end.result()
