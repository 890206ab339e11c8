"""What is asked of the kinds of schemes, and that a new one is one record."""

from __future__ import annotations

import ast
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from lgvsc import kinds, link
from lgvsc.coding.burst.control import FramesControl, described
from lgvsc.coding.burst.framing import ControlRead
from lgvsc.config import SCHEMES, load_config
from lgvsc.core.air import Burst, Part
from lgvsc.core.message import PARTS
from lgvsc.core.video import Video, read_video, write_video
from lgvsc.errors import ConfigError
from lgvsc.schemes.bursts_in_order import bursts_in_order
from lgvsc.schemes.player import Decoded, Player

SOURCE = Path(kinds.__file__).parent
KNOW_NAMES = {"kinds.py", "schemes/auto.py"}
COPIES = 64  # of each colour, so that noise averages out


class Colours:
    """A new scheme: the mean colour of each frame, as analogue symbols."""

    name = "colours"

    def __init__(self, belief):
        self.belief = belief

    def transmit(self, frames, video):
        pictures = [frame.pixels for frame in frames]
        means = torch.tensor(np.array([picture.mean((0, 1)) for picture in pictures]), dtype=torch.float32)
        symbols = torch.complex(means / 127.5 - 1, torch.zeros_like(means)).repeat_interleave(COPIES)
        control = FramesControl(**described(video, 0, len(pictures), True), reals=2)
        yield control.segment(), Burst(0, (control.part(self.belief.esn0_db), Part("video", symbols, 0, "colours")))

    def reconstruct(self, receptions, on_segment=lambda _: None):
        return Player().play(self.received(receptions, on_segment))

    def received(self, receptions, on_segment):
        for segment, control, body in bursts_in_order(receptions, self.read_control, lambda c, b: (c.segment(), b)):
            segment = segment.changed(status={**dict.fromkeys(PARTS, "absent"), "control": "ok", "video": "ok"})
            on_segment(segment)
            means = body.symbols.real.reshape(control.length, 3, COPIES).mean(2).numpy()
            colours = ((means + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
            size = control.height, control.width, 3
            yield Decoded(segment, ((at, np.broadcast_to(colour, size)) for at, colour in enumerate(colours)))

    def read_control(self, received):
        read = FramesControl.read(received)
        return ControlRead(*read, 3 * COPIES * read[0].length) if read else None


TOY = kinds.Kind(schemes=("colours",), make=lambda config, observers: Colours(config.belief))


def test_a_new_scheme_is_one_file_and_one_record(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="no scheme is called 'colours'"):
        load_config(scheme="colours")
    monkeypatch.setattr(kinds, "KINDS", (*kinds.KINDS, TOY))
    pictures = np.stack([np.full((48, 64, 3), (200, 60 + 10 * i, 30), np.uint8) for i in range(8)])
    write_video(tmp_path / "clip.mp4", Video(pictures, Fraction(25)))
    config = load_config(scheme="colours", settings={"channel.snr_db": 15.0})
    record = link.run(tmp_path / "clip.mp4", config, output=tmp_path / "out.mp4")
    report = record.report()
    assert report["scheme"] == "colours" and report["models"] == {} and report["choices"] == []
    assert report["threshold"] is None and report["provenance"] == [(0, 8, "received")]
    assert report["symbols"]["video"] == 8 * 3 * COPIES and report["metrics"]["psnr_db"] > 30
    shown, sent = read_video(tmp_path / "out.mp4").frames, pictures.astype(float)
    assert np.abs(shown.mean((1, 2)) - sent.mean((1, 2))).max() < 8

    link.send(tmp_path / "clip.mp4", config, message=tmp_path / "m.lgvsc", symbols=tmp_path / "tx")
    assert link.receive(tmp_path / "tx", config, output=tmp_path / "rx.mp4").frames == 8


def test_pilots_and_budgets_come_with_the_record(monkeypatch, tmp_path):
    monkeypatch.setattr(kinds, "KINDS", (*kinds.KINDS, TOY))
    write_video(tmp_path / "clip.mp4", Video(np.full((4, 48, 64, 3), 90, np.uint8), Fraction(25)))
    settings = {"channel.kind": "rayleigh", "channel.csi": "estimated", "channel.snr_db": 25.0}
    record = link.run(
        tmp_path / "clip.mp4", load_config(scheme="colours", settings=settings), output=tmp_path / "out.mp4"
    )
    assert record.report()["choices"] == ["one symbol in 8 is a pilot"]


def test_every_scheme_has_one_kind_and_a_file_of_settings_belongs_to_a_scheme():
    assert len(SCHEMES) == len(set(SCHEMES)) == len(kinds.schemes())
    files = {file.stem for file in (SOURCE / "presets" / "schemes").glob("*.toml")}
    assert files <= set(SCHEMES)
    with pytest.raises(ConfigError, match="skem-dsa"):
        kinds.kind_of("no-such-scheme")


def test_who_makes_frames_that_nobody_sent():
    generated = {scheme for scheme in SCHEMES if kinds.kind_of(scheme).generated}
    assert generated == set(SCHEMES) - {"djscc-rgb", "dvst"} - set(kinds.CONVENTIONAL.schemes)


@pytest.mark.parametrize("scheme", ["skem-dsa", "djscc-rgb", "gvsc-sketches", "h264-ldpc"])
def test_one_ratio_for_eb_n0_is_there_in_paper_mode_of_a_codec_alone(scheme):
    settings = {"channel.snr_def": "ebn0", "conventional.mode": "paper"}
    if scheme == "h264-ldpc":
        assert load_config(scheme=scheme, settings=settings).esn0_db > 10.0
    else:
        with pytest.raises(ConfigError, match="ebn0"):
            load_config(scheme=scheme, settings=settings)


def test_no_one_else_tells_schemes_apart_by_their_names():
    """Neither by comparison nor by ``match`` nor by a dictionary: what differs stands in the record of the kind.

    ``auto``, which words its choice between rows of its own table, is let be.
    """
    others = [path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).as_posix() not in KNOW_NAMES]
    found = [place for path in others for place in ladders(path.read_text(encoding="utf-8"))]
    assert not found
    for ladder in (
        "config.scheme == other",
        "scheme in ('auto', 'dvst')",
        "name != 'h264-ldpc'",
        "scheme.endswith('-ldpc')",
        "match scheme:\n    case 'skem-dsa': pass",
        "{'skem-dsa': 1, 'dvst': 2}[scheme]",
    ):
        assert ladders(ladder), ladder


def ladders(source: str) -> list[str]:
    """Where code tells schemes apart by their names. ``auto`` is also a device's name, ``dvst`` a trainer's."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare | ast.match_case | ast.Subscript | ast.Call):
            continue
        said = ast.unparse(node)
        named = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)} & set(SCHEMES)
        compares = isinstance(node, ast.Compare) and (
            (named and ("scheme" in said or named != {"auto"})) or "config.scheme" in said
        )
        matches = isinstance(node, ast.match_case) and named
        looks_up = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict) and named
        asks_ending = isinstance(node, ast.Call) and "endswith('-ldpc')" in said
        if compares or matches or looks_up or asks_ending:
            found.append(said)
    return found
