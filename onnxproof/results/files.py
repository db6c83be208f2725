"""results.json written and read, each file whole or refused."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from onnxproof.results.schema import SCHEMA, Results

Kind = TypeVar("Kind")


class ResultsError(Exception):
    """A results file that cannot be used; the message names the file and says what to do."""


@dataclass(frozen=True)
class _Version:
    schema: int


def as_json(content: object) -> str:
    """One of the classes above as JSON; NaN and infinities stand as Python's json writes them."""
    return json.dumps(msgspec.to_builtins(content), indent=1, sort_keys=True)


def read_results(path: str | os.PathLike[str]) -> Results:
    """The results in a file. Raises `ResultsError` for a file that is missing, broken, partial or of another schema."""
    content = read_json(path)
    found = typed(path, content, _Version).schema
    if found != SCHEMA:
        older = "run the suite again with this version" if found < SCHEMA else "use the newer version"
        raise ResultsError(f"{path}: schema {found}, and this onnxproof reads {SCHEMA}; {older}")
    return typed(path, content, Results)


def read_json(path: str | os.PathLike[str]) -> Any:
    """The content of a JSON file; NaN and infinities are read as Python writes them. Raises `ResultsError`."""
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; name a file that a run has left") from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: broken, not JSON ({error}); make it again") from error


def typed(path: str | os.PathLike[str], content: Any, kind: type[Kind]) -> Kind:
    """The content of a file as a `kind`. Raises `ResultsError` that says where it differs."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise ResultsError(f"{path}: not whole ({error}); make it again") from error
