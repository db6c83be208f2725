"""What engines are known to do otherwise than ONNX says, or not to do: why a right file fails in one of them."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A failing of an engine, or of one of its options (`opencv:classic`): a `fact`, and what to do instead.

    A finding whose problem the regular expression `shows` matches is explained by it. `link` is a public page on it.
    """

    engine: str
    shows: str
    fact: str
    advice: str
    link: str = ""


KNOWN: tuple[Known, ...] = (
    Known(
        "opencv:classic",
        r"isDynamicShape|layer_id\.find\(node_proto\.input\(i\)\) == layer_id\.end\(\)",
        "it refuses a shape that is computed in the file.",
        "Use OpenCV's new engine, which OpenCV 5 has, or export for fixed sizes.",
        "https://github.com/opencv/opencv/wiki/OE-5.-DNN-engine",
    ),
)


def known(engine: str, problem: str) -> Known | None:
    """The failing of an engine that explains a problem; None if none is known."""
    return next((each for each in KNOWN if _is_of(each, engine) and re.search(each.shows, problem)), None)


def _is_of(each: Known, engine: str) -> bool:
    return each.engine in (engine, engine.partition(":")[0])
