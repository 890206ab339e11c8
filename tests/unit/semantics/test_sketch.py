"""Sketches of pictures of any size, in tiles that do not show."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from lgvsc.errors import InputError, ShapeError
from lgvsc.nets.pidinet import PiDiNet
from lgvsc.semantics import sketch
from lgvsc.semantics.sketch import GRANULE, TILE, SketchExtractor, load, spans


def net() -> PiDiNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PiDiNet("tiny-l").eval()


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(64, 96), (33, 57), (16, 200)])
def test_a_sketch_has_the_size_of_its_picture(size):
    drawn = SketchExtractor(net()).extract(picture(*size))
    assert drawn.shape == size and drawn.dtype == np.uint8


def test_a_sketch_is_the_networks_edge_map():
    shown = picture(64, 48)
    with torch.no_grad():
        expected = net()(torch.from_numpy(shown).permute(2, 0, 1)[None] / 255)[0, 0].numpy()
    assert np.abs(SketchExtractor(net()).extract(shown) / 255 - expected).max() <= 0.5 / 255 + 1e-4


def test_tiles_do_not_show(monkeypatch):
    shown = picture(208, 330)
    extractor = SketchExtractor(net())
    whole = extractor.extract(shown)
    monkeypatch.setattr(sketch, "TILE", 96)
    assert len(spans(208)) == 3
    tiled = extractor.extract(shown)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_tiles_cover_a_side_once_in_whole_granules():
    for length in (GRANULE, TILE, TILE + GRANULE, 4096):
        pieces = spans(length)
        assert pieces[0].start == 0 and pieces[-1].stop == length
        assert all(a.stop == b.start for a, b in pairwise(pieces))
        assert all(p.start % GRANULE == 0 and 0 < p.stop - p.start < TILE + GRANULE for p in pieces)


def test_what_is_no_picture_is_refused():
    extractor = SketchExtractor(net())
    for wrong in (picture(64, 64)[..., 0], picture(64, 64).astype(np.float32), picture(15, 64)):
        with pytest.raises(ShapeError, match="8-bit RGB"):
            extractor.extract(wrong)


def test_weights_load_by_variant():
    from safetensors.torch import save

    tensors = {name: value.half().contiguous() for name, value in net().state_dict().items()}
    assert load(save(tensors, {"variant": "tiny-l"})).extract(picture(32, 32)).shape == (32, 32)
    for data in (save(tensors, {"variant": "tiny"}), save(tensors, {"variant": "?"}), save(tensors), b"rubbish"):
        with pytest.raises(InputError, match="PiDiNet"):
            load(data)
