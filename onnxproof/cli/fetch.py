"""The command `onnxproof fetch`."""

import argparse
import sys

from onnxproof.claims.assets import OFFICIAL, AssetError, official
from onnxproof.cli.error import CommandError


def fetch(arguments: argparse.Namespace) -> None:
    """Prints the SHA-256 and the path of each named official file, or of all of them."""
    for name in arguments.names or OFFICIAL:
        try:
            path = official(name, progress=sys.stderr.isatty())
        except AssetError as error:
            raise CommandError(error) from error
        print(f"{OFFICIAL[name].sha256}  {path}", flush=True)
