"""Whatever is charged, a budget is kept, or the first line says that it is not."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from lgvsc import link
from lgvsc.channel.pulse import TAIL_SYMBOLS
from lgvsc.channel.sigmf import SigmfReader
from lgvsc.channel.waveform import frame
from lgvsc.config import load_config
from lgvsc.core.air import Reception
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import Video, VideoReader, write_video
from lgvsc.errors import ConfigError
from lgvsc.kinds import fit_to_budget
from lgvsc.planning import allowed_cbr

SCHEMES = (
    "skem-dsa",
    "skim-dsa",
    "skim-sfa",
    "text-only",
    "layered-dsa",
    "gvsc-sketch",
    "dvst",
    "h264-ldpc",
    "av1-ldpc",
)
CHARGES = {
    "message.send_captions": st.booleans(),
    "message.send_motion": st.booleans(),
    "message.send_colours": st.booleans(),
    "message.send_closing": st.booleans(),
    "objective": st.sampled_from(["look", "structure"]),
    "keyframes.segments": st.sampled_from([1, 5, 18]),
}
AIRS = [
    {},
    *({"channel.kind": kind, "channel.csi": csi} for kind in ("rayleigh", "tdl") for csi in ("perfect", "estimated")),
]
BUDGETS = ("1symbols", "6e-4cbr", "5kbps", "2000symbols", "1e-2cbr", "0.05cbr")
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
few = settings(many, max_examples=3, derandomize=True)


class Counted:
    """Air that counts the symbols that cross it, those of radio frames and the last pulse among them."""

    def __init__(self, framed: bool) -> None:
        self.framed, self.symbols = framed, TAIL_SYMBOLS * framed

    def write(self, received: Reception) -> None:
        symbols = received.symbols.numpy()
        self.symbols += len(frame(symbols) if self.framed else symbols)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def clip(path, frames, height, width):
    random = np.random.default_rng(frames)
    scenes = [cv2.resize(random.integers(0, 256, (4, 5, 3), np.uint8), (width, height)) for _ in range(3)]
    write_video(path, Video(np.stack([np.roll(scenes[i // 7 % 3], i, axis=1) for i in range(frames)]), Fraction(25)))
    return path


def sent(path, **given: Any) -> tuple[Ledger, float, str]:
    """What was sent, how many symbols the budget allows, and the first line."""
    scheme, framed = given.pop("scheme"), given.pop("framed", False)
    config, air, told = load_config(scheme=scheme, settings=given), Counted(framed), []
    with VideoReader(path) as reader:
        allowed = allowed_cbr(reader.format, config)
    ledger = link.transmit(path, config, lambda *_: air, framed=framed, on_choices=told.extend)
    video = ledger.video
    assert air.symbols == ledger.symbols["total"]  # all that crosses the air is charged
    return ledger, allowed * 3 * video.height * video.width * video.frames, told[0]


def check(path, budget: str, given: dict[str, Any]) -> None:
    """A budget is kept or told, and so is one half as large again as the least that can be sent."""
    try:
        chosen = {key: value for key, value in given.items() if key not in ("scheme", "framed")}
        load_config(scheme=given["scheme"], settings=chosen)
    except ConfigError:
        reject()  # these settings do not go together
    try:
        least, _, _ = sent(path, **given, **{"coding.budget": "1symbols"})
        for limit in (budget, f"{ceil(1.5 * least.symbols['total'])}symbols"):
            ledger, allowed, first = sent(path, **given, **{"coding.budget": limit})
            total = ledger.symbols["total"]
            assert total <= allowed * (1 + 1e-9) or first.startswith("the budget "), f"{total} of {allowed:.0f}"
            assert not (first.startswith("the budget cannot") and total <= allowed), "told without need"
    except ConfigError as refused:  # by schemes whose smallest rate is above it
        assert re.search("budget|too few", str(refused))


WHATEVER = {
    "scheme": st.sampled_from(SCHEMES),
    "size": st.sampled_from([(64, 64), (60, 106), (96, 128)]),
    "frames": st.sampled_from([1, 2, 5, 18, 40]),
    "snr_db": st.sampled_from([-3.0, 0.0, 6.0, 10.0, 20.0]),
    "budget": st.sampled_from(BUDGETS),
    "charges": st.fixed_dictionaries({}, optional=CHARGES),
    "air": st.sampled_from(AIRS),  # estimated: by pilots, which are charged
    "framed": st.fixed_dictionaries({"framed": st.booleans()}),  # for radios
}


@few
@given(**WHATEVER)
def test_a_budget_is_kept_or_told_whatever_is_charged(
    tmp_path, scheme, size, frames, snr_db, budget, charges, air, framed
):
    path = clip(tmp_path / "a.mp4", frames, *size)
    check(path, budget, {"scheme": scheme, "channel.snr_db": snr_db, **charges, **air, **framed})


@pytest.mark.slow
@many
@given(**WHATEVER)
def test_many_budgets_are_kept_or_told(tmp_path, scheme, size, frames, snr_db, budget, charges, air, framed):
    path = clip(tmp_path / "a.mp4", frames, *size)
    check(path, budget, {"scheme": scheme, "channel.snr_db": snr_db, **charges, **air, **framed})


@pytest.mark.parametrize("scheme", ["skem-dsa", "av1-ldpc"])
def test_one_frame_and_one_symbol(tmp_path, scheme):
    path = clip(tmp_path / "a.mp4", 1, 96, 128)
    ledger, allowed, first = sent(path, scheme=scheme, **{"coding.budget": "1symbols"})
    assert ledger.symbols["total"] > allowed == 1 and first.startswith("the budget ")


@pytest.mark.parametrize("csi", ["perfect", "estimated"])
def test_eighteen_segments_that_a_budget_cannot_pay_are_told_before_all_else(tmp_path, csi):
    path = clip(tmp_path / "a.mp4", 90, 96, 128)
    given = {"coding.budget": "6e-4cbr", "keyframes.segments": 18, "channel.kind": "rayleigh", "channel.csi": csi}
    ledger, allowed, first = sent(path, scheme="skim-dsa", **given)
    assert ledger.symbols["total"] > allowed and first.startswith("the budget cannot be kept: 18 segments")


@pytest.mark.parametrize("scheme", [*SCHEMES, "djscc-rgb"])
def test_a_budget_pays_for_radio_frames(tmp_path, scheme):
    path = clip(tmp_path / "a.mp4", 18, 96, 128)
    given = {"scheme": scheme, "coding.budget": "2e-2cbr"}
    ledger, allowed, _ = sent(path, **given, framed=True)
    bare, _, _ = sent(path, **given)
    total = ledger.symbols["total"]
    assert total <= allowed
    assert total > bare.symbols["total"] or total > 0.8 * allowed, "and leaves the rest to the video"


@pytest.mark.parametrize("scheme", ["djscc-rgb", "h264-ldpc", "dvst"])
def test_the_budget_is_named_as_it_was_given_whatever_is_paid_from_it(tmp_path, scheme):
    path = clip(tmp_path / "a.mp4", 2, 64, 64)
    given = {"scheme": scheme, "coding.budget": "5e-3cbr"} | AIRS[2]
    try:
        with VideoReader(path) as reader:
            told = str(fit_to_budget(reader, load_config(scheme=scheme, settings=given | {"scheme": scheme}))[1])
    except ConfigError as refused:
        told = str(refused)
    assert "5e-3cbr" in told


def test_a_recording_holds_as_many_samples_as_are_charged(tmp_path):
    path = clip(tmp_path / "a.mp4", 18, 96, 128)
    config = load_config(scheme="skim-dsa", settings={"coding.budget": "2e-2cbr", "keyframes.segments": 3})
    stem = tmp_path / "tx"
    ledger = link.send(path, config, message=tmp_path / "tx.lgvsc", symbols=stem, samples_per_symbol=4)
    assert SigmfReader(stem).symbols == 4 * ledger.symbols["total"]
    assert ledger.cbr <= 2e-2 and ledger.labelled(link.RADIO_FRAME) > 3 * 256
