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
from lgvsc.config import load_config
from lgvsc.core.air import Reception
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import Video, VideoReader, write_video
from lgvsc.errors import ConfigError
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
    """Air that counts the symbols that cross it."""

    symbols = 0

    def write(self, received: Reception) -> None:
        self.symbols += len(received.symbols)

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
    scheme = given.pop("scheme")
    config, air, told = load_config(scheme=scheme, settings=given), Counted(), []
    with VideoReader(path) as reader:
        allowed = allowed_cbr(reader.format, config)
    ledger = link.transmit(path, config, lambda *_: air, on_choices=told.extend)
    video = ledger.video
    assert air.symbols == ledger.symbols["total"]  # all that crosses the air is charged
    return ledger, allowed * 3 * video.height * video.width * video.frames, told[0]


def check(path, budget: str, given: dict[str, Any]) -> None:
    """A budget is kept or told, and so is one half as large again as the least that can be sent."""
    try:
        load_config(scheme=given["scheme"], settings={key: value for key, value in given.items() if key != "scheme"})
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
}


@few
@given(**WHATEVER)
def test_a_budget_is_kept_or_told_whatever_is_charged(tmp_path, scheme, size, frames, snr_db, budget, charges, air):
    path = clip(tmp_path / "a.mp4", frames, *size)
    check(path, budget, {"scheme": scheme, "channel.snr_db": snr_db, **charges, **air})


@pytest.mark.slow
@many
@given(**WHATEVER)
def test_many_budgets_are_kept_or_told(tmp_path, scheme, size, frames, snr_db, budget, charges, air):
    path = clip(tmp_path / "a.mp4", frames, *size)
    check(path, budget, {"scheme": scheme, "channel.snr_db": snr_db, **charges, **air})


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
