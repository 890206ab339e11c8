"""What is looked at beforehand, and how often."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from lgvsc import kinds, planning
from lgvsc.config import load_config
from lgvsc.core.video import Video, VideoReader, write_video


def test_the_curve_of_a_clip_is_made_once_for_all_budgets_and_channels(tmp_path, monkeypatch):
    looked = []
    real = planning.clip_curve

    def counted(frames, video, config, score):
        looked.append(video)
        return real(frames, video, config, score)

    monkeypatch.setattr(planning, "clip_curve", counted)
    for name, level in (("a", 60), ("b", 200)):
        write_video(tmp_path / f"{name}.mp4", Video(np.full((6, 64, 64, 3), level, np.uint8), Fraction(25)))

    def plan(name, **settings):
        with VideoReader(tmp_path / f"{name}.mp4") as reader:
            return kinds.fit_to_budget(reader, load_config(settings=settings))

    plan("a", **{"coding.budget": "1e-3cbr"})
    plan("a", **{"coding.budget": "5e-2cbr", "channel.snr_db": 0.0})
    assert len(looked) == 1
    plan("a", **{"coding.budget": "1e-3cbr", "keyframes.sample_fps": 9.0})
    plan("b", **{"coding.budget": "1e-3cbr"})
    assert len(looked) == 3
