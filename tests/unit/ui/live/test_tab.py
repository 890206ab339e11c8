"""What the live tab shows of what was measured, and that captions from the air stay text."""

import json

import numpy as np

from lgvsc.ui.live import tab
from lgvsc.ui.live.job import NUMBERS, RECEIVED, SOURCE, lay_down

NUMBERS_NOW = {
    "taken": 240, "unsent": 0, "sent": 50, "handed": 40, "noisy": 6, "dropped": 3, "late": 1, "kbit_per_s": 3.25,
    "ksymbols_per_s": 1.84, "segments": 12, "unmade": 0, "unshown": 0, "skipped": 0, "lost": {"caption": 2},
    "behind_s": 0.4, "source_late_s": 0.0, "left_out": 0, "origin": "generated", "caption": "A cat.",
    "delay_s": 3.21, "stands_s": 0.1,
}  # fmt: skip


def shown(folder, **changes):
    (folder / NUMBERS).write_text(json.dumps(NUMBERS_NOW | changes))
    return tab.pictures(folder)


def test_both_pictures_and_all_numbers_are_shown(tmp_path):
    for name in (SOURCE, RECEIVED):
        lay_down(np.zeros((8, 8, 3), np.uint8), tmp_path / name)
    html = shown(tmp_path)
    assert html.count("data:image/jpeg;base64,") == 2 and "http" not in html
    for words in ("generated, 3.2 s later", "A cat.", "<dd>10 (20 %)</dd>", "3.2 kbit/s", "1.84 k/s", "2 caption"):
        assert words in html
    assert "In step" in html and "nothing new" not in html
    assert "nothing new for 7 s" in shown(tmp_path, stands_s=7.0)


def test_being_behind_is_said_with_what_was_left_out(tmp_path):
    html = shown(tmp_path, behind_s=3.4, unsent=90, unmade=2, unshown=5, left_out=97)
    assert "Behind by 3.4 s" in html
    assert "90 of 240 pictures were not sent, 2 of 12 segments not made, 5 frames not shown" in html
    assert "In step again" in shown(tmp_path, behind_s=0.2, unsent=90, left_out=90)
    assert "read 4 s too slowly" in shown(tmp_path, behind_s=2.0, source_late_s=4.2, left_out=1)


def test_before_the_first_frame_there_is_no_picture_but_a_place_for_it(tmp_path):
    html = shown(tmp_path, origin="", caption="", delay_s=None, stands_s=None, sent=0, noisy=0, dropped=0, late=0)
    assert "<img" not in html and html.count('class="nothing"') == 2 and "on its way" in html


def test_captions_from_the_air_are_text(tmp_path):
    html = shown(tmp_path, caption="<img src=x onerror=alert(1)>", lost={"<b>": 1})
    assert "<img" not in html and "<b>" not in html
