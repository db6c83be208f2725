"""Long messages, shown in short."""

import textwrap

LONGEST = 260
"""The length up to which a text is shown whole."""

HEAD, TAIL = 110, 130
"""How much is shown of the beginning of a longer one, and of its last clause."""


def in_short(text: str) -> str:
    """The beginning of a long text and its last clause, which says who is responsible; "" for a short text."""
    if len(text) <= LONGEST:
        return ""
    head = textwrap.shorten(text[:HEAD], HEAD, placeholder="").rpartition(" ")[0] or text[:HEAD]
    last = text.rpartition("; ")[2]
    return f"{head} …{f' {last}' if len(last) <= TAIL else ''}"
