"""jacobian(f): what a user calls and how it is shaped; which program computes it is decided in `choice`."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import partial, update_wrapper

import torch
from torch import Tensor
from torch.fx import GraphModule

from chainplan.errors import ArgumentError
from chainplan.torch.call import TensorCall, key_of, one_point, ordinary
from chainplan.torch.choice import Asked, Chosen, chosen
from chainplan.torch.surroundings import surroundings
from chainplan.torch.trace import aside
from chainplan.torch.types import TensorTree, TreeFunction

MAX_KEPT_PROGRAMS = 64
"""The most programs that a Jacobian keeps, one for each set of shapes."""


class _Entry:
    """A program for some shapes; `unchanged` says whether the function still reads what it read when it was traced."""

    def __init__(self, made: Chosen, call: TensorCall, unchanged: Callable[[], bool]) -> None:
        self.made, self.call, self.unchanged = made, call, unchanged
        self.run = None if made.graph is None else made.graph.forward
        self.plain = call.plain


class Jacobian:
    """The Jacobian of a function, as `jacobian` makes it; it is called, and shaped, like `torch.func.jacrev(f)`.

    Parameters
    ----------
    f : TreeFunction
        The function.
    argnums : int | tuple[int, ...]
        The positions of the arguments to differentiate by.
    chunk : int | None
        The most columns or rows that are sent at a time; None sends all at once.
    tune : bool
        Whether programs are timed at the first call of each set of shapes.

    Examples
    --------
    >>> import torch
    >>> made = jacobian(lambda x, w: torch.tanh(w @ x))
    >>> x, w = torch.ones(3), torch.eye(3)[:2]
    >>> made(x, w).shape, made.way(x, w) in ("plan", "jacrev", "jacfwd")
    (torch.Size([2, 3]), True)
    """

    def __init__(self, f: TreeFunction, argnums: int | tuple[int, ...], chunk: int | None, tune: bool) -> None:
        self._f, self._argnums, self._chunk, self._tune = f, argnums, chunk, tune
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._warned = False
        if hasattr(f, "__name__"):
            update_wrapper(self, f, updated=())

    def __call__(self, *args: TensorTree) -> TensorTree:
        """Compute the Jacobian at some arguments, in the trees of the results and of the arguments.

        Parameters
        ----------
        *args : TensorTree
            The arguments of the function.

        Returns
        -------
        TensorTree
            The blocks of the Jacobian, as `torch.func.jacrev` nests them.
        """
        entry, leaves = self._entry(args)
        if entry is None or entry.run is None:
            return torch.func.jacrev(self._f, self._argnums, chunk_size=self._chunk)(*args)
        blocks = entry.run(*leaves)
        return blocks[0] if entry.plain else entry.call.nested(blocks)

    def graph_module(self, *args: TensorTree) -> GraphModule:
        """Return the program for arguments of these shapes, as a graph of PyTorch operations.

        It takes the tensors among the arguments and gives a list of blocks, by result and argument. It holds the
        tensors that the function reads beside its arguments, and runs under `torch.compile` and `torch.vmap`.

        Parameters
        ----------
        *args : TensorTree
            Arguments of the function; their shapes, dtypes and devices decide.

        Returns
        -------
        GraphModule
            The graph.

        Raises
        ------
        ArgumentError
            If there is no such program; the message says why.
        """
        entry, _ = self._entry(args)
        if entry is None or entry.made.graph is None:
            why = "the arguments are not real tensors with entries" if entry is None else entry.made.reason
            raise ArgumentError(
                f"f: found a function without a program, because {why}; expected one that can be traced. "
                "Call the Jacobian itself, which torch.func.jacrev then computes."
            )
        return entry.made.graph

    def way(self, *args: TensorTree) -> str:
        """Say how the Jacobian at arguments of these shapes is computed.

        Parameters
        ----------
        *args : TensorTree
            Arguments of the function.

        Returns
        -------
        str
            "plan", "jacrev" or "jacfwd".
        """
        return self.choice(*args).way

    def choice(self, *args: TensorTree) -> Chosen:
        """Return the way for arguments of these shapes, with its program and what the plan promises.

        Parameters
        ----------
        *args : TensorTree
            Arguments of the function.

        Returns
        -------
        Chosen
            The way; "jacrev" without a program where the arguments are left to PyTorch.
        """
        entry, _ = self._entry(args)
        return Chosen("jacrev") if entry is None else entry.made

    def _entry(self, args: Sequence[TensorTree]) -> tuple[_Entry | None, list[Tensor]]:
        """Return the kept program for some arguments, made first where there is none, and the tensors it takes."""
        try:
            key, leaves, batch = key_of(args)
        except TypeError:
            return None, []
        entry = self._entries.get(key)
        if entry is not None and entry.unchanged():
            return entry, leaves
        if not ordinary(args, self._argnums, leaves):
            return None, []
        entry = self._made(args, leaves, batch)
        self._entries[key] = entry
        while len(self._entries) > MAX_KEPT_PROGRAMS:
            self._entries.popitem(last=False)
        return entry, leaves

    def _made(self, args: Sequence[TensorTree], leaves: Sequence[Tensor], batch: int) -> _Entry:
        call = TensorCall(self._f, self._argnums, args)
        points = [one_point(leaf) for leaf in leaves]
        known = [point for point in points if point is not None]
        asked = Asked(call.function, known, call.active, self._chunk, self._tune, batch)
        made = aside(lambda: chosen(asked))
        if made.by_values and not self._warned:
            self._warned = True
            warnings.warn(f"chainplan.torch.jacobian: {made.reason}.", stacklevel=4)
        return _Entry(made, call, surroundings(partial(self._f, *call.followed) if call.followed else self._f))


def jacobian(
    f: TreeFunction,
    argnums: int | Sequence[int] = 0,
    *,
    chunk: int | None = None,
    tune: bool = False,
) -> Jacobian:
    """Make the Jacobian of a function by the cheapest order; it is called, and shaped, like `torch.func.jacrev`.

    Parameters
    ----------
    f : TreeFunction
        A function of tensors, or trees of them, that PyTorch can differentiate.
    argnums : int | Sequence[int]
        The positions of the arguments to differentiate by.
    chunk : int | None
        The most columns or rows that are sent through a mode, or through an operation without a structure, at a time.
        None sends all at once. Fewer take less memory.
    tune : bool
        Whether the programs of the plan, of jacrev and of jacfwd are timed at the first call of each set of shapes, and
        the fastest is kept; otherwise their times are predicted. Under `torch.vmap` they are timed on a batch.

    Returns
    -------
    Jacobian
        A function of the arguments of f. It traces f at its first call for each set of shapes, dtypes and devices, and
        again where f reads other tensors or numbers than before.

    Raises
    ------
    ArgumentError
        If f is no function, or an option is not of its kind.

    Warns
    -----
    UserWarning
        If the steps of f depend on values: the Jacobian is then computed by `torch.func.jacrev`.

    Examples
    --------
    >>> import torch
    >>> jacobian(lambda x: x**2)(torch.tensor([1.0, 3.0])).tolist()
    [[2.0, 0.0], [0.0, 6.0]]
    """
    if not callable(f):
        raise ArgumentError(f"f: found {f!r:.60}; expected a function of tensors. Pass the function itself.")
    if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise ArgumentError(f"chunk: found {chunk!r:.60}; expected a whole number from 1, or None. Write chunk=64.")
    if not isinstance(tune, bool):
        raise ArgumentError(f"tune: found {tune!r:.60}; expected True or False. Write one of them.")
    places = argnums if isinstance(argnums, int) else tuple(argnums)
    named = (places,) if isinstance(places, int) else places
    if not named or any(isinstance(i, bool) or not isinstance(i, int) for i in named):
        raise ArgumentError(f"argnums: found {argnums!r:.60}; expected positions of arguments. Write argnums=(0, 1).")
    return Jacobian(f, places, chunk, tune)
