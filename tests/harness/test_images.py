"""A picture passes through files and arrays unchanged, and anything else is refused by name."""

import struct
import zlib
from unittest import mock

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from onnxproof.parity import images
from onnxproof.parity.images import read_picture, to_nchw, to_picture, write_picture


@pytest.fixture(scope="module")
def picture():
    """Noise of 5 × 7, so that axes and channels cannot be confused."""
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def png(width: int, height: int, rows: bytes) -> bytes:
    """A PNG of one bit a pixel that declares a size; `rows` are its bytes, with a filter byte before each row."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


class TestArrays:
    """A picture is (H, W, C) uint8, a network's input (1, C, H, W) float32 of the same values."""

    def test_to_nchw(self, picture):
        """Each value is at its channel, row and column."""
        values = to_nchw(picture)
        assert (values.shape, values.dtype, values.flags.c_contiguous) == ((1, 3, 5, 7), np.float32, True)
        assert values[0, 2, 4, 6] == picture[4, 6, 2]

    @given(pixels=stn.arrays(np.uint8, stn.array_shapes(min_dims=3, max_dims=3, max_side=5)))
    def test_round_trip(self, pixels):
        """A picture comes back bit for bit."""
        np.testing.assert_array_equal(to_picture(to_nchw(pixels)), pixels, strict=True)

    def test_to_picture(self):
        """Values are clipped to 0..255 and truncated."""
        values = np.array([-0.5, 0.9, 1, 254.999, 255.5, 1e9, -np.inf, np.inf], np.float32).reshape(1, 1, 2, 4)
        assert to_picture(values).ravel().tolist() == [0, 0, 1, 254, 255, 255, 0, 255]

    @pytest.mark.parametrize("shape", [(3, 5, 7), (2, 3, 5, 7), (1, 3, 5)], ids=["no-batch", "batch-of-2", "rank-3"])
    def test_no_single_picture(self, shape):
        """An output that is not one picture is refused with its shape."""
        with pytest.raises(
            ValueError, match=r"expected one picture of shape \(1, C, H, W\), got \(" + str(shape)[1:-1]
        ):
            to_picture(np.zeros(shape, np.float32))


class TestFiles:
    """A picture file is read and written whole, or refused by name."""

    def test_png(self, tmp_path, picture):
        """A PNG is read as it was written, bit for bit, and is alone in its folder."""
        path = write_picture(tmp_path / "face.png", picture)
        np.testing.assert_array_equal(read_picture(path), picture, strict=True)
        assert list(tmp_path.iterdir()) == [path]

    def test_replaced(self, tmp_path, picture):
        """An existing file is replaced."""
        write_picture(tmp_path / "face.png", picture)
        write_picture(tmp_path / "face.png", picture[:2])
        np.testing.assert_array_equal(read_picture(tmp_path / "face.png"), picture[:2])

    def test_channels(self, tmp_path):
        """The first channel is blue: other programs see a blue file as blue."""
        blue = np.full((1, 1, 3), (255, 0, 0), np.uint8)
        assert write_picture(tmp_path / "blue.ppm", blue).read_bytes().endswith(b"\x00\x00\xff")

    @pytest.mark.parametrize(
        "content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"], ids=["empty", "text", "signature-alone"]
    )
    def test_no_picture(self, tmp_path, content):
        """A file that is not a picture is refused by name."""
        (tmp_path / "face.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"face\.png: not a picture"):
            read_picture(tmp_path / "face.png")

    @pytest.mark.parametrize(
        ("width", "height"), [(2**15, 2**11 + 1), (100_000, 100_000), (2**31 - 1, 1), (2**32 - 1, 2**32 - 1)]
    )
    def test_bomb(self, monkeypatch, tmp_path, width, height):
        """A small file that declares a huge picture is refused by name before anything is decoded."""
        monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
        (tmp_path / "bomb.png").write_bytes(png(width, height, b"\0" * 100))
        with pytest.raises(
            ValueError, match=rf"bomb\.png: a picture of {width:,} × {height:,}; up to 67,108,864 pixels"
        ):
            read_picture(tmp_path / "bomb.png")

    def test_no_bomb(self, tmp_path):
        """The same file with the size of its content is read."""
        (tmp_path / "black.png").write_bytes(png(8, 50, b"\0" * 100))
        assert read_picture(tmp_path / "black.png").shape == (50, 8, 3)

    def test_bomb_of_another_format(self, tmp_path):
        """A picture too large for OpenCV is refused by name."""
        (tmp_path / "bomb.bmp").write_bytes(
            b"BM" + struct.pack("<IIIIiiHH", 0, 0, 54, 40, 10**5, 10**5, 1, 24) + bytes(24)
        )
        with pytest.raises(ValueError, match=r"bomb\.bmp: not a picture that OpenCV can read \(.*PIXELS"):
            read_picture(tmp_path / "bomb.bmp")

    @given(cut=st.integers(0, 90), at=st.integers(0, 90), byte=st.binary(min_size=1, max_size=4))
    def test_damaged(self, tmp_path_factory, cut, at, byte):
        """A file that is cut or partly overwritten is read, or refused by name."""
        path = tmp_path_factory.getbasetemp() / "damaged.png"
        data = bytearray(png(8, 50, b"\0" * 100))
        data[at : at + len(byte)] = byte
        path.write_bytes(data[: len(data) - cut])
        problem = f"{path}: none"
        with mock.patch.object(images, "MOST_PIXELS", 2**16):
            try:
                read_picture(path)
            except ValueError as error:
                problem = str(error)
        assert problem.startswith(f"{path}: ")

    def test_no_file(self, tmp_path):
        """A missing file is a FileNotFoundError with its name."""
        with pytest.raises(FileNotFoundError, match=r"face\.png"):
            read_picture(tmp_path / "face.png")

    def test_no_folder(self, tmp_path, picture):
        """No folder is made for a picture."""
        with pytest.raises(FileNotFoundError, match="missing"):
            write_picture(tmp_path / "missing" / "face.png", picture)
        assert not (tmp_path / "missing").exists()

    @pytest.mark.parametrize("name", ["face.xyz", "face"])
    def test_unknown_ending(self, tmp_path, picture, name):
        """An unknown file ending is refused by name, and leaves nothing."""
        with pytest.raises(ValueError, match=f"{name}: OpenCV cannot write this picture"):
            write_picture(tmp_path / name, picture)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(np.zeros((5, 7, 3), np.float32), id="floats"),
            pytest.param(np.zeros((5, 7), np.uint8), id="one-channel"),
            pytest.param(np.zeros((1, 3, 5, 7), np.uint8), id="nchw"),
            pytest.param(np.zeros((0, 7, 3), np.uint8), id="empty"),
        ],
    )
    def test_other_array(self, tmp_path, other):
        """Other arrays are not written, and leave nothing."""
        with pytest.raises(ValueError, match=r"face\.png: "):
            write_picture(tmp_path / "face.png", other)
        assert not list(tmp_path.iterdir())
