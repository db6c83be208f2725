"""Embedded and official files, verified by SHA-256 before use, and their download."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path


@dataclass(frozen=True)
class Asset:
    """A file that is published elsewhere, pinned by its size in bytes and its SHA-256 (64 lower-case hex digits)."""

    name: str
    url: str
    bytes: int
    sha256: str


class AssetError(Exception):
    """A file that cannot be had. One paragraph: which file, from where, what is wrong, what to do."""


OFFICIAL = {
    asset.name: asset
    for asset in (
        Asset(
            name="srcnn.pth",
            url="https://download.openmmlab.com/mmediting/restorers/srcnn/"
            "srcnn_x4k915_1x16_1000k_div2k_20200608-4186f232.pth",
            bytes=85_911,
            sha256="4186f23210c64284539358c7e8757b1b32cd8f6ae56e4a9fd1e7e195f29efaa9",
        ),
        Asset(
            name="face.png",
            url="https://raw.githubusercontent.com/open-mmlab/mmediting/master/tests/data/face/000001.png",
            bytes=117_640,
            sha256="a225b6609bf50cc8e285858cc040e012f4a463b99a05e1d5654bc04262bedb47",
        ),
    )
}
"""The document's checkpoint and picture, by name.

They are downloaded, not shipped: the weights carry no licence of their own, and the picture is of a real person.
"""

FOLDER_VARIABLE = "ONNXPROOF_ASSETS"
"""Environment variable that names a folder with the official files; nothing is downloaded while it is set."""

TIMEOUT = (4, 10)
"""Seconds to wait for a connection, and for the next part of an answer."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file as 64 lower-case hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def official(name: str, *, progress: bool = False) -> Path:
    """Gets an official file from the folder in `ONNXPROOF_ASSETS`, else from the user's cache, else from its address.

    With `progress`, a download shows a bar on stderr. Returns the path of the verified file. Raises `AssetError` when
    the file is not available.
    """
    asset = OFFICIAL[name]
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return _cached(asset, progress)
    path = Path(folder, name)
    if wrong := defect(path, asset.sha256):
        raise AssetError(
            f"{wrong}. {FOLDER_VARIABLE} names the folder {folder}: "
            f"put the file from {asset.url} there as {name}, or unset the variable to download it."
        )
    return path


def verify_sums(folder: Path) -> dict[str, Path]:
    """The files that `folder/SHA256SUMS` lists, by name, each verified; the format is that of `sha256sum`.

    Raises `AssetError` at a line it cannot read, a file that is missing, or a digest that differs.
    """
    sums = folder / "SHA256SUMS"
    files = {}
    try:
        lines = sums.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise AssetError(f"{sums} cannot be read: {error.strerror}. Restore it from the repository.") from error
    for number, line in enumerate(lines, start=1):
        entry = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
        if entry is None:
            raise AssetError(f"{sums}, line {number} is not `SHA-256  name`: {line!r}. Write the file with sha256sum.")
        digest, name = entry.groups()
        if wrong := defect(folder / name, digest):
            raise AssetError(f"{wrong}. {sums} lists it: restore the file from the repository.")
        files[name] = folder / name
    return files


def defect(path: Path, digest: str) -> str | None:
    """What is wrong with a file: it cannot be read, or its SHA-256 is not `digest`; None when it is as it should be."""
    try:
        found = sha256(path)
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return None if found == digest else f"{path} has the SHA-256 {found} in place of {digest}"


def _cached(asset: Asset, progress: bool) -> Path:
    """Gets a file from the user's cache, and downloads it first when it is missing or differs."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    cache = pooch.create(
        path=pooch.os_cache("onnxproof"),
        base_url="",
        registry={asset.name: asset.sha256},
        urls={asset.name: asset.url},
        retry_if_failed=2,
    )
    try:
        return Path(cache.fetch(asset.name, downloader=partial(_download, asset, progress)))
    except (OSError, ValueError) as error:
        reason = "".join(filter(str.isprintable, _reason(error)))  # a server can send a terminal's control characters
        raise AssetError(
            f"{asset.name} cannot be downloaded from {asset.url} to {cache.path}: {reason.rstrip('.')}. "
            f"Try again later, or set {FOLDER_VARIABLE} to a folder that holds the file."
        ) from error


def _download(asset: Asset, progress: bool, url: str, path: str, _pooch: object) -> None:
    """Writes what `url` sends to `path`. Raises `ValueError` when that is more than `asset.bytes`."""
    import requests
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with requests.get(url, stream=True, timeout=TIMEOUT) as answer:
        answer.raise_for_status()
        with (
            Path(path).open("wb") as file,
            Progress(*columns, console=Console(stderr=True), disable=not progress) as bar,
        ):
            task = bar.add_task(asset.name, total=asset.bytes)
            for part in answer.iter_content(16 * 1024):
                bar.advance(task, file.write(part))
                if file.tell() > asset.bytes:
                    raise ValueError(f"the answer is longer than the file's {asset.bytes:,} bytes")


def _reason(error: Exception) -> str:
    """The message of an error, or that of the error that `requests` wraps in it."""
    wrapped = next(iter(error.args), None)
    cause = getattr(wrapped, "reason", wrapped)
    return str(cause.args[0]) if isinstance(cause, Exception) and cause.args else str(error)
