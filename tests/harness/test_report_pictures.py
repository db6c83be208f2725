"""The report shows the pictures that runs compared, as they are, and none that is not a run's own."""

import base64
import struct
from dataclasses import replace

import cv2
import numpy as np
import pytest

from onnxproof.report_pictures import (
    LEFT_OUT,
    MOST_PIXELS,
    NOT_KEPT,
    PictureError,
    difference,
    make_album,
    read_bounded,
)
from onnxproof.results import Pixels
from onnxproof.runs import Run
from tests.harness.runs import CHANGED, COMPARISON, PICTURES, RESULTS, write_pictures

PLENTY = 1_000_000


@pytest.fixture
def run(tmp_path):
    """A run with its pictures, of a label and with fields of its comparison changed."""

    def make(label="run", seed=0, **changes):
        write_pictures(tmp_path / label, seed=seed)
        results = replace(RESULTS, comparisons=[replace(COMPARISON, **changes)])
        return Run(label, tmp_path / label / "results.json", results)

    return make


def decoded(album, digest):
    return cv2.imdecode(np.frombuffer(base64.b64decode(album.data[digest]), np.uint8), cv2.IMREAD_COLOR)


def reasons(album):
    return list(album.left_out)


class TestViewer:
    """A comparison's pictures are shown side by side."""

    def test_order(self, run):
        """They stand in the order in which they come about, with the difference at the end."""
        (viewer,) = make_album([run()], PLENTY).viewers
        assert [shown.role for shown in viewer.shown] == [
            "input",
            "bicubic",
            "torch",
            "ONNX Runtime",
            "difference × 64",
        ]

    def test_pictures_are_whole(self, run):
        """What is shown is the file's picture, value by value."""
        given = run()
        album = make_album([given], PLENTY)
        shown = {shown.role: shown.digest for shown in album.viewers[0].shown}
        for role, name in PICTURES.items():
            np.testing.assert_array_equal(decoded(album, shown[role]), cv2.imread(str(given.folder / name)))

    def test_difference(self, run):
        """The difference has 64 where the pictures are one level apart, and 0 elsewhere; its note counts them."""
        album = make_album([run()], PLENTY)
        shown = album.viewers[0].shown[-1]
        assert np.unique(decoded(album, shown.digest), return_counts=True)[1].tolist() == [
            24 * 24 * 3 - CHANGED,
            CHANGED,
        ]
        assert decoded(album, shown.digest).max() == 64
        assert shown.note == f"{CHANGED} values differ"

    def test_same_pictures(self, run):
        """Runs with the same pictures share a viewer, also where their files differ."""
        runs = [run("a"), run("b"), run("c", pictures={**PICTURES, "input": "again.png"})]
        picture = cv2.imread(str(runs[2].folder / "face.png"))
        cv2.imwrite(str(runs[2].folder / "again.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 0])
        (viewer,) = make_album(runs, PLENTY).viewers
        assert [counts.labels for counts in viewer.counts] == [("a", "b", "c")]

    def test_other_pictures(self, run):
        """A run with other pictures has a viewer of its own."""
        assert len(make_album([run("a"), run("b", seed=1)], PLENTY).viewers) == 2

    def test_other_counts(self, run):
        """Runs that share pictures are told apart where they counted otherwise."""
        runs = [run("a"), run("b", pixels=Pixels(9, 1, 1))]
        (viewer,) = make_album(runs, PLENTY).viewers
        assert [(counts.labels, counts.pixels.wrong) for counts in viewer.counts] == [(("b",), 1), (("a",), 0)]

    def test_viewers_in_order(self, run):
        """Viewers are in the order of their cases, those with wrong values before all others."""
        wrong = Pixels(9, 1, 1)
        runs = [run("a", 0, case="y"), run("b", 1, case="x"), run("c", 2, case="z", pixels=wrong)]
        assert [viewer.counts[0].case for viewer in make_album(runs, PLENTY).viewers] == ["z", "x", "y"]

    def test_other_sizes(self, run):
        """Pictures of two sizes have no difference, which is said."""
        given = run()
        cv2.imwrite(str(given.folder / "torch.png"), np.zeros((8, 8, 3), np.uint8))
        (viewer,) = make_album([given], PLENTY).viewers
        assert viewer.problems == ("difference: torch and ONNX Runtime have other sizes",)
        assert len(viewer.shown) == 4


class TestBudget:
    """What does not fit is left out, and said to be."""

    def test_left_out(self, run):
        """A budget that is full shows no further picture, and tells the counts all the same."""
        one = sum(map(len, make_album([run("a")], PLENTY).data.values()))
        album = make_album([run("a"), run("b", seed=1)], one + 5000)
        assert [counts.labels for viewer in album.viewers for counts in viewer.counts] == [("a",)]
        assert [(reason, counts.labels) for reason, (counts,) in album.left_out.items()] == [(LEFT_OUT, ("b",))]

    def test_wrong_ones_first(self, run):
        """Pictures with wrong values are the last to be left out."""
        one = sum(map(len, make_album([run("a")], PLENTY).data.values()))
        album = make_album([run("a"), run("b", seed=1, pixels=Pixels(9, 1, 1))], one + 5000)
        assert [counts.labels for viewer in album.viewers for counts in viewer.counts] == [("b",)]

    def test_no_budget(self, run):
        """Without a budget nothing is shown."""
        album = make_album([run()], 0)
        assert (album.viewers, album.data, reasons(album)) == ([], {}, [LEFT_OUT])

    def test_no_pictures(self, run):
        """A comparison that kept no pictures says so, and still has its counts."""
        assert reasons(make_album([run(pictures={})], PLENTY)) == [NOT_KEPT]


class TestUntrusted:
    """A results.json shows no file but small PNG files of its own folder."""

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            pytest.param("../secret.png", "outside of the run's folder", id="up"),
            pytest.param("ort/../../secret.png", "outside of the run's folder", id="down-and-up"),
            pytest.param("link.png", "outside of the run's folder", id="link"),
            pytest.param("none.png", "is missing", id="missing"),
            pytest.param("ort", "is missing", id="folder"),
            pytest.param("nul\0.png", "cannot be read", id="nul"),
            pytest.param("n" * 5000, "cannot be read", id="long"),
        ],
    )
    def test_name(self, run, name, problem):
        """The name of a file that is not the run's is refused."""
        given = run(pictures={"torch": name})
        (given.folder.parent / "secret.png").write_bytes((given.folder / "torch.png").read_bytes())
        (given.folder / "link.png").symlink_to("../secret.png")
        with pytest.raises(PictureError, match=problem):
            read_bounded(given.folder, name)
        assert make_album([given], PLENTY).data == {}

    def test_absolute(self, run):
        """The name of a file anywhere is refused, even of one that is a picture."""
        given, other = run("a"), run("b")
        with pytest.raises(PictureError, match="outside of the run's folder"):
            read_bounded(given.folder, str(other.folder / "torch.png"))

    @pytest.mark.parametrize(
        ("width", "height"),
        [
            pytest.param(1 << 16, 1 << 16, id="large"),
            pytest.param(1 << 31, 0, id="long"),
            pytest.param(2049, 2048, id="just"),
        ],
    )
    def test_size(self, run, width, height):
        """A picture is not decoded when its head announces one that is too large."""
        given = run()
        data = bytearray((given.folder / "torch.png").read_bytes())
        data[16:24] = struct.pack(">II", width, height)
        (given.folder / "torch.png").write_bytes(data)
        with pytest.raises(PictureError, match=r"torch\.png is too large"):
            read_bounded(given.folder, "torch.png")
        assert MOST_PIXELS == 2048 * 2048

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            pytest.param(b"", "is no PNG file", id="empty"),
            pytest.param(b"\xff\xd8\xff\xe0 JPEG", "is no PNG file", id="other-format"),
            pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01", "is no PNG file", id="head-alone"),
        ],
    )
    def test_format(self, run, data, problem):
        """A file that is no PNG is refused."""
        given = run()
        (given.folder / "torch.png").write_bytes(data)
        with pytest.raises(PictureError, match=problem):
            read_bounded(given.folder, "torch.png")

    def test_broken(self, run):
        """A picture that cannot be decoded is named, and the others are shown."""
        given = run()
        data = (given.folder / "torch.png").read_bytes()
        (given.folder / "torch.png").write_bytes(data[:33] + bytes(len(data) - 33))
        (viewer,) = make_album([given], PLENTY).viewers
        assert [shown.role for shown in viewer.shown] == ["input", "bicubic", "ONNX Runtime"]
        assert viewer.problems == ("torch: OpenCV cannot read the file",)


def test_difference_ends_at_white():
    """Four levels and more are white, in either direction."""
    levels = np.array([[[0, 1, 3], [4, 5, 255]]], np.uint8)
    assert difference(levels, np.zeros_like(levels)).tolist() == [[[0, 64, 192], [255, 255, 255]]]
    assert difference(np.zeros_like(levels), levels).tolist() == [[[0, 64, 192], [255, 255, 255]]]
