"""On real clips: interpolation is better than holding and than fading the two keyframes."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.metrics import structural_similarity

from lgvsc.core.video import VideoReader
from lgvsc.world.backends.compact.between import Between

MEDIA = Path(os.environ.get("LGVSC_MEDIA", Path(__file__).parents[6] / "shared" / "media")) / "train"
GAP = 32
CLIPS = ("aerial_park_cars", "blonde_woman_smiling", "golden_clockwork", "person_walks_past_hut", "dogs_jumping")


def ssim(a, b):
    return structural_similarity(a, b, channel_axis=2, data_range=255)


@pytest.mark.media
@pytest.mark.parametrize("clip", CLIPS)
def test_not_worse_than_holding_or_fading(clip):
    path = MEDIA / f"{clip}.mp4"
    if not path.is_file():
        pytest.skip(f"{path} is not here; set LGVSC_MEDIA to the folder of the clips")
    with VideoReader(path) as reader:
        frames = [frame.pixels for frame, _ in zip(reader, range(GAP + 1), strict=False)]
    between = Between(frames[0], frames[GAP])
    times = (4, 12, 20, 28)
    ours = np.mean([ssim(between.at(t / GAP), frames[t]) for t in times])
    hold = np.mean([ssim(frames[0] if t < GAP / 2 else frames[GAP], frames[t]) for t in times])
    fade = np.mean([ssim(cv2.addWeighted(frames[0], 1 - t / GAP, frames[GAP], t / GAP, 0), frames[t]) for t in times])
    assert ours > max(hold, fade) - 0.002
    if clip in ("aerial_park_cars", "dogs_jumping"):  # things move, and the flow can be trusted
        assert ours > max(hold, fade) + 0.03
