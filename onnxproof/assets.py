"""Embedded and official files, checked by SHA-256 before they are used; downloads.

The digest is what is trusted: not the connection, the server, or a file that was right yesterday.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import requests
from platformdirs import user_cache_path
from requests.adapters import HTTPAdapter
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from urllib3.util import Retry

from onnxproof.files import write_whole


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

RETRIES = Retry(
    total=2,
    backoff_factor=0.5,
    status_forcelist=(429, 500, 502, 503, 504),
    raise_on_status=False,  # the last answer is more telling than the count of attempts
    respect_retry_after_header=False,  # a server may ask for minutes
)

PART = 16 * 1024
"""Bytes read from an answer at a time."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file as 64 lower-case hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def official(name: str, *, progress: bool = False) -> Path:
    """The verified file `name`, a key of `OFFICIAL`: from the folder in `ONNXPROOF_ASSETS`, else from the user's cache.

    What the cache lacks is downloaded, with a bar on stderr if `progress` is set. Raises `AssetError` when the file
    cannot be had.
    """
    asset = OFFICIAL[name]
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return cached(asset, user_cache_path("onnxproof", appauthor=False), progress=progress)
    path = Path(folder, name)
    if wrong := defect(path, asset.sha256):
        raise AssetError(
            f"{wrong}. {FOLDER_VARIABLE} names the folder {folder}: put {name} there, "
            f"as it is at {asset.url}, or unset the variable to have it downloaded."
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


def cached(asset: Asset, folder: Path, *, progress: bool = False) -> Path:
    """The file of `asset` in `folder`, downloaded when it is not there or not as it should be."""
    path = folder / asset.name
    if defect(path, asset.sha256) is None:
        return path
    content = download(asset, progress=progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return write_whole(path, content)
    except OSError as error:
        raise AssetError(
            f"{asset.name} was downloaded from {asset.url} but cannot be written to {folder}: {error.strerror}. "
            f"Make room there or make it writable, or set {FOLDER_VARIABLE} to a folder that holds the file."
        ) from error


def download(asset: Asset, *, progress: bool = False) -> bytes:
    """The verified content of `asset.url`, kept in memory: a download that is broken off leaves nothing on the disk."""
    content = bytearray()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    bar = Progress(*columns, console=Console(stderr=True), disable=not progress)
    try:
        with requests.Session() as session, bar:
            for scheme in ("https://", "http://"):
                session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
            with session.get(asset.url, stream=True, timeout=TIMEOUT) as answer:
                if answer.status_code != requests.codes.ok:
                    raise _refused(asset, f"the server answers {answer.status_code} {answer.reason}")
                task = bar.add_task(asset.name, total=asset.bytes)
                for part in answer.iter_content(PART):
                    content += part
                    bar.update(task, completed=len(content))
                    if len(content) > asset.bytes:
                        raise _refused(asset, f"the answer is too large, the file has {asset.bytes:,} bytes")
    except requests.exceptions.ChunkedEncodingError as error:
        raise _refused(asset, "the connection broke off") from error
    except (OSError, ValueError) as error:  # what requests raises, and what comes through it at a senseless answer
        raise _refused(asset, getattr(next(iter(error.args), None), "reason", error)) from error
    if len(content) < asset.bytes:
        raise _refused(asset, f"the answer is too short, {len(content):,} of {asset.bytes:,} bytes")
    found = hashlib.sha256(content).hexdigest()
    if found != asset.sha256:
        raise _refused(asset, f"the answer has the SHA-256 {found} in place of {asset.sha256}")
    return bytes(content)


def _refused(asset: Asset, reason: object) -> AssetError:
    said = "".join(filter(str.isprintable, str(reason)))  # a server may say what commands a terminal
    return AssetError(
        f"{asset.name} cannot be downloaded from {asset.url}: {said}. "
        f"Try again later, or set {FOLDER_VARIABLE} to a folder that holds the file."
    )
