"""The search for a format, told what the receiver shows between two coded pictures."""

from __future__ import annotations

import numpy as np

from lgvsc.coding.frames.format_search import Effort, FormatSearch
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
