"""Runs the listings in order, as a reader does in one session: `python tests/listings/run.py FOLDER`.

The folder has face.png and srcnn.pth. What becomes of each listing is left there in outcomes.json: the error that it
ends with, the warnings that a reader sees, what it prints, and the files that it writes. After an error the next
listing runs all the same.
"""

import argparse
import contextlib
import functools
import io
import json
import os
import warnings
from pathlib import Path

LISTINGS = sorted(Path(__file__).resolve().parent.glob("[0-9]*.py"))


def main():
    parser = argparse.ArgumentParser(description="Runs the listings in order, as a reader does in one session.")
    parser.add_argument("folder", type=Path, help="has face.png and srcnn.pth, and gets what the listings write")
    parser.add_argument("--dynamo-false", action="store_true", help="add dynamo=False to every torch.onnx.export")
    arguments = parser.parse_args()
    os.chdir(arguments.folder)
    if arguments.dynamo_false:
        import torch

        torch.onnx.export = functools.partial(torch.onnx.export, dynamo=False)
    session = {"__name__": "__main__"}
    outcomes = {listing.stem.partition("_")[2]: run(listing, session) for listing in LISTINGS}
    Path("outcomes.json").write_text(json.dumps(outcomes, indent=1), encoding="utf-8")


def run(listing, session):
    before, printed, error = files(), io.StringIO(), ""
    code = compile(listing.read_text(encoding="utf-8"), listing, "exec")
    with warnings.catch_warnings(record=True) as heard, contextlib.redirect_stdout(printed):
        try:
            exec(code, session)
        except Exception as raised:
            error = f"{type(raised).__name__}: {raised}"
    return {
        "error": error,
        "warnings": [f"{warning.category.__name__}: {warning.message}" for warning in heard],
        "printed": printed.getvalue(),
        "files": sorted(name for name, _ in files() - before),
    }


def files():
    """The files of the folder, each with the time of its last change."""
    return {(path.name, path.stat().st_mtime_ns) for path in Path().iterdir()}


if __name__ == "__main__":
    main()
