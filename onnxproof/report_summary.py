"""What a report says in one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

from onnxproof.claims import DEPARTS, FAILING, HOLDS, NOT_APPLICABLE, count_gravest
from onnxproof.report_tables import conversions
from onnxproof.runs import Run


@dataclass(frozen=True)
class Phrase:
    """A part of the sentence that a report opens with; `kind` is good, known, bad or plain."""

    text: str
    kind: str = "plain"


def sentence(runs: Sequence[Run]) -> list[Phrase]:
    """What holds and what does not, in words."""
    where = f"With {runs[0].label}" if len(runs) == 1 else f"In {len(runs)} environments"
    parts = [part for part in (_of_claims(runs), _of_pictures(runs), _of_conversions(runs)) if part]
    phrases = [Phrase(f"{where}, ")]
    for number, part in enumerate(parts or [[Phrase("nothing was judged")]]):
        phrases += [Phrase("; ")] * bool(number) + part
    return [*phrases, Phrase(".")]


def _of_claims(runs: Sequence[Run]) -> list[Phrase]:
    counts = count_gravest((claim.id, claim.verdicts.values()) for run in runs for claim in run.results.claims)
    if not counts:
        return []
    several = len(runs) > 1
    holds = "holds" if counts[HOLDS] == 1 else "hold"
    parts = [Phrase(f"{counts[HOLDS]} of {_number(sum(counts.values()), 'claim')} {holds}", "good")]
    if several:
        parts.append(Phrase(" everywhere"))
    if counts[DEPARTS]:
        parts += [Phrase(", "), Phrase(_number(counts[DEPARTS], "departs", "depart"), "known")]
        parts.append(Phrase(" somewhere for a known reason" if several else " for a known reason"))
    if counts[NOT_APPLICABLE]:
        parts.append(Phrase(f", {_number(counts[NOT_APPLICABLE], 'says', 'say')} nothing here"))
    fails = (
        Phrase(_number(counts[FAILING], "fails", "fail"), "bad") if counts[FAILING] else Phrase("none fails", "good")
    )
    return [*parts, Phrase(", and "), fails]


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
    made = sum(len(each.runs) for each in found)
    if not made:
        return []
    failing = sum(len(each.runs) for each in found if each.item.fails)
    start = f"of {_number(made, 'conversion')} checked "
    return [
        Phrase(start),
        Phrase(_number(failing, "fails", "fail"), "bad") if failing else Phrase("none fails", "good"),
    ]


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
