"""Work that is done once in a run, even by several processes."""

import pickle
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from onnxproof.exporting.export import Export


def made_once(folder: Path, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `folder/key`, filled by `make` for the first process that asks; the others wait and read.

    If `make` raises, nothing is kept and the next one tries again.
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


def exported_once(folder: Path, key: str, make: Callable[[Path], Export]) -> Export:
    """The export that `make` writes into a folder that is made once."""
    made = made_once(folder, key, lambda new: (new / "export.pickle").write_bytes(pickle.dumps(make(new))) and None)
    found: Export = pickle.loads((made / "export.pickle").read_bytes())
    return replace(found, path=made / found.path.name)
