"""Atomic writes."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_whole(path: str | os.PathLike[str], data: bytes) -> Path:
    """Writes `data` under a temporary name beside `path` and renames it."""
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        whole = Path(folder, path.name)
        whole.write_bytes(data)
        whole.replace(path)
    return path


def is_file(path: Path) -> bool:
    """Whether a file has this path, which may be too long or malformed."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def make_writable(folder: str | os.PathLike[str]) -> None:
    """Makes a folder before the work whose result it takes. Raises `OSError` if it cannot be written."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def replace_folder(target: Path, make: Callable[[Path], None]) -> Path:
    """Replaces the folder `target` by one that `make` fills; of runs that write it at once, the last stays."""
    unfinished = _beside(target)
    try:
        make(unfinished)
        unfinished.chmod(0o755)
        while unfinished.exists():
            shutil.rmtree(target, ignore_errors=True)
            try:
                unfinished.rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another run was faster
                    raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _beside(target: Path, tries: int = 100) -> Path:
    """A new folder beside `target`. Another run may remove the one that they are in while it is empty."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except FileNotFoundError:
        if not tries:
            raise
        return _beside(target, tries - 1)


def short(file: str) -> str:
    """A path as a user in the current folder would write it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def is_own(file: Path) -> bool:
    """Whether a file belongs to this package, or to Python's library."""
    library = file.is_relative_to(Path(os.__file__).parent) and "site-packages" not in file.parts
    return library or file.is_relative_to(Path(__file__).parents[1])
