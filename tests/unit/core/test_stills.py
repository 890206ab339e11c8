"""Picture files as people see them."""

import numpy as np
import pytest
from PIL import Image

from lgvsc.core.stills import read_picture

SCENE = np.zeros((20, 30, 3), np.uint8)
SCENE[:10, :15], SCENE[:10, 15:], SCENE[10:, :15], SCENE[10:, 15:] = 30, 90, 160, 230
STORED = {  # how a camera that writes the orientation stores the scene
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: np.rot90(p, 2),
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, 1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_exif_sets_a_picture_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(STORED[orientation](SCENE))).save(tmp_path / "p.png", exif=exif)
    notes = []
    assert np.array_equal(read_picture(tmp_path / "p.png", notes.append), SCENE)
    assert len(notes) == (orientation != 1)


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16)[None].repeat(8, 0)
    Image.fromarray(ramp).save(tmp_path / "g.png")
    notes = []
    shown = read_picture(tmp_path / "g.png", notes.append)
    assert np.array_equal(shown[0, :, 0], np.arange(256)) and shown.shape == (8, 256, 3)
    assert "8 bits" in notes[0]


def test_of_an_animation_the_first_picture_is_taken_and_it_is_said(tmp_path):
    first, second = Image.new("RGB", (8, 8), (200, 20, 30)), Image.new("RGB", (8, 8), (0, 0, 90))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    notes = []
    assert np.abs(read_picture(tmp_path / "a.gif", notes.append)[4, 4].astype(int) - (200, 20, 30)).max() < 4
    assert notes == ["a.gif: of its 2 pictures the first is taken"]


def test_every_kind_of_picture_comes_out_as_seen(tmp_path):
    red = Image.new("RGB", (8, 8), (200, 20, 30))
    half = Image.new("RGBA", (8, 8), (200, 20, 30, 0))
    for name, image in {
        "palette.png": red.quantize(4),
        "grey.png": Image.new("L", (8, 8), 77),
        "bilevel.png": Image.new("1", (8, 8), 1),
        "cmyk.tiff": red.convert("CMYK"),
        "clear.png": half,
        "greyalpha.png": Image.new("LA", (8, 8), (50, 255)),
    }.items():
        image.save(tmp_path / name)
    right = {"palette.png": (200, 20, 30), "grey.png": (77,) * 3, "bilevel.png": (255,) * 3, "cmyk.tiff": (200, 20, 30)}
    right |= {"clear.png": (255,) * 3, "greyalpha.png": (50,) * 3}
    for name, colour in right.items():
        assert np.abs(read_picture(tmp_path / name)[4, 4].astype(int) - colour).max() <= 1, name
