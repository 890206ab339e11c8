"""The search for a format, told what the receiver shows between two coded pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lgvsc.coding.frames.format_search import Effort, FormatSearch, _Trials
from lgvsc.coding.frames.formats import Format, Gop

QUICK = Effort(first_trials=3, later_trials=1, fits=2, trial_preset="10", preset="10")


def moving(frames: int = 24) -> Gop:
    rows, columns = np.mgrid[:64, :96]
    gop = Gop(0, 64, 96)
    for index in range(frames):
        wave = 127 + 60 * np.sin((columns - 2 * index) / 7) + 50 * np.cos(rows / 9)
        gop.add(np.repeat(wave[..., None], 3, -1).astype(np.uint8))
    return gop


def test_it_is_asked_for_frames_between_pictures_at_their_time() -> None:
    asked: list[float] = []

    def between(first, last, time):
        asked.append(time)
        return first if time < 0.5 else last

    choice = FormatSearch("av1", between=between, effort=QUICK).best(moving(), 600)
    assert choice is not None and choice.format.step > 1 and len(choice.coded.payload) <= 600
    assert asked and all(0 < time < 1 for time in asked)


def test_a_draft_is_about_as_large_as_what_it_becomes() -> None:
    """What is judged is what a fast encoder makes of about the bytes allowed; what is sent keeps within them."""
    search, gop = FormatSearch("av1", effort=QUICK), moving()
    draft = search.draft(gop, 600)
    choice = search.filled(draft)
    assert draft.fits and choice is not None and choice.format == draft.format == draft.coded.format
    assert len(choice.coded.payload) <= 600 < 2 * len(draft.coded.coded.payload) < 2400
    smaller = search.draft_in(Format(4, 6), gop, draft)
    assert smaller.format == Format(4, 6) and smaller.trials.max_bytes == 600
    assert not search.draft(gop, 1).fits


def textured(frames: int = 24) -> Gop:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    wide = cv2.resize(noise, (240, 160), interpolation=cv2.INTER_CUBIC)
    gop = Gop(0, 96, 128)
    for index in range(frames):
        gop.add(np.ascontiguousarray(wide[index : index + 96, 2 * index : 2 * index + 128]))
    return gop


def test_where_a_group_may_take_half_the_bytes_the_search_begins_coarser(monkeypatch: pytest.MonkeyPatch) -> None:
    octaves: list[float] = []
    code = _Trials._code

    def noted(trials, format, crf):
        found = code(trials, format, crf)
        octaves.append(found[0])
        return found

    search = FormatSearch("av1", effort=QUICK)
    search.best(textured(), 3000)
    monkeypatch.setattr(_Trials, "_code", noted)
    search.draft(textured(), 1500)
    assert abs(octaves[0]) < 0.6  # .95, where it begins as fine as before
