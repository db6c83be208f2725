"""The picture of a loss in docs/loss.md: `python -m docs.loss_picture` follows the page, and takes it in Chromium."""

import os
import shlex
import tempfile
from pathlib import Path

from docs.page_picture import ROOT, take
from onnxproof.cli import main
from tests.harness.pages import Reader, blocks, commands, in_a_process

PAGE, PICTURE = ROOT / "docs" / "loss.md", ROOT / "docs" / "loss.png"


def run() -> None:
    """Makes the page's file in an empty folder, asks where its loss is made, and takes a picture of the chart."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        list(Reader(lambda _: (0, "")).follow([block for block in blocks(PAGE) if block.text.startswith("# ")]))
        in_a_process(["python", "quantize.py"])
        command = next(line for line in commands(PAGE) if "--where" in line)
        main(shlex.split(command, comments=True)[1:])
        take(Path("report/index.html").resolve(), PICTURE, ".losses .scroll")


if __name__ == "__main__":
    run()
