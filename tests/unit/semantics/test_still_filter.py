"""The cheap look: what it spares, and what it must not."""

import cv2
import numpy as np
import pytest

from lgvsc.core.video import Frame
from lgvsc.semantics.still_filter import StillFilter


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 255, (12, 16, 3)).astype(np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)


def noisy(scene):
    return np.clip(scene + np.random.default_rng(1).normal(0, 6, scene.shape), 0, 255).astype(np.uint8)


def with_patch(scene, size):
    changed = scene.copy()
    changed[100 : 100 + size, 100 : 100 + size] = 255 - changed[100 : 100 + size, 100 : 100 + size]
    return changed


def test_only_candidates_that_differ_are_asked_about(scene):
    asked = []

    def score(keyframe, candidates):
        asked.append([c.index for c in candidates])
        return [0.1 * c.index for c in candidates]

    spare = StillFilter(score)
    shown = [scene.copy(), noisy(scene), with_patch(scene, 60), np.roll(scene, 12, axis=1), np.zeros_like(scene)]
    candidates = [Frame(i, picture) for i, picture in enumerate(shown, 1)]
    assert spare(Frame(0, scene), candidates) == [None, None, pytest.approx(0.3), pytest.approx(0.4), 0.5]
    assert asked == [[3, 4, 5]] and (spare.asked, spare.spared) == (3, 2)


def test_where_nothing_changes_nobody_is_asked(scene):
    spare = StillFilter(lambda keyframe, candidates: pytest.fail("asked about a still frame"))
    assert spare(Frame(0, scene), [Frame(1, scene.copy())]) == [None]
    assert spare(Frame(0, scene), []) == []


def test_pictures_of_any_shape_are_looked_at():
    thin = np.zeros((16, 640, 3), np.uint8)
    assert StillFilter(lambda k, c: [0.0] * len(c))(Frame(0, thin), [Frame(1, thin.copy())]) == [None]
