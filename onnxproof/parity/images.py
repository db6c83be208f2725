"""Image file ↔ HWC uint8 ↔ NCHW float32, as the document's scripts do it: BGR, 0..255."""

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from onnxproof._internal.files import write_whole

Picture = NDArray[np.uint8]
Floats = NDArray[np.floating]


MOST_PIXELS = 2**26
"""Of a PNG that is read: 192 MiB. A file of 100 kB can declare, and fill, the 2**30 that OpenCV takes of any format."""

_PNG = b"\x89PNG\r\n\x1a\n"


def png_size(head: bytes) -> tuple[int, int] | None:
    """The width and height that the first 24 bytes of a PNG file declare; None where they are of no PNG."""
    if not head.startswith(_PNG) or len(head) < 24:
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """The picture in a file as (H, W, 3) uint8, BGR.

    Raises `FileNotFoundError`, or `ValueError` when OpenCV can read no picture from it, or it is a PNG of more than
    `MOST_PIXELS`, which is not decoded.
    """
    data = np.fromfile(path, dtype=np.uint8)
    width, height = png_size(data[:24].tobytes()) or (0, 0)
    if width * height > MOST_PIXELS:
        raise ValueError(f"{path}: a picture of {width:,} × {height:,}; up to {MOST_PIXELS:,} pixels are read")
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error as error:
        raise ValueError(f"{path}: not a picture that OpenCV can read ({error.err})") from error
    if picture is None:
        raise ValueError(f"{path}: not a picture that OpenCV can read")
    return picture.astype(np.uint8, copy=False)


def write_picture(path: str | os.PathLike[str], picture: Picture) -> Path:
    """Writes (H, W, 3) uint8, BGR, in the format of the file's ending; the file is whole or not there.

    Raises `ValueError` for another array and for an ending that OpenCV does not know.
    """
    path = Path(path)
    if picture.dtype != np.uint8 or picture.shape[2:] != (3,):
        raise ValueError(f"{path}: expected a picture of shape (H, W, 3) uint8, got {picture.shape} {picture.dtype}")
    try:
        written, data = cv2.imencode(path.suffix, picture)
    except cv2.error as error:
        raise ValueError(f"{path}: OpenCV cannot write this picture ({error.err})") from error
    if not written:
        raise ValueError(f"{path}: OpenCV cannot write this picture, of shape {picture.shape}")
    return write_whole(path, data.tobytes())


def to_nchw(picture: Picture) -> NDArray[np.float32]:
    """(H, W, C) uint8 as the network's input: (1, C, H, W) float32, values kept at 0..255."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)


def to_picture(output: Floats) -> Picture:
    """The network's output as a picture: (1, C, H, W) floats clipped to 0..255 and truncated to (H, W, C) uint8."""
    if output.ndim != 4 or output.shape[0] != 1:
        raise ValueError(f"expected one picture of shape (1, C, H, W), got {output.shape}")
    return np.ascontiguousarray(np.clip(output[0], 0, 255).astype(np.uint8).transpose(1, 2, 0))
