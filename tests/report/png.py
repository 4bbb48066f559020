"""What tests read from a PNG file."""

from __future__ import annotations

import io
import struct

import numpy as np

_LONGEST_SIDE = 2400  # pixels


def size(png: bytes) -> tuple[int, int]:
    """Returns width and height; checks that it is a PNG file that a page can show."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert 0 < width <= _LONGEST_SIDE
    assert 0 < height <= _LONGEST_SIDE
    return width, height


def pixels(png: bytes) -> np.ndarray:
    """Returns float [height, width, 3], from 0 to 1."""
    from matplotlib.image import imread

    return imread(io.BytesIO(png), format="png")[..., :3]


def is_orange(png: bytes) -> np.ndarray:
    """Returns bool [height, width]."""
    image = pixels(png)
    return image[..., 0] - image[..., 2] > 0.3


def is_blue(png: bytes) -> np.ndarray:
    """Returns bool [height, width]."""
    image = pixels(png)
    return image[..., 2] - image[..., 0] > 0.3
