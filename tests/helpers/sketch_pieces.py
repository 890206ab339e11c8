"""A road for sketches without trained weights, and sketches that can be told apart after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lgvsc.coding.pictures.deepjscc import DeepJsccSketchCodec
from lgvsc.coding.pictures.sketches import SketchRoad
from lgvsc.nets.deepjscc import DeepJscc

CELLS = 16  # a side of what the stand-in sends of each picture


@dataclass(frozen=True)
class Coded:
    header: np.ndarray
    symbols: torch.Tensor


class CoarseDifferences:
    """Stands in for DVST: each picture as 16 x 16 signs, one symbol for each, and their number in the header."""

    colours = 1

    def __init__(self) -> None:
        self.asked: list[dict] = []

    def encode(self, frames, reference, *, max_symbols, snr_db, eta=None):
        self.asked.append({"frames": len(frames), "max_symbols": max_symbols, "sizes": {f.shape for f in frames}})
        cells = [frame.reshape(CELLS, frame.shape[0] // CELLS, CELLS, -1).mean(axis=(1, 3)) for frame in frames]
        signs = torch.from_numpy(np.where(np.stack(cells).ravel() > 127, 1.0, -1.0))
        return Coded(np.array([len(frames) >> i & 1 for i in range(8)], np.uint8), signs.to(torch.complex64))

    def decode(self, received, header, reference, count, height, width):
        assert header is not None and sum(int(bit) << i for i, bit in enumerate(header)) == count
        cells = (received.symbols.real.view(count, CELLS, CELLS) > 0).numpy().astype(np.uint8) * 255
        return list(cells.repeat(height // CELLS, 1).repeat(width // CELLS, 2))


def road(others=None) -> SketchRoad:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        key = DeepJsccSketchCodec(DeepJscc.tiny(1, 2))
    return SketchRoad(key, lambda: others or CoarseDifferences())


def checked(place: int, height: int = 256, width: int = 256) -> np.ndarray:
    """A drawing of which one sixteenth of the rows is white."""
    drawn = np.zeros((height, width), np.uint8)
    drawn[place * height // CELLS : (place + 1) * height // CELLS] = 255
    return drawn


def white_rows(drawn: np.ndarray) -> list[int]:
    """Which sixteenths of the rows are white."""
    return np.flatnonzero(drawn.reshape(CELLS, -1).mean(axis=1) > 127).tolist()
