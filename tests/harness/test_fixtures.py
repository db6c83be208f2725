"""This repository's face and weights match their digests, and have the layout of the document's."""

import shutil
from pathlib import Path

import pytest

from onnxproof.claims.assets import AssetError, verify_sums
from onnxproof.parity.images import read_picture
from srcnn_models import SuperResolutionNet, load_checkpoint, strip_prefix

FIXTURES = Path(__file__).parents[2] / "fixtures"


class TestDigests:
    """SHA256SUMS lists every fixture, and each has its digest."""

    def test_every_fixture_is_listed(self):
        """The pictures and weights in the folder are those that SHA256SUMS lists."""
        assert set(verify_sums(FIXTURES)) == {
            path.name for path in FIXTURES.iterdir() if path.suffix in (".png", ".pth")
        }

    def test_changed_fixture_is_refused(self, tmp_path):
        """One changed byte is noticed; the file is named."""
        copy = shutil.copytree(FIXTURES, tmp_path / "fixtures")
        weights = bytearray((copy / "srcnn.pth").read_bytes())
        weights[-1] ^= 1
        (copy / "srcnn.pth").write_bytes(weights)
        with pytest.raises(AssetError, match=r"srcnn\.pth has the SHA-256"):
            verify_sums(copy)


class TestLayout:
    """The fixtures stand in for the document's files."""

    def test_face_is_256_square(self):
        """The face is a picture of 256 × 256 in three channels."""
        assert read_picture(FIXTURES / "face.png").shape == (256, 256, 3)

    def test_weights_have_the_official_prefix(self):
        """The weights lie under `generator.`, and load into the network without it."""
        saved = load_checkpoint(FIXTURES / "srcnn.pth")
        assert all(name.startswith("generator.conv") for name in saved)
        SuperResolutionNet(3).load_state_dict(strip_prefix(saved))
