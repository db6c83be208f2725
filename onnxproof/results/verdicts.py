"""The words of a verdict: of a check on a conversion, and of a run on a document's claim."""

from collections import Counter
from collections.abc import Iterable
from enum import Enum


class _Verdict(str, Enum):
    def __str__(self) -> str:
        return str(self.value)


class CheckVerdict(_Verdict):
    """What a check says of a conversion."""

    HOLDS = "holds"
    FAILS = "fails"
    EXPECTED = "expected"
    UNDECIDED = "undecided"
    NOT_JUDGED = "not judged"

    @property
    def is_a_pass(self) -> bool:
        """Whether nothing is to be done about it."""
        return self not in (CheckVerdict.FAILS, CheckVerdict.UNDECIDED)


class ClaimVerdict(_Verdict):
    """What a run says of a document's claim."""

    HOLDS = "holds"
    DEPARTS = "departs"
    NOT_APPLICABLE = "not applicable"
    FAILING = "failing"


GRAVEST_FIRST = (ClaimVerdict.FAILING, ClaimVerdict.DEPARTS, ClaimVerdict.HOLDS, ClaimVerdict.NOT_APPLICABLE)

_PLURAL = {"holds": "hold", "fails": "fail", "departs": "depart", "expected": "fail as expected"}
_SINGULAR = {"expected": "fails as expected"}


def tally(verdicts: Iterable[_Verdict]) -> str:
    """The number of each verdict as text: `13 hold, 2 fail`."""
    counts = Counter(verdicts)
    order = [verdict for kind in {type(verdict) for verdict in counts} for verdict in kind]
    return ", ".join(f"{counts[v]} {(_SINGULAR if counts[v] == 1 else _PLURAL).get(v, v)}" for v in order if counts[v])


def gravest(verdicts: Iterable[ClaimVerdict]) -> ClaimVerdict:
    """The gravest of several verdicts."""
    return min(verdicts, key=GRAVEST_FIRST.index)


def count_gravest(found: Iterable[tuple[str, Iterable[ClaimVerdict]]]) -> Counter[ClaimVerdict]:
    """The number of claims with each verdict; a claim id that occurs several times counts with its gravest."""
    verdicts: dict[str, set[ClaimVerdict]] = {}
    for id, given in found:
        verdicts.setdefault(id, set()).update(given)
    return Counter(gravest(given) for given in verdicts.values() if given)
