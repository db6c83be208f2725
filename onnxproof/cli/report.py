"""The command `onnxproof report`."""

import argparse
from pathlib import Path

from onnxproof.cli.error import CommandError
from onnxproof.report.page import write_report
from onnxproof.results import ResultsError


def make_report(arguments: argparse.Namespace) -> None:
    """Writes the page and prints its path. Raises `CommandError` if it cannot."""
    results = [Path(path, "results.json") if Path(path).is_dir() else Path(path) for path in arguments.results]
    try:
        print(write_report(results, arguments.output, arguments.faults))
    except ResultsError as error:
        raise CommandError(error) from error
    except OSError as error:
        raise CommandError(f"-o {arguments.output}: {error.strerror}; name a folder that can be written") from error
