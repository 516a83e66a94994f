"""The members of a team of searches in other processes or threads, and what these do there."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from uuid import uuid4

from chainplan.distributed.places import Places
from chainplan.problem.problem import Problem
from chainplan.solvers.teams.turns import Member, Turn, TurnAnswer


class RemoteAnswer:
    """A turn that was handed to a place."""

    def __init__(self, future: Future[TurnAnswer]) -> None:
        self._future = future

    def done(self) -> bool:
        """Whether the place has answered, or is lost."""
        return self._future.done()

    def wait(self, seconds: float) -> None:
        """Wait until it has, for at most so many seconds."""
        wait([self._future], seconds)

    def result(self) -> TurnAnswer | None:
        """The answer, None where the place was lost with it."""
        error = None if self._future.cancelled() else self._future.exception()
        if self._future.cancelled() or _is_loss(error):
            return None
        return self._future.result()


def _is_loss(error: BaseException | None) -> bool:
    """Whether a process was lost, which the others make up for."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, CancelledError | BrokenProcessPool) or "KilledWorker" in names


class RemoteCrew:
    """Members at places: each keeps the graph, and what it has proven, in the process where it took its last turn."""

    def __init__(self, places: Places, problem: Problem, members: int) -> None:
        self.members, self._places, self._name = members, places, uuid4().hex
        self._problem = places.send(problem)

    def submit(self, member: int, turn: Turn) -> RemoteAnswer:
        """Hand a turn to the place of a member."""
        task = self._places.executors[member].submit(search_turn, f"{self._name}-{member}", self._problem, turn)
        return RemoteAnswer(task)

    def end(self) -> None:
        """Tell the members to end their turns now; processes of an executor end them with the budget."""
        self._places.tell(_end_turns, self._name)


# At the places

_MEMBERS: dict[str, Member] = {}
"""Members that have taken a turn in this process, by the name of their team and their number."""
_ENDED_TEAMS: set[str] = set()
"""Names of teams that are over."""


def search_turn(member: str, problem: Problem, turn: Turn) -> TurnAnswer:
    """Take a turn as a member, which is new where it has not taken one in this process."""
    team = member.rpartition("-")[0]
    if team in _ENDED_TEAMS:
        return TurnAnswer(None)
    known = _MEMBERS.get(member)
    if known is None:
        known = _MEMBERS[member] = Member(problem)
    return known.take(turn, lambda: team in _ENDED_TEAMS)


def _end_turns(team: str) -> None:
    """Have the members of a team end their turns, and forget them."""
    _ENDED_TEAMS.add(team)
    for member in [one for one in _MEMBERS if one.startswith(team)]:
        _MEMBERS.pop(member, None)
