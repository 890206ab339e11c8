"""Sketches: what PiDiNet sees of a picture, white contours on black (GVSC, section IV-A1)."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray

from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Pixels
from lgvsc.errors import ShapeError
from lgvsc.models.weights import read_network
from lgvsc.nets.pidinet import PiDiNet, Variant

Sketch: TypeAlias = NDArray[np.uint8]  # (H, W), 255 on a contour

TILE = 512  # pixels a side that the network sees at once, so that memory does not grow with the picture
MARGIN = 96  # of a tile that only helps to see the rest; the light variants look 90 pixels far
GRANULE = 8  # pixels: three times halved, a tile lies on the same grid as the whole picture
MIN_SIDE = 16


class SketchExtractor:
    """Draws pictures.

    Args:
        net: A trained PiDiNet; its pixel-difference convolutions are turned into plain ones.
    """

    def __init__(self, net: PiDiNet) -> None:
        self._net = net.converted().eval()

    def extract(self, picture: Pixels) -> Sketch:
        """The sketch of a picture of any size from 16 pixels a side, uint8 ``(H, W)``.

        Raises:
            ShapeError: It is no 8-bit RGB picture, or too small.
        """
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or min(picture.shape[:2]) < MIN_SIDE:
            raise ShapeError(
                f"a sketch is made of an 8-bit RGB picture, {MIN_SIDE} pixels a side or more; got {picture.dtype} "
                f"{picture.shape}"
            )
        height, width = picture.shape[:2]
        whole = np.pad(picture, ((0, -height % GRANULE), (0, -width % GRANULE), (0, 0)), mode="edge")
        sketch = np.empty(whole.shape[:2], np.uint8)
        for rows in spans(len(whole)):
            for columns in spans(whole.shape[1]):
                seen_rows, seen_columns = around(rows, len(whole)), around(columns, whole.shape[1])
                drawn = self._draw(whole[seen_rows, seen_columns])
                sketch[rows, columns] = drawn[shifted(rows, seen_rows), shifted(columns, seen_columns)]
        return sketch[:height, :width]

    def _draw(self, piece: Pixels) -> Sketch:
        batch = as_batch(piece)
        with torch.inference_mode():
            edges = self._net(batch.contiguous(memory_format=torch.channels_last))[0, 0]
        return np.asarray((255 * edges).round().to(torch.uint8).numpy())


def spans(length: int) -> list[slice]:
    """A side, a multiple of ``GRANULE``, in pieces of about ``TILE`` pixels or fewer that are multiples of it too."""
    count = -(-length // TILE)
    cuts = [length * place // count // GRANULE * GRANULE for place in range(count)] + [length]
    return [slice(start, stop) for start, stop in pairwise(cuts)]


def around(piece: slice, length: int) -> slice:
    """A piece with its margins, inside the picture."""
    return slice(max(0, piece.start - MARGIN), min(length, piece.stop + MARGIN))


def shifted(piece: slice, seen: slice) -> slice:
    """Where a piece lies within what the network saw."""
    return slice(piece.start - seen.start, piece.stop - seen.start)


def load(data: bytes) -> SketchExtractor:
    """The extractor with the weights of an asset.

    Raises:
        InputError: These are not weights of a PiDiNet.
    """
    net = read_network(data, "a PiDiNet", lambda stated: PiDiNet(cast(Variant, stated["variant"])))
    return SketchExtractor(net)
