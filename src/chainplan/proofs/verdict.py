"""What has become of the claims of a plan file: one standing per claim, the worst of which is that of the file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from chainplan.errors import PlanError
from chainplan.plans.replay import Replay


class ClaimStanding(Enum):
    """What has become of a claim, and of all claims of a file; the worst standing comes last."""

    PROVEN = "proven again"
    CLAIMED = "NOT proven again: claimed by the file only"
    REFUTED = "refuted"


@dataclass(frozen=True)
class ClaimFinding:
    """What has become of one claim, in words."""

    standing: ClaimStanding
    said: str


@dataclass(frozen=True)
class ProofVerdict:
    """What has become of the claims of a file; `replay` is that of its plan, None where that is missing or wrong.

    `str(verdict)` is the last line of `chainplan check`.
    """

    findings: tuple[ClaimFinding, ...]
    replay: Replay | None = None

    @property
    def standing(self) -> ClaimStanding:
        """The standing of the worst finding; a file that claims nothing is proven."""
        order = list(ClaimStanding)
        return max((f.standing for f in self.findings), key=order.index, default=ClaimStanding.PROVEN)

    def __str__(self) -> str:
        standing = self.standing
        if standing is not ClaimStanding.REFUTED:
            return str(standing.value)
        return f"refuted: {' '.join(next(f.said for f in self.findings if f.standing is standing).split())}"


def refuted(error: PlanError) -> ProofVerdict:
    """The verdict on a file with a wrong plan or a wrong figure."""
    return ProofVerdict((ClaimFinding(ClaimStanding.REFUTED, str(error)),))
