"""The pictures that runs compared, each once, as WebP."""

import base64
import functools
import hashlib
import io
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxproof.report.differences import DifferenceMap, Step, difference_map
from onnxproof.report.runs import Run
from onnxproof.results import Comparison

ROLES = ("input", "bicubic", "torch", "ONNX Runtime")
COMPARED = ("torch", "ONNX Runtime")
DIFFERENCE = "difference"

MOST_BYTES = 16 << 20
MOST_PIXELS = 1 << 22
MOST_SIDE = 16383  # of a WebP picture
IN_MEMORY = 32  # decoded pictures, for the comparisons that share them

NOT_KEPT = "the run kept no pictures"
LEFT_OUT = "left out: the page would be larger than 10 MB"


class PictureError(Exception):
    """A file that the page cannot show; the message is the reason."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, or the map of a difference: (H, W, 3) uint8, RGB."""

    pixels: NDArray[np.uint8]
    difference: DifferenceMap | None = None

    @functools.cached_property
    def digest(self) -> str:
        return hashlib.sha256(repr(self.pixels.shape).encode() + self.pixels.tobytes()).hexdigest()[:32]

    def shown(self, role: str) -> "Shown":
        height, width, _ = self.pixels.shape
        if not self.difference:
            return Shown(role, self.digest, width, height, f"{width} × {height}")
        count, side = self.difference.count, self.difference.side
        note = f"{count:,} values differ" if count else "no value differs"
        if count and side > 1:
            note += f"; a square has the largest difference of {side} × {side} pixels"
        return Shown(role, self.digest, width, height, note, self.difference.steps)


@dataclass(frozen=True)
class Shown:
    """A picture on the page; `digest` is a key of the album's data, `scale` that of a difference."""

    role: str
    digest: str
    width: int
    height: int
    note: str
    scale: tuple[Step, ...] = ()


@dataclass
class Viewer:
    """A set of pictures side by side, the problems with others, and the comparisons that the set belongs to."""

    shown: tuple[Shown, ...]
    problems: tuple[str, ...]
    seen: list[tuple[Run, Comparison]] = field(default_factory=list)

    @property
    def case(self) -> str:
        return self.seen[0][1].parity.case

    @property
    def is_wrong(self) -> bool:
        return any(map(_is_wrong, self.seen))

    @property
    def counts(self) -> list[tuple[Comparison, list[str]]]:
        """A comparison for each distinct count of a case, and the labels of the runs that counted so."""
        groups: dict[tuple[object, ...], tuple[Comparison, dict[str, None]]] = {}
        for run, each in self.seen:
            key = each.parity.case, each.pixels, each.parity.problem
            groups.setdefault(key, (each, {}))[1][run.label] = None
        return [(comparison, list(labels)) for comparison, labels in groups.values()]


class Album:
    """The pictures of all runs: first those with wrong values, then by case.

    Runs with the same pictures share a viewer. `data` has each picture's WebP in base64, by its digest. Once it has
    `most` characters, further pictures are left out.
    """

    def __init__(self, runs: Sequence[Run], most: int) -> None:
        self.data: dict[str, str] = {}
        self._decode = functools.lru_cache(IN_MEMORY)(decode)
        self._difference = functools.lru_cache(IN_MEMORY)(difference)
        viewers: dict[tuple[tuple[Shown, ...], tuple[str, ...]], Viewer] = {}
        compared = [(run, each) for run in runs for each in run.results.comparisons if each.pixels or each.pictures]
        for run, comparison in sorted(compared, key=_is_wrong, reverse=True):
            pictures, problems = self._read(run.folder, comparison.pictures)
            key = tuple(picture.shown(role) for role, picture in pictures.items()), problems
            if key not in viewers and pictures:
                if sum(map(len, self.data.values())) < most:
                    self._encode(pictures.values())
                else:
                    key = (), (LEFT_OUT,)
            viewers.setdefault(key, Viewer(*key)).seen.append((run, comparison))
        ordered = sorted(viewers.values(), key=lambda viewer: (not viewer.is_wrong, viewer.case))
        self.viewers = [viewer for viewer in ordered if viewer.shown]
        self.unseen = [viewer for viewer in ordered if not viewer.shown]

    def _read(self, folder: Path, names: Mapping[str, str]) -> tuple[dict[str, Picture], tuple[str, ...]]:
        pictures: dict[str, Picture] = {}
        reasons: dict[str, list[str]] = {}
        for role in sorted(names, key=lambda role: ROLES.index(role) if role in ROLES else len(ROLES)):
            try:
                pictures[role] = self._decode(read_bounded(folder, names[role]))
            except PictureError as error:
                reasons.setdefault(str(error), []).append(names[role])
        problems = [f"{reason}: {', '.join(files)}" for reason, files in reasons.items()]
        if all(role in pictures for role in COMPARED):
            torch, other = (pictures[role] for role in COMPARED)
            if torch.pixels.shape == other.pixels.shape:
                pictures[DIFFERENCE] = self._difference(torch, other)
            else:
                problems.append(f"no difference: {' and '.join(COMPARED)} have different sizes")
        if not names:
            problems.append(NOT_KEPT)
        return pictures, tuple(problems)

    def _encode(self, pictures: Iterable[Picture]) -> None:
        for each in pictures:
            if each.digest not in self.data:
                self.data[each.digest] = _webp(each)


def read_bounded(folder: Path, name: str) -> bytes:
    """The content of a file in a run's folder, up to `MOST_BYTES`. Raises `PictureError`."""
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise PictureError("outside of the run's folder")
        if not path.is_file():
            raise PictureError("missing")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise PictureError("unreadable") from error
    if len(data) > MOST_BYTES:
        raise PictureError("too large to show")
    return data


def decode(data: bytes) -> Picture:
    """The picture in a PNG file, whose size is checked before it is decoded. Raises `PictureError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=["PNG"])
            if image.width * image.height > MOST_PIXELS or max(image.size) > MOST_SIDE:
                raise Image.DecompressionBombError
            return Picture(np.asarray(image.convert("RGB")))
    except Image.DecompressionBombError as error:
        raise PictureError("too large to show") from error
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise PictureError("not a readable PNG file") from error


def difference(first: Picture, second: Picture) -> Picture:
    """The map of the difference of two pictures of the same shape."""
    found = difference_map(first.pixels, second.pixels)
    return Picture(found.pixels, found)


def _webp(picture: Picture) -> str:
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, "WEBP", lossless=True, quality=0, method=2)
    return base64.b64encode(file.getvalue()).decode()


def _is_wrong(seen: tuple[Run, Comparison]) -> bool:
    return bool(seen[1].pixels and seen[1].pixels.wrong)
