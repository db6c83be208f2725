"""The page shows compared pictures, unchanged, up to its size limit, and no other files."""

import base64
import re
import struct
import subprocess
import sys
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import ImageFile

from onnxproof.report import page as pages
from onnxproof.report import pictures
from onnxproof.report.differences import COLOURS, NONE, difference_map
from onnxproof.report.pictures import LEFT_OUT, NOT_KEPT, Album, PictureError, decode, read_bounded
from onnxproof.report.runs import Run
from onnxproof.results import PixelParity
from tests.harness.runs import CHANGED, CLAIM, COMPARISON, PICTURES, RESULTS, write_pictures, write_results

PLENTY = 1_000_000
WRONG = PixelParity(9, 1, 1)


@pytest.fixture
def run(tmp_path):
    """Makes a run with its pictures, with a label and changed fields of its comparison."""

    def make(label="run", seed=0, case="face", size=24, **changes) -> Run:
        write_pictures(tmp_path / label, size, seed)
        comparison = replace(COMPARISON, parity=replace(COMPARISON.parity, case=case), **changes)
        return Run(label, tmp_path / label / "results.json", replace(RESULTS, comparisons=[comparison]))

    return make


def decoded(album, digest):
    return cv2.imdecode(np.frombuffer(base64.b64decode(album.data[digest]), np.uint8), cv2.IMREAD_COLOR)


def labels(viewers):
    return [labels for viewer in viewers for _, labels in viewer.counts]


def only_problem(album):
    (viewer,) = album.unseen
    assert (album.viewers, album.data) == ([], {})
    return viewer.problems


class TestViewer:
    """The pictures of a comparison stand side by side."""

    def test_order(self, run):
        """The input is first and the difference last."""
        (viewer,) = Album([run()], PLENTY).viewers
        assert [shown.role for shown in viewer.shown] == [
            "input",
            "bicubic",
            "torch",
            "ONNX Runtime",
            "difference",
        ]

    def test_pictures_are_unchanged(self, run):
        """The page has the values of the files."""
        given = run()
        album = Album([given], PLENTY)
        shown = {shown.role: shown.digest for shown in album.viewers[0].shown}
        for role, name in PICTURES.items():
            np.testing.assert_array_equal(decoded(album, shown[role]), cv2.imread(str(given.folder / name)))

    def test_difference(self, run):
        """The map has a colour where the pictures are one level apart; note and scale count these values."""
        album = Album([run()], PLENTY)
        shown = album.viewers[0].shown[-1]
        colours, counts = np.unique(decoded(album, shown.digest)[..., ::-1].reshape(-1, 3), axis=0, return_counts=True)
        assert list(map(tuple, colours.tolist())) == [NONE, COLOURS[0]]
        assert counts.tolist() == [24 * 24 - 3, 3]  # the changed values are those of the first three pixels
        assert shown.note == f"{CHANGED} values differ"
        assert [(step.levels, step.count) for step in shown.scale] == [("1 level", CHANGED)]

    def test_same_pictures(self, run, monkeypatch):
        """Runs with the same pictures share a viewer, even if their files differ; equal files are decoded once."""
        runs = [run("a"), run("b"), run("c", pictures={**PICTURES, "input": "again.png"})]
        picture = cv2.imread(str(runs[2].folder / "face.png"))
        cv2.imwrite(str(runs[2].folder / "again.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 0])
        calls = []
        monkeypatch.setattr(pictures, "decode", lambda data: calls.append(data) or decode(data))
        assert labels(Album(runs, PLENTY).viewers) == [["a", "b", "c"]]
        assert len(calls) == len(set(calls)) == 3

    def test_other_pictures(self, run):
        """A run with other pictures has another viewer."""
        assert labels(Album([run("a"), run("b", seed=1)], PLENTY).viewers) == [["a"], ["b"]]

    def test_other_counts(self, run):
        """Runs that share pictures are listed apart if their counts differ."""
        (viewer,) = Album([run("a"), run("b", pixels=WRONG)], PLENTY).viewers
        assert [(labels, each.pixels.wrong) for each, labels in viewer.counts] == [(["b"], 1), (["a"], 0)]

    def test_order_of_viewers(self, run):
        """Viewers with wrong values are first; the others are in the order of their cases."""
        runs = [run("a", 0, "y"), run("b", 1, "x"), run("c", 2, "z", pixels=WRONG)]
        assert [viewer.case for viewer in Album(runs, PLENTY).viewers] == ["z", "x", "y"]

    def test_other_sizes(self, run):
        """Pictures of different sizes have no difference."""
        given = run()
        cv2.imwrite(str(given.folder / "torch.png"), np.zeros((8, 8, 3), np.uint8))
        (viewer,) = Album([given], PLENTY).viewers
        assert viewer.problems == ("no difference: torch and ONNX Runtime have different sizes",)
        assert len(viewer.shown) == 4


class TestSize:
    """The page stays below its limit, and names the pictures that it leaves out."""

    def test_left_out(self, run):
        """Pictures without wrong values are left out first; their counts are still there."""
        album = Album([run("a"), run("b", seed=1, pixels=WRONG), run("c", seed=1)], 1)
        assert (labels(album.viewers), labels(album.unseen)) == ([["b"], ["c"]], [["a"]])
        assert album.unseen[0].problems == (LEFT_OUT,)

    def test_no_pictures(self, run):
        """A comparison without pictures says so."""
        assert only_problem(Album([run(pictures={})], PLENTY)) == (NOT_KEPT,)

    @pytest.mark.parametrize(("limit", "shown"), [(0, 0), (210_000, 2), (10_000_000, 6)])
    def test_page(self, run, monkeypatch, limit, shown):
        """The page has the pictures that fit, each once, and a note for every other set."""
        monkeypatch.setattr(pages, "LARGEST", limit)
        content = pages.page([run(f"{number}", number % 6, size=64) for number in range(12)])
        assert not shown or len(content) <= limit
        assert content.count(b'class="sides"') == shown
        assert (LEFT_OUT.encode() in content) == (shown < 6)
        embedded = re.findall(rb'id="picture-(\w+)"', content)
        assert sorted(embedded) == sorted({*re.findall(rb'(?:data-picture|value)="([0-9a-f]{32})"', content)})


class TestUntrusted:
    """A results.json shows small PNG files in its folder only."""

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            pytest.param("../secret.png", "outside of the run's folder", id="up"),
            pytest.param("ort/../../secret.png", "outside of the run's folder", id="down-and-up"),
            pytest.param("link.png", "outside of the run's folder", id="link"),
            pytest.param("none.png", "missing", id="missing"),
            pytest.param("ort", "missing", id="folder"),
            pytest.param("nul\0.png", "unreadable", id="nul"),
            pytest.param("n" * 5000, "unreadable", id="long"),
        ],
    )
    def test_name(self, run, name, problem):
        """The name of another file is refused."""
        given = run(pictures={"torch": name})
        (given.folder.parent / "secret.png").write_bytes((given.folder / "torch.png").read_bytes())
        (given.folder / "link.png").symlink_to("../secret.png")
        assert only_problem(Album([given], PLENTY)) == (f"{problem}: {name}",)

    def test_absolute(self, run):
        """The absolute path of a picture elsewhere is refused."""
        given, other = run("a"), run("b")
        with pytest.raises(PictureError, match="outside of the run's folder"):
            read_bounded(given.folder, str(other.folder / "torch.png"))

    @pytest.mark.parametrize(
        ("width", "height", "depth"),
        [(1 << 15, 1 << 15, 1), (2049, 2048, 8), (16_384, 1, 8)],
        ids=["bomb", "area", "side"],
    )
    def test_size(self, monkeypatch, width, height, depth):
        """A small file that declares a large picture is not decoded."""
        monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
        channels = 1 if depth == 1 else 3
        rows = zlib.compress(bytes((width * depth * channels // 8 + 1) * height), 9)
        head = struct.pack(">IIBBBBB", width, height, depth, channels - 1, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n"
        for kind, content in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")):
            data += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        assert len(data) < 150_000
        with pytest.raises(PictureError, match="too large to show"):
            decode(data)

    def test_file_size(self, run, monkeypatch):
        """A file is read only up to the limit of a picture."""
        monkeypatch.setattr(pictures, "MOST_BYTES", 100)
        assert only_problem(Album([run(pictures={"torch": "torch.png"})], PLENTY)) == ("too large to show: torch.png",)

    @pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0 JPEG", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01"])
    def test_format(self, data):
        """A file that is not a PNG is refused."""
        with pytest.raises(PictureError, match="not a readable PNG file"):
            decode(data)

    def test_other_format(self):
        """A picture in another format is refused, even one that Pillow can read."""
        with pytest.raises(PictureError, match="not a readable PNG file"):
            decode(cv2.imencode(".bmp", np.zeros((4, 4, 3), np.uint8))[1].tobytes())

    def test_broken(self, run):
        """A damaged picture is named, and the others are shown."""
        given = run()
        data = (given.folder / "torch.png").read_bytes()
        (given.folder / "torch.png").write_bytes(data[:33] + bytes(len(data) - 33))
        (viewer,) = Album([given], PLENTY).viewers
        assert [shown.role for shown in viewer.shown] == ["input", "bicubic", "ONNX Runtime"]
        assert viewer.problems == ("not a readable PNG file: torch.png",)


class TestDifferenceMap:
    """The map shows where pictures differ, and by how much."""

    @pytest.mark.parametrize(
        ("level", "colour"),
        [(0, NONE), (1, 0), (2, 1), (3, 1), (4, 2), (15, 2), (16, 3), (255, 3)],
    )
    def test_colours(self, level, colour):
        """A square has the colour of its largest difference, in either direction."""
        levels = np.array([[[0, level // 2, level]]], np.uint8)
        for found in (difference_map(levels, np.zeros_like(levels)), difference_map(np.zeros_like(levels), levels)):
            assert tuple(found.pixels[0, 0]) == (colour if colour == NONE else COLOURS[colour])

    def test_single_pixel(self):
        """A single value of a large picture is one square of the map, at its place; the others are light."""
        pixels = np.zeros((600, 900, 3), np.uint8)
        pixels[305, 890, 1] = 1
        found = difference_map(pixels, np.zeros_like(pixels))
        assert (found.pixels.shape, found.side, found.count) == ((60, 90, 3), 10, 1)
        assert np.argwhere((found.pixels != NONE).any(axis=2)).tolist() == [[30, 89]]
        assert min(NONE) > 200

    def test_scale(self):
        """The scale counts the values, not the squares."""
        levels = np.zeros((200, 200, 3), np.uint8)
        levels[:2, :2] = [1, 3, 200]
        steps = difference_map(levels, np.zeros_like(levels)).steps
        assert [(step.levels, step.count) for step in steps] == [
            ("1 level", 4),
            ("2 to 3 levels", 4),
            ("16 levels and more", 4),
        ]

    def test_same(self):
        """Pictures that are the same have no scale."""
        found = difference_map(np.ones((9, 9, 3), np.uint8), np.ones((9, 9, 3), np.uint8))
        assert (found.count, found.steps) == (0, ())


@pytest.mark.parametrize(
    "call",
    [
        pytest.param("from onnxproof.report.page import write_report; write_report([run], out)", id="function"),
        pytest.param(
            "sys.argv[1:] = ['report', run, '-o', out]; runpy.run_module('onnxproof', None, '__main__')", id="command"
        ),
    ],
)
def test_imports(tmp_path, call):
    """A page with pictures, a graph and claims is made without a framework."""
    write_pictures(tmp_path)
    start = (
        "import atexit, runpy, sys; run, out = sys.argv[1:]; atexit.register(lambda: print(*sys.modules, sep='\\n'))"
    )
    command = [sys.executable, "-c", f"{start}\n{call}", str(write_results(tmp_path)), str(tmp_path)]
    loaded = set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert "onnxproof.report.page" in loaded
    assert loaded & {"torch", "pytest", "onnx", "onnxruntime", "cv2"} == set()
    content = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert [part for part in ('class="sides"', 'class="sheet"', CLAIM.statement) if part not in content] == []
