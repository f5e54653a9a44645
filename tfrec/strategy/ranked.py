"""`Ranked`: candidates of a batch of queries with their scores, before slates are chosen of them."""

from typing import Any, NamedTuple

from tfrec.strategy.candidate_slate import CandidateSlate
from tfrec.strategy.merchandising import RulesInForce


class Ranked(NamedTuple):
    """Candidates of a batch of queries, before slates are chosen of them.

    Attributes:
        slate: `[B, C]` candidates with their scores.
        rules: the shop's rules in force.
        evidence: what the sources know.
    """

    slate: CandidateSlate
    rules: RulesInForce
    evidence: Any
