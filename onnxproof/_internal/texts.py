"""Texts from outside, fit for a terminal."""

import re


def one_line(error: object, most: int = 500) -> str:
    """The text of an error on one line, of `most` characters."""
    return printable(re.sub(r"\s+", " ", str(error)).strip()[:most])


def printable(text: str) -> str:
    """`text` without characters that command a terminal; they are written as Python escapes."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
