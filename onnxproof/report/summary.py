"""The sentence that a page opens with."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from onnxproof.report.latencies import fastest
from onnxproof.report.runs import Run
from onnxproof.report.tables import conversions
from onnxproof.report.trials import case_trials
from onnxproof.results import ClaimVerdict, Latency, count_gravest

MOST_NAMED = 3
"""The most contenders that are named as the fastest on some workloads."""


@dataclass(frozen=True)
class Phrase:
    """A part of the sentence; `kind` is good, known, bad or plain."""

    text: str
    kind: str = "plain"


def sentence(runs: Sequence[Run]) -> list[Phrase]:
    """Says what holds, what fails and what was timed."""
    parts = (_of_claims, _of_pictures, _of_conversions, _of_refused, _of_trials)
    judged = list(filter(None, (part(runs) for part in parts)))
    timed = list(filter(None, [_of_latency(runs)]))
    phrases = [Phrase(f"{_where(runs, only_timed=not judged)}, ")]
    for number, part in enumerate(judged + timed or [[Phrase("nothing was recorded")]]):
        phrases += [Phrase("; ")] * bool(number) + part
    return [*phrases, Phrase(".")]


def _where(runs: Sequence[Run], *, only_timed: bool) -> str:
    if len(runs) > 1:
        return f"In {len(runs)} {'runs' if only_timed else 'environments'}"
    machine = runs[0].results.machine
    return f"On {machine}" if machine and only_timed else f"With {runs[0].label}"


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


def _of_trials(runs: Sequence[Run]) -> list[Phrase]:
    found = [each for run in runs for each in case_trials(run)]
    if not found:
        return []
    caught, tried = sum(each.caught for each in found), sum(each.tried for each in found)
    return [
        Phrase(
            f"{caught} of {_number(tried, 'fault')} put into right files {'is' if caught == 1 else 'are'} caught",
            "good" if caught == tried else "known",
        )
    ]


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
    failing = [each for each in found if each.item.fails]
    failures = sum(len(each.runs) for each in failing)
    worst = failing[0].item if failures == 1 else None
    checks = ", ".join(finding.name for finding in worst.failing) if worst else ""
    unsure = sum(len(each.runs) for each in found if each.item.undecided)
    undecided = [Phrase(", "), Phrase(_number(unsure, "is undecided", "are undecided"), "known")] if unsure else []
    if worst and checked == 1:
        count = f"fails {len(worst.failing)} of {_number(len(worst.findings), 'check')}"
        return [Phrase(f"{worst.name} "), Phrase(count, "bad"), Phrase(f": {checks}")]
    phrases = [Phrase(f"of {_number(checked, 'conversion')} checked "), _failing(failures), *undecided]
    return [*phrases, Phrase(f": {worst.name} in {checks}")] if worst else phrases


def _of_refused(runs: Sequence[Run]) -> list[Phrase]:
    refused = [each for run in runs for each in run.results.refused]
    if not refused:
        return []
    if any(run.results.findings for run in runs):
        which = f"{_number(len(refused), 'case')} could not"
    else:
        which = f"{refused[0].case} could not" if len(refused) == 1 else f"none of {len(refused)} cases could"
    return [Phrase(f"{which} be checked", "bad")]


def _of_latency(runs: Sequence[Run]) -> list[Phrase]:
    latencies = [latency for run in runs for latency in run.results.latency if latency.timings]
    if not latencies:
        return []
    contenders = len({timing.name for latency in latencies for timing in latency.timings})
    cases = list(dict.fromkeys(latency.case for latency in latencies))
    what = cases[0] if len(cases) == 1 else f"{len(cases)} workloads"
    start = Phrase(f"{_number(contenders, 'contender was', 'contenders were')} timed on {what}")
    if contenders == 1:
        return [start, *_of_one(latencies)]
    if len(latencies) == 1:
        return [start, Phrase(": "), *_of_workload(latencies[0])]
    return [start, Phrase(": "), *_of_workloads([_name_of_fastest(latencies, case) for case in cases])]


def _of_one(latencies: Sequence[Latency]) -> list[Phrase]:
    """The time of the only contender on the only workload."""
    if len(latencies) > 1:
        return []
    (timing,) = latencies[0].timings
    return [Phrase(": "), Phrase(timing.name, "good"), Phrase(f" takes {1000 * timing.median:.3g} ms")]


def _of_workload(latency: Latency) -> list[Phrase]:
    """The fastest contender beside the baseline, or beside the next one if it is the baseline."""
    first, *rivals = fastest(latency)
    if rivals:
        return [Phrase(f"{first.name} is not clearly faster than {', '.join(rival.name for rival in rivals)}")]
    is_fastest = [Phrase(first.name, "good"), Phrase(" is the fastest")]
    if first.name != latency.baseline:
        return [*is_fastest, Phrase(f" and takes {first.ratio} times as long as {latency.baseline}")]
    second = sorted(latency.timings, key=lambda timing: timing.ratio.median)[1]
    return [*is_fastest, Phrase(f", and {second.name}, the next, takes {second.ratio} times as long")]


def _of_workloads(names: Sequence[str]) -> list[Phrase]:
    """How many workloads each contender is the fastest on; "" stands for one on which that is uncertain."""
    counts = Counter(filter(None, names)).most_common()
    if not counts:
        return [Phrase("which is the fastest is uncertain")]
    if counts[0][1] == len(names):
        return [Phrase(counts[0][0], "good"), Phrase(f" is the fastest{' on all of them' * (len(names) > 1)}")]
    parts = [[Phrase(name, "good"), Phrase(f" on {count}")] for name, count in counts[:MOST_NAMED]]
    if others := counts[MOST_NAMED:]:
        parts.append([Phrase(f"{_number(len(others), 'other')} on {sum(count for _, count in others)}")])
    if "" in names:
        parts.append([Phrase(f"uncertain on {names.count('')}")])
    phrases = [Phrase("the fastest is ")]
    for number, part in enumerate(parts):
        phrases += [Phrase(", ")] * bool(number) + part
    return phrases


def _name_of_fastest(latencies: Sequence[Latency], case: str) -> str:
    """The one contender that is the fastest on a workload in every run, or ""."""
    found = [fastest(latency) for latency in latencies if latency.case == case]
    names = {timing.name for timings in found for timing in timings}
    return names.pop() if len(names) == 1 else ""


def _failing(count: int) -> Phrase:
    return Phrase(_number(count, "fails", "fail"), "bad") if count else Phrase("none fails", "good")


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
