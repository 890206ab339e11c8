"""What is worth more looks more like the frames, and what the networks saw of these is no approximation."""

import cv2
import numpy as np
import pytest
import torch

from lgvsc.core.tensors import as_batch
from lgvsc.metrics.dists import dists, dists_distance
from lgvsc.schemes import layered_worth
from lgvsc.schemes.layered_worth import JUDGES, LookJudge, StructureJudge

rng = np.random.default_rng(5)
SMOOTH = cv2.GaussianBlur(rng.integers(0, 256, (192, 208, 3), np.uint8), (0, 0), 3)
FRAMES = [np.roll(cv2.normalize(SMOOTH, None, 0, 255, cv2.NORM_MINMAX), shift, 1) for shift in range(60)]


def softened(picture, sigma):
    return cv2.GaussianBlur(picture, (0, 0), sigma)


@pytest.mark.parametrize("objective", ["structure", "look"])
def test_the_nearer_to_the_frames_the_more_it_is_worth(objective):
    judge = JUDGES[objective](FRAMES)
    assert len(judge.places) == 4 and judge.places == sorted(set(judge.places))
    sources = [FRAMES[place] for place in judge.places]
    worths = [judge.worth([softened(source, sigma) for source in sources]) for sigma in (6, 3, 1)]
    assert worths == sorted(worths) and judge.worth(sources) > worths[-1]


def test_dists_looks_at_one_end_of_a_picture_and_at_the_other_end_of_the_next():
    judge = LookJudge(FRAMES)
    whole = judge._dists(judge.sources)
    for place, half, seen in ((0, slice(0, 104), True), (0, slice(104, 208), False), (2, slice(104, 208), True)):
        shown = [source.copy() for source in judge.sources]
        shown[place][:, half] = softened(shown[place], 6)[:, half]
        assert (judge._dists(shown) > whole + 0.01) == seen


def test_structure_counts_by_ratio_until_nothing_is_left(monkeypatch):
    judge = LookJudge(FRAMES)
    monkeypatch.setattr(judge, "_lpips", lambda shown: 0.3)
    monkeypatch.setattr(judge, "_dists", lambda shown: 0.2)

    def worth(ms_ssim):
        monkeypatch.setattr(layered_worth, "ms_ssim_and_ssim", lambda source, shown: (ms_ssim, 0.0))
        return judge.worth(judge.sources)

    assert worth(1.0) == pytest.approx(-0.3 - 1.5 * 0.2)
    assert worth(0.8) - worth(0.4) == pytest.approx(worth(0.4) - worth(0.2))
    assert worth(0.4) > worth(0.2) + 0.1
    assert worth(0.0) == worth(-0.1) == worth(0.05)


def test_what_is_not_shown_is_worth_nothing():
    judge = StructureJudge(FRAMES)
    assert judge.worth([None, *judge.sources[1:]]) == -np.inf and judge.worth([]) == -np.inf


def test_small_pictures_are_compared_by_their_difference():
    frames = [frame[:40, :40] for frame in FRAMES]
    for judge in (StructureJudge(frames), LookJudge(frames)):
        assert judge.worth(judge.sources) == 0
        assert judge.worth([np.zeros_like(source) for source in judge.sources]) < -50


def test_a_group_of_one_frame_has_one_place():
    assert StructureJudge(FRAMES[:1]).places == [0]


def test_what_was_seen_once_gives_the_same_distance():
    first, second = (as_batch(picture) for picture in (FRAMES[0], softened(FRAMES[0], 2)))
    net = dists("cpu")
    with torch.inference_mode():
        apart = net.apart(net.seen(first), net.seen(second))
    assert torch.equal(apart, dists_distance(first, second)) and apart > 0.02
