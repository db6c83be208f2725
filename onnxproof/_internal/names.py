"""Suggestions for mistyped names."""

import argparse
from collections.abc import Callable, Iterable
from difflib import get_close_matches


def suggestion(text: str, names: Iterable[str], likeness: float = 0.6) -> str:
    """The end of a sentence on `text` that asks for the nearest of `names`; "" if none is near."""
    nearest = get_close_matches(text, list(names), 1, likeness)
    return f", did you mean {nearest[0]!r}?" if nearest else ""


def unknown(text: str, names: Iterable[str]) -> str:
    """A message that `text` is not among `names`, with the nearest one, or with all."""
    names = list(names)
    return f"{text!r} is unknown" + (suggestion(text, names) or f", choose {' or '.join(names)}")


def one_of(names: Iterable[str]) -> Callable[[str], str]:
    """The `type` of an argument that is one of `names`."""

    def known(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(unknown(text, names))
        return text

    return known
