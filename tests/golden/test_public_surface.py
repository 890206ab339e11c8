"""What others build on is pinned: control blocks, public names, commands, report keys, files.

The stored values were written by the release in which they were first pinned, and are never made anew: a new control
version, file version or command gets entries of its own beside them.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import layouts
import numpy as np
import pytest
import torch
import typer

import lgvsc
from lgvsc.channel.sigmf import SigmfWriter, WaveformWriter
from lgvsc.cli.main import app
from lgvsc.core.air import Reception
from lgvsc.core.container import read_message, write_message
from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import Video, VideoFormat, write_video
from lgvsc.errors import InputError

HERE = Path(__file__).parent
BLOCKS = json.loads((HERE / "control_blocks.json").read_text())
SURFACE = json.loads((HERE / "public_surface.json").read_text())
VIDEO = VideoFormat(18, 32, Fraction(25), 20)


# Control blocks


@pytest.mark.parametrize("golden", BLOCKS, ids=lambda golden: f"version {golden['version']}")
def test_every_block_has_the_bits_it_always_had_and_reads_back_where_it_makes_sense(golden):
    version, names, length = golden["version"], golden["fields"], golden["block_bits"]
    for case in golden["cases"]:
        values = dict(zip(names, case["values"], strict=True))
        bits = [int(digit) for digit in f"{int(case['bits'], 16):0{length}b}"]
        assert layouts.pack(version, values) == bits, case["case"]
        assert layouts.read_back(version, bits, names) == (values if case["reads"] else None), case["case"]


@pytest.mark.parametrize("golden", BLOCKS, ids=lambda golden: f"version {golden['version']}")
def test_every_field_refuses_one_more_than_fits_and_a_flipped_bit_is_noticed(golden):
    version, names = golden["version"], golden["fields"]
    typical = dict(zip(names, golden["cases"][0]["values"], strict=True))
    for name, width in zip(names, golden["widths"], strict=True):
        for wrong in (2**width, -1):
            with pytest.raises(InputError):
                layouts.pack(version, typical | {name: wrong})
    bits = layouts.pack(version, typical)
    for at in range(len(bits)):
        assert layouts.read_back(version, [*bits[:at], 1 - bits[at], *bits[at + 1 :]], names) is None


@pytest.mark.parametrize("golden", BLOCKS, ids=lambda golden: f"version {golden['version']}")
def test_coded_blocks_are_sent_as_the_same_symbols(golden):
    typical = dict(zip(golden["fields"], golden["cases"][0]["values"], strict=True))
    for snr_db, symbols in golden["typical_quadrants"].items():
        assert layouts.quadrants(layouts.pack(golden["version"], typical), float(snr_db)) == symbols


# Names and commands


def test_the_public_names_are_these_and_each_is_there():
    assert sorted(lgvsc.__all__) == SURFACE["names"]
    assert all(getattr(lgvsc, name) is not None for name in lgvsc.__all__)


def commands(command):
    """Parameters of a command and of all below it; options by their spellings."""
    found = {
        "parameters": {
            p.name: sorted(p.opts + p.secondary_opts) if p.param_type_name == "option" else "argument"
            for p in command.params
        }
    }
    if hasattr(command, "commands"):
        found["commands"] = {name: commands(below) for name, below in command.commands.items()}
    return found


def holds(now, then):
    """Whether all of the second is in the first, at every depth."""
    if isinstance(then, dict):
        return isinstance(now, dict) and all(key in now and holds(now[key], value) for key, value in then.items())
    return now == then


def test_every_command_and_option_is_still_there():
    now = commands(typer.main.get_command(app))
    for name, then in SURFACE["commands"].items():
        assert holds(now["commands"][name], then), name


# Reports


def keys(value):
    """Keys of nested mappings; of a list those of its items together."""
    if isinstance(value, dict):
        return {key: keys(below) for key, below in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        merged = {}
        for item in value:
            below = keys(item)
            merged |= below if isinstance(below, dict) else {}
        return merged or None
    return None


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    rows, columns = np.mgrid[:64, :96]
    pictures = [np.stack([rows * 3, (columns + 2 * i) * 2, (rows + columns + i) % 256], -1) for i in range(10)]
    write_video(path, Video(np.stack(pictures).astype(np.uint8), Fraction(25)))
    return path


@pytest.mark.parametrize("run", SURFACE["reports"], ids=lambda run: run["scheme"])
def test_the_report_has_the_same_keys_at_every_depth(run, clip, tmp_path):
    record = lgvsc.run(
        clip, preset=run["preset"], scheme=run["scheme"], output=tmp_path / "o.mp4", budget=run["budget"]
    )
    report = record.report()
    assert report["version"] == 1
    report["metrics"]["absent"] = None  # what is absent depends on the machine
    assert keys(json.loads(json.dumps(report))) == run["keys"]


# Files


def coloured_segments():
    """Two segments of a message of version 2 without pictures, so that its bytes depend on no image library."""
    colours = (np.arange(8 * 8 * 3, dtype=np.uint8) * 5).reshape(8, 8, 3)
    motion = Motion(score=2.25, camera="zoom in", pan=0.5, tilt=-0.125, zoom=0.25)
    first = Segment(video=VIDEO, start=0, stop=12, caption="A lamp.", motion=motion, colours=colours, divergence=0.25)
    return [first, Segment(video=VIDEO, start=12, stop=20, caption="Dark.", cut=15, last=True, status={"side": "ok"})]


def test_messages_of_version_2_are_written_byte_for_byte_as_they_always_have(tmp_path):
    write_message(tmp_path / "m.lgvsc", coloured_segments())
    assert (tmp_path / "m.lgvsc").read_bytes() == (HERE / "message_v2_words.lgvsc").read_bytes()


def test_messages_of_version_2_with_sketches_read_as_they_always_have():
    first, second = read_message(HERE / "message_v2.lgvsc").segments
    assert np.array_equal(first.colours, coloured_segments()[0].colours) and first.motion.camera == "zoom in"
    assert [index for index, _ in first.sketches] == [0, 4, 8] and second.sketches == ()
    for index, sketch in first.sketches:
        assert np.array_equal(sketch, drawing(index))
    assert second.last and second.cut == 15 and second.caption == "Dark."


def drawing(index):
    """A sketch by formula: a diagonal that wanders."""
    rows, columns = np.mgrid[:18, :32]
    return np.where((rows + columns + index) % 7 == 0, 255, 0).astype(np.uint8)


SYMBOLS = torch.tensor([1 + 2j, 0.5 - 0.25j, -3j, 0.125 + 0j], dtype=torch.complex64)


@pytest.mark.parametrize(
    ("name", "variance"), [("constant", [0.25, 0.25, 0.25, 0.25]), ("varying", [0.25, 0.5, float("inf"), 2.0])]
)
def test_recordings_are_written_byte_for_byte_as_they_always_have(name, variance, tmp_path):
    with SigmfWriter(tmp_path / "x", sample_rate_hz=1e6, description="four symbols", clip="c") as writer:
        writer.write(Reception(SYMBOLS, torch.tensor(variance)))
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {file: data.hex() for file, data in written.items() if not file.endswith("meta")} == SURFACE["sigmf"][name][
        "data"
    ]
    assert json.loads(written["x.sigmf-meta"]) == SURFACE["sigmf"][name]["meta"]


def test_waveforms_describe_themselves_as_they_always_have(tmp_path):
    with WaveformWriter(tmp_path / "x", samples_per_symbol=4, symbol_rate_hz=1e5, clip="c") as writer:
        writer.write(Reception(SYMBOLS, torch.zeros(4)))
    assert json.loads((tmp_path / "x.sigmf-meta").read_text()) == SURFACE["sigmf"]["waveform"]["meta"]
    assert (tmp_path / "x.sigmf-data").stat().st_size == SURFACE["sigmf"]["waveform"]["bytes"]
