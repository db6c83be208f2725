"""The pictures of a report: those that runs compared, as data URIs, each once and within a budget."""

import base64
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from onnxproof.images import Picture, png_size
from onnxproof.results import Comparison, Pixels
from onnxproof.runs import Run

ROLES = ("input", "bicubic", "torch", "ONNX Runtime")
COMPARED = ("torch", "ONNX Runtime")
GAIN = 64
DIFFERENCE = f"difference × {GAIN}"

MOST_BYTES = 16 << 20
MOST_PIXELS = 1 << 22
MOST_SIDE = 16383
"""Of a WebP picture."""
VIEWER_SIZE = 4000
"""Characters that the page takes for one set of pictures, besides the pictures."""

NOT_KEPT = "the run kept no pictures"
LEFT_OUT = "left out, since the page would pass 10 MB"


class PictureError(Exception):
    """A picture that the report cannot show; the message says why."""


@dataclass(frozen=True)
class Shown:
    """A picture in its role; `digest` is its key among the album's data, `note` what is said of it."""

    role: str
    digest: str
    width: int
    height: int
    note: str


@dataclass(frozen=True)
class Counts:
    """What the pixel rule counted in a case, and the runs that it counted so."""

    case: str
    pixels: Pixels | None
    same: bool
    problem: str
    labels: tuple[str, ...]


@dataclass
class Viewer:
    """One set of pictures side by side, what was counted of it, and what is missing from it."""

    shown: tuple[Shown, ...]
    problems: tuple[str, ...]
    seen: list[tuple[Run, Comparison]] = field(default_factory=list)

    @property
    def counts(self) -> list[Counts]:
        return list(_counts(self.seen))

    @property
    def is_wrong(self) -> bool:
        return any(_is_wrong(comparison) for _, comparison in self.seen)


@dataclass
class Album:
    """Pictures that are shown, those that are not with the reason, and each picture's WebP in base64 by its digest."""

    viewers: list[Viewer] = field(default_factory=list)
    unseen: dict[str, list[tuple[Run, Comparison]]] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)

    @property
    def left_out(self) -> dict[str, list[Counts]]:
        return {reason: list(_counts(seen)) for reason, seen in self.unseen.items()}


def make_album(runs: Sequence[Run], budget: int) -> Album:
    """The pictures of every comparison that has some, as far as the `budget` of characters goes.

    Those with wrong values come first. Runs that show the same pictures share them.
    """
    found = [(run, each) for run in runs for each in run.results.comparisons if each.pixels or each.pictures]
    found.sort(key=lambda pair: not _is_wrong(pair[1]))
    maker = _Maker(budget)
    for run, comparison in found:
        maker.add(run, comparison)
    maker.album.viewers.sort(key=lambda viewer: (not viewer.is_wrong, viewer.seen[0][1].case))
    return maker.album


class _Maker:
    """Fills an album; files that were seen before are not decoded again, and none is once the budget is full."""

    def __init__(self, budget: int) -> None:
        self.album = Album()
        self.left = budget
        self.by_names: dict[tuple[object, ...], Viewer | str] = {}
        self.by_files: dict[tuple[tuple[str, str], ...], Viewer] = {}
        self.by_pixels: dict[tuple[Shown, ...], Viewer] = {}

    def add(self, run: Run, comparison: Comparison) -> None:
        names = (run.folder, *comparison.pictures.items())
        if names not in self.by_names:
            try:
                self.by_names[names] = self._viewer(run.folder, comparison)
            except PictureError as error:
                self.by_names[names] = str(error)
        found = self.by_names[names]
        seen = found.seen if isinstance(found, Viewer) else self.album.unseen.setdefault(found, [])
        seen.append((run, comparison))

    def _viewer(self, folder: Path, comparison: Comparison) -> Viewer:
        files, problems = _read_all(folder, comparison)
        if not files:
            raise PictureError("; ".join(problems) or NOT_KEPT)
        key = tuple((role, hashlib.sha256(data).hexdigest()) for role, data in files.items())
        if key not in self.by_files:
            if self.left <= 0:
                raise PictureError(LEFT_OUT)
            pictures, broken = _decode_all(files)
            problems += broken
            if not pictures:
                raise PictureError("; ".join(problems))
            self.by_files[key] = self._keep(pictures, problems)
        return self.by_files[key]

    def _keep(self, pictures: Mapping[str, Picture], problems: Sequence[str]) -> Viewer:
        shown = tuple(
            Shown(role, _digest(each), each.shape[1], each.shape[0], _note(role, each))
            for role, each in pictures.items()
        )
        if shown not in self.by_pixels:
            new = {each.digest: pictures[each.role] for each in shown if each.digest not in self.album.data}
            with ThreadPoolExecutor() as pool:
                data = dict(zip(new, pool.map(_webp, new.values()), strict=True))
            self.left -= VIEWER_SIZE + sum(map(len, data.values()))
            if self.left <= 0:
                raise PictureError(LEFT_OUT)
            self.album.data |= data
            self.by_pixels[shown] = Viewer(shown, tuple(problems))
            self.album.viewers.append(self.by_pixels[shown])
        return self.by_pixels[shown]


def read_bounded(folder: Path, name: str) -> bytes:
    """A PNG file of a run's folder, of a size that is safe to decode. Raises `PictureError`."""
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise PictureError(f"{name} is outside of the run's folder")
        if not path.is_file():
            raise PictureError(f"{name} is missing")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise PictureError(f"{name} cannot be read") from error
    size = png_size(data)
    if size is None or data[12:16] != b"IHDR" or len(data) < 33:
        raise PictureError(f"{name} is no PNG file")
    width, height = size
    if len(data) > MOST_BYTES or width * height > MOST_PIXELS or max(width, height) > MOST_SIDE:
        raise PictureError(f"{name} is too large to show")
    return data


def decode(data: bytes) -> Picture:
    """The picture in a PNG file as (H, W, 3) uint8, BGR. Raises `PictureError`."""
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None:
        raise PictureError("OpenCV cannot read the file")
    return picture.astype(np.uint8, copy=False)


def difference(torch: Picture, other: Picture) -> Picture:
    """How far two pictures of one shape are apart, `GAIN` times, ending at 255."""
    return cv2.convertScaleAbs(cv2.absdiff(torch, other), alpha=GAIN).astype(np.uint8, copy=False)


def _read_all(folder: Path, comparison: Comparison) -> tuple[dict[str, bytes], list[str]]:
    files, problems = {}, []
    for role in sorted(comparison.pictures, key=lambda role: ROLES.index(role) if role in ROLES else len(ROLES)):
        try:
            files[role] = read_bounded(folder, comparison.pictures[role])
        except PictureError as error:
            problems.append(f"{role}: {error}")
    return files, problems


def _decode_all(files: Mapping[str, bytes]) -> tuple[dict[str, Picture], list[str]]:
    pictures: dict[str, Picture] = {}
    problems = []
    for role, data in files.items():
        try:
            pictures[role] = decode(data)
        except PictureError as error:
            problems.append(f"{role}: {error}")
    if all(role in pictures for role in COMPARED):
        torch, other = (pictures[role] for role in COMPARED)
        if torch.shape == other.shape:
            pictures[DIFFERENCE] = difference(torch, other)
        else:
            problems.append(f"difference: {' and '.join(COMPARED)} have other sizes")
    return pictures, problems


def _webp(picture: Picture) -> str:
    """In base64. Pillow has the effort as an option: OpenCV takes more than twice as long for the same size."""
    file = io.BytesIO()
    Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).save(file, "WEBP", lossless=True, quality=0, method=2)
    return base64.b64encode(file.getvalue()).decode()


def _digest(picture: Picture) -> str:
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()[:32]


def _is_wrong(comparison: Comparison) -> bool:
    return bool(comparison.pixels and comparison.pixels.wrong)


def _note(role: str, picture: Picture) -> str:
    if role == DIFFERENCE:
        return f"{np.count_nonzero(picture):,} values differ"
    height, width, _ = picture.shape
    return f"{width} × {height}"


def _counts(seen: Iterable[tuple[Run, Comparison]]) -> Iterator[Counts]:
    """The runs that counted the same in a case are told together."""
    groups: dict[tuple[str, Pixels | None, bool, str], list[str]] = {}
    for run, each in seen:
        groups.setdefault((each.case, each.pixels, each.same, each.problem), []).append(run.label)
    for told, labels in groups.items():
        yield Counts(*told, tuple(dict.fromkeys(labels)))
