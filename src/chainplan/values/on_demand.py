"""A mapping of Jacobians that asks the caller's mapping for one when it is read, and not before.

To look whether a name is there reads nothing: the caller's mapping may compute what it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from chainplan.values.jacobians import GivenJacobian


class JacobiansOnDemand(Mapping[str, GivenJacobian]):
    """Jacobians under some names, each of which a function gives.

    Parameters
    ----------
    names : Iterable[str]
        The names.
    given : Callable[[str], GivenJacobian]
        Gives the Jacobian of a name.
    """

    def __init__(self, names: Iterable[str], given: Callable[[str], GivenJacobian]) -> None:
        self._names, self._given = dict.fromkeys(names), given

    def __getitem__(self, name: str) -> GivenJacobian:
        if name not in self._names:
            raise KeyError(name)
        return self._given(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
