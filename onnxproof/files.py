"""Files that are whole or not there, and work that is done once in a run, also by several processes."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def write_whole(path: str | os.PathLike[str], data: bytes) -> Path:
    """Writes `data` under a temporary name beside `path` and renames it: a killed run leaves nothing half-written."""
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        whole = Path(folder, path.name)
        whole.write_bytes(data)
        whole.replace(path)
    return path


def is_file(path: Path) -> bool:
    """Whether there is a file of this path, which may be too long, or no path at all."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def make_writable(folder: str | os.PathLike[str]) -> None:
    """Makes a folder now, for what is written at the end, when it is late to find out. Raises `OSError`."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def made_once(folder: Path, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `folder/key`, filled by `make` for the first process that asks; the others wait and read.

    When `make` raises, nothing is kept and the next one tries again.
    """
    target = folder / key
    with FileLock(folder / f"{key}.lock"):
        if not target.exists():
            unfinished = Path(tempfile.mkdtemp(dir=folder, prefix=f".{key}."))
            try:
                make(unfinished)
                unfinished.rename(target)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return target


def replace_folder(target: Path, make: Callable[[Path], None]) -> Path:
    """The folder `target`, filled anew by `make`: another run that writes it waits, and nothing is half-written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{target.name}.lock"):
        unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            make(unfinished)
            unfinished.chmod(0o755)
            shutil.rmtree(target, ignore_errors=True)
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target
