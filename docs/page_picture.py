"""The README's picture of the page: `python -m docs.page_picture` checks the README's case and takes it in Chromium."""

import contextlib
import os
import shlex
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from onnxproof.cli import main
from tests.harness.pages import Reader, blocks, commands

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "page.png"
SIZE = {"width": 1000, "height": 720}
BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


def take(page: Path, picture: Path, part: str = "") -> None:
    """Writes a picture of the top of a page, or of a part of it, in 64 colours."""
    browser = next(path for path in BROWSERS if Path(path).exists())
    with (
        sync_playwright() as started,
        contextlib.closing(started.chromium.launch(executable_path=browser, args=["--no-sandbox"])) as chromium,
    ):
        tab = chromium.new_page(viewport=SIZE, color_scheme="light")
        tab.goto(page.as_uri())
        (tab.locator(part).first if part else tab).screenshot(path=picture)
    with Image.open(picture) as taken:
        taken.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(picture, optimize=True)


def run() -> None:
    """Follows the README's first command in an empty folder, and takes a picture of its page."""
    readme = ROOT / "README.md"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        list(Reader(lambda _: (0, "")).follow([block for block in blocks(readme) if block.text.startswith("# ")]))
        command = next(line for line in commands(readme) if line.startswith("onnxproof check"))
        main(shlex.split(command, comments=True)[1:])
        take(Path("report/index.html").resolve(), PICTURE)


if __name__ == "__main__":
    run()
