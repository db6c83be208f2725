"""The sentence that a page opens with."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnxproof.report.runs import Run
from onnxproof.report.tables import conversions
from onnxproof.results import ClaimVerdict, count_gravest


@dataclass(frozen=True)
class Phrase:
    """A part of the sentence; `kind` is good, known, bad or plain."""

    text: str
    kind: str = "plain"


def sentence(runs: Sequence[Run]) -> list[Phrase]:
    """Says what holds, what fails and what was timed."""
    where = f"With {runs[0].label}" if len(runs) == 1 else f"In {len(runs)} environments"
    parts = list(filter(None, (part(runs) for part in (_of_claims, _of_pictures, _of_conversions, _of_latency))))
    phrases = [Phrase(f"{where}, ")]
    for number, part in enumerate(parts or [[Phrase("nothing was judged")]]):
        phrases += [Phrase("; ")] * bool(number) + part
    return [*phrases, Phrase(".")]


def _of_claims(runs: Sequence[Run]) -> list[Phrase]:
    counts = count_gravest((claim.id, claim.verdicts.values()) for run in runs for claim in run.results.claims)
    if not counts:
        return []
    several = len(runs) > 1
    holding, departing, failing = (
        counts[verdict] for verdict in (ClaimVerdict.HOLDS, ClaimVerdict.DEPARTS, ClaimVerdict.FAILING)
    )
    parts = [Phrase(f"{holding} of {_number(counts.total(), 'claim')} {'holds' if holding == 1 else 'hold'}", "good")]
    if several:
        parts.append(Phrase(" everywhere"))
    if departing:
        parts += [Phrase(", "), Phrase(_number(departing, "departs", "depart"), "known")]
        parts.append(Phrase(" somewhere for a known reason" if several else " for a known reason"))
    if counts[ClaimVerdict.NOT_APPLICABLE]:
        parts.append(Phrase(f", {_number(counts[ClaimVerdict.NOT_APPLICABLE], 'does', 'do')} not apply"))
    return [*parts, Phrase(", and "), _failing(failing)]


def _of_pictures(runs: Sequence[Run]) -> list[Phrase]:
    compared = [comparison.pixels for run in runs for comparison in run.results.comparisons if comparison.pixels]
    wrong = sum(bool(pixels.wrong) for pixels in compared)
    if not compared:
        return []
    start = f"of {_number(len(compared), 'picture')} compared "
    if wrong:
        return [Phrase(start), Phrase(_number(wrong, "has", "have") + " wrong values", "bad")]
    return [Phrase(start), Phrase("none has a wrong value", "good")]


def _of_conversions(runs: Sequence[Run]) -> list[Phrase]:
    found = conversions(runs)
    if not found:
        return []
    checked = sum(len(each.runs) for each in found)
    start = f"of {_number(checked, 'conversion')} checked "
    return [Phrase(start), _failing(sum(len(each.runs) for each in found if each.item.fails))]


def _of_latency(runs: Sequence[Run]) -> list[Phrase]:
    latencies = [latency for run in runs for latency in run.results.latency]
    if not latencies:
        return []
    contenders = len({timing.name for latency in latencies for timing in latency.timings})
    cases = {latency.case for latency in latencies}
    what = cases.pop() if len(cases) == 1 else f"{len(cases)} workloads"
    return [Phrase(f"{_number(contenders, 'contender was', 'contenders were')} timed on {what}")]


def _failing(count: int) -> Phrase:
    return Phrase(_number(count, "fails", "fail"), "bad") if count else Phrase("none fails", "good")


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
