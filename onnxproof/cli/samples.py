"""The loss and the samples that the command line states."""

import argparse
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from onnxproof._internal.texts import one_line
from onnxproof.case import Case
from onnxproof.cli.error import CommandError

LABEL = "label"
"""The array of a sample's file that a score compares the outputs with."""


def with_loss(case: Case, arguments: argparse.Namespace) -> Case:
    """The case with the loss and the samples of the command line in place of its own.

    Raises `CommandError` for a folder without samples, and `CaseError` for a loss that cannot be read.
    """
    if arguments.samples:
        case = replace(case, samples=_in_folder(arguments.samples, bool(case.score)))
    if arguments.loss is not None:
        case = replace(case, loss=arguments.loss)
    if arguments.samples and not case.loss:
        raise CommandError('--samples: no loss is stated; say what is accepted, such as --loss "agrees >= 99%"')
    return case


def arrays_in(option: str, path: str | Path) -> dict[str, Any]:
    """The arrays in a .npz file, by name. Raises `CommandError`, which begins with the option."""
    try:
        if Path(path).is_file() and not zipfile.is_zipfile(path):
            raise ValueError("not a .npz file")
        with np.load(path, allow_pickle=False) as found:
            if not found.files:
                raise ValueError("it holds no array")
            return {name: found[name] for name in found.files}
    except FileNotFoundError as error:
        raise CommandError(f"{option} {path}: no such file") from error
    except IsADirectoryError as error:
        raise CommandError(f"{option} {path}: a folder; name a .npz file in it") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CommandError(
            f"{option} {path}: {one_line(error)}; write it with numpy.savez(path, name=array), an array for each input"
        ) from error


def _in_folder(folder: str, have_labels: bool) -> Callable[[], Iterator[Any]]:
    """Reads the samples of a folder, one at a time."""
    files = sorted(Path(folder).glob("*.npz"))
    if not files:
        what = "no .npz file in it" if Path(folder).is_dir() else "no such folder"
        raise CommandError(f"--samples {folder}: {what}; write each sample with numpy.savez(path, name=array)")

    def read() -> Iterator[Any]:
        for path in files:
            inputs = arrays_in("--samples", path)
            if have_labels and LABEL not in inputs:
                raise CommandError(f"--samples {path}: no array {LABEL!r} beside the inputs, which a score needs")
            yield (inputs, inputs.pop(LABEL)) if have_labels else inputs

    return read
