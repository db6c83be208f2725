"""A loss that a user accepts, stated in one line: `agrees >= 99%`, `sqnr >= 30 dB in 95%`, `score >= -0.5 pp`."""

import re
from dataclasses import dataclass

from onnxproof._internal.names import suggestion

AGREES, SQNR, PSNR, SCORE = "agrees", "sqnr", "psnr", "score"
RATIOS = (SQNR, PSNR)
"""Ratios of the model's output to the error, in dB."""

FORMATS = ("float16", "bfloat16", "int8")

EXAMPLES = {
    AGREES: "agrees >= 99%",
    SQNR: "sqnr >= 30 dB in 95%",
    PSNR: "psnr >= 40 dB in 95%",
    SCORE: "score >= -0.5 pp",
}
"""A statement of each metric."""

CONFIDENCE = 0.95
"""How sure a verdict is, unless the statement says otherwise."""

_NUMBER = r"(?P<{}>[+-]?\d+(?:\.\d+)?)"
_SHARE = _NUMBER.format("share") + r"\s*%"
_RATIO = _NUMBER.format("least") + r"\s*dB(?:\s+in\s+" + _SHARE + ")?"
_BOUNDS = {AGREES: _SHARE, SQNR: _RATIO, PSNR: _RATIO, SCORE: _NUMBER.format("least") + r"\s*pp"}
_END = r"(?:\s+at\s+" + _NUMBER.format("confidence") + r"\s*%)?(?:\s*,\s*all\s+(?P<format>\w+))?"


class LossError(ValueError):
    """A statement that cannot be read; the message says how to write it."""


@dataclass(frozen=True)
class Loss:
    """A stated loss.

    `metric` is "agrees", "sqnr", "psnr" or "score". `least` is what a ratio is at least, in dB, or the difference of
    scores, in percentage points; `share` is the part of all inputs on which that holds, from 0 to 1. `confidence` is
    from 0 to 1. Every layer with weights is to be in the `format`, "" for any.
    """

    text: str
    metric: str
    least: float = 0.0
    share: float = 0.0
    confidence: float = CONFIDENCE
    format: str = ""

    def __str__(self) -> str:
        return self.text

    @property
    def is_ratio(self) -> bool:
        """Whether the metric is a ratio in dB."""
        return self.metric in RATIOS


def parse_loss(text: str) -> Loss:
    """The loss that a text states. Raises `LossError`."""
    if not isinstance(text, str):
        raise LossError(f"the loss is {text!r:.60}; write a text such as {EXAMPLES[AGREES]!r}")
    metric, rest = _metric_and_rest(text)
    found = re.fullmatch(r"\s*(?:>=|≥)\s*" + _BOUNDS[metric] + _END + r"\s*", rest, re.IGNORECASE)
    if not found:
        raise LossError(f"the loss {text!r} cannot be read; {_hint(metric, rest)}write it like {EXAMPLES[metric]!r}")
    parts = found.groupdict()
    share = _share(text, metric, parts.get("share"))
    confidence = float(parts["confidence"] or 100 * CONFIDENCE) / 100
    if not 0.5 <= confidence < 1:
        raise LossError(f"the loss {text!r} asks for a confidence of {100 * confidence:g} %; 50 to 99.99 can be had")
    least = float(parts.get("least") or 0)
    if metric == SCORE and not -100 < least < 100:
        raise LossError(f"the loss {text!r} is beyond 100 percentage points; write it like {EXAMPLES[SCORE]!r}")
    return Loss(" ".join(text.split()), metric, least, share, confidence, _format(text, parts["format"]))


def _metric_and_rest(text: str) -> tuple[str, str]:
    found = re.match(r"\s*([A-Za-z_]*)", text)
    name = found[1] if found else ""
    metric = name.lower()
    if metric not in EXAMPLES:
        near = suggestion(metric, EXAMPLES) or f"; write {' or '.join(map(repr, EXAMPLES.values()))}"
        raise LossError(f"the loss {text!r} begins with {name!r}, which is no metric{near}")
    return metric, text[found.end() if found else 0 :]


def _hint(metric: str, rest: str) -> str:
    """What is most likely amiss behind the metric."""
    if not re.match(r"\s*(>=|≥)", rest):
        return "after the metric stands >=; "
    unit = {AGREES: "%", SCORE: "pp"}.get(metric, "dB")
    return "" if unit.lower() in rest.lower() else f"it has no {unit}; "


def _share(text: str, metric: str, given: str | None) -> float:
    if metric == SCORE:
        return 0.0
    if given is None:
        raise LossError(f"the loss {text!r} does not say on how many inputs; write it like {EXAMPLES[metric]!r}")
    share = float(given) / 100
    if not 0 < share < 1:
        raise LossError(f"the loss {text!r} asks for {given}%; samples show more than 0% and less than 100%, say 99%")
    return share


def _format(text: str, given: str | None) -> str:
    name = (given or "").lower()
    if name and name not in FORMATS:
        near = suggestion(name, FORMATS) or f"; write {' or '.join(FORMATS)}"
        raise LossError(f"the loss {text!r} asks for all {name}, which is no format{near}")
    return name
