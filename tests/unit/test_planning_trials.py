"""Keyframes by trial: many where much happens, few and good ones where nothing does, at the places that pay."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations, pairwise

import cv2
import numpy as np
import pytest

from lgvsc import planning_trials
from lgvsc.core.video import Frame, VideoFormat
from lgvsc.planning_trials import Economy, Piece, Trial, pieces, plan_piece, plan_pieces
from lgvsc.semantics.keyframes import KeyframeConfig

SIZE = 48, 64
VOLUME = 3 * SIZE[0] * SIZE[1]
KEYFRAMES = KeyframeConfig(sample_fps=5)


def texture(seed):
    random = np.random.default_rng(seed)
    return cv2.resize(random.integers(0, 256, (6, 8, 3), np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def clip(pictures):
    return [Frame(i, picture) for i, picture in enumerate(pictures)], VideoFormat(*SIZE, Fraction(25), len(pictures))


def noisy(picture, symbols):
    """What a keyframe code does: the fewer symbols, the more noise."""
    noise = np.random.default_rng(0).normal(0, 40 * (VOLUME * 0.01 / symbols) ** 0.5, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


ECONOMY = Economy(symbols_per_frame=1.5e-3 * VOLUME, segment_symbols=0.0, code=noisy, objective="structure")


def test_a_still_scene_gets_one_good_keyframe_and_a_changing_one_many():
    still, video = clip([texture(0)] * 50)
    (plan,) = plan_pieces(still, video, KEYFRAMES, ECONOMY, None)
    assert len(plan.starts) <= 2 and plan.stop == 50
    changing, video = clip([texture(i // 10) for i in range(50)])
    (busy,) = plan_pieces(changing, video, KEYFRAMES, ECONOMY, None)
    assert len(busy.starts) >= 4 and busy.keyframe_cbr < plan.keyframe_cbr


def test_places_bracket_a_change_that_the_receiver_does_not_know_of():
    frames, video = clip([texture(0)] * 25 + [texture(1)] * 25)
    (piece,) = pieces(frames, video, KEYFRAMES)
    piece.cuts.clear()
    assert [piece.places[place].index for place in Trial(piece, video, ECONOMY).best_places(3)[3]] == [0, 20, 25, 49]


def test_places_are_the_best_of_all():
    """The dynamic programme against trying every division."""
    frames, video = clip([np.roll(texture(0), round(0.02 * i * i), axis=1) for i in range(40)])
    (piece,) = pieces(frames, video, KEYFRAMES)
    trial = Trial(piece, video, ECONOMY)
    cost, last = trial._costs(), len(piece.places) - 1
    divisions = [(0, *inner, last) for inner in combinations(range(1, last), 2)]
    best = min(divisions, key=lambda d: sum(cost[a, b] for a, b in pairwise(d)))
    assert trial.best_places(3)[3] == best


def test_equal_segments_are_tried_too(monkeypatch):
    """Where places chosen at the small size come off worse at the one of trials."""
    frames, video = clip([np.roll(texture(0), i, axis=1) for i in range(41)])
    (piece,) = pieces(frames, video, KEYFRAMES)
    trial = Trial(piece, video, ECONOMY)
    even = trial.even_places(4)
    assert [piece.places[place].index for place in even] == [0, 10, 20, 30, 40]
    monkeypatch.setattr(Trial, "quality", lambda self, places: float(places == self.even_places(len(places) - 1)))
    monkeypatch.setattr(Trial, "best_places", lambda self, most: {n: (0, *range(1, n), 8) for n in range(1, most + 1)})
    plan = plan_piece(piece, video, KEYFRAMES, ECONOMY, None)
    assert plan.starts == tuple(piece.places[place].index for place in trial.even_places(len(plan.starts)))[:-1]


def test_pieces_cover_the_video_and_share_their_ends():
    frames, video = clip([np.full((*SIZE, 3), i, np.uint8) for i in range(250)])
    found = list(pieces(frames, video, KEYFRAMES))
    assert [piece.closing for piece in found] == [False, False, True]
    assert found[0].places[0].index == 0 and found[-1].places[-1].index == 249
    assert all(a.places[-1].index == b.places[0].index for a, b in pairwise(found))
    plans = [plan_piece(piece, video, KEYFRAMES, ECONOMY, None) for piece in found]
    assert [plan.stop for plan in plans] == [found[1].places[0].index, found[2].places[0].index, 250]


@pytest.mark.parametrize(("as_good", "by_meaning"), [(1.0, True), (-1.0, False)])
def test_meaning_has_its_way_where_it_is_as_good(monkeypatch, as_good, by_meaning):
    monkeypatch.setattr(planning_trials, "AS_GOOD", as_good)
    frames, video = clip([np.roll(texture(0), round(0.02 * i * i), axis=1) for i in range(50)])

    def score(keyframe, candidates):
        return [(frame.index - keyframe.index) / 50 for frame in candidates]

    (plan,) = plan_pieces(frames, video, KEYFRAMES, ECONOMY, score)
    lengths = np.diff(plan.starts)
    assert plan.by_meaning is by_meaning and len(plan.starts) > 1
    assert (len(set(lengths)) == 1) is by_meaning  # this meaning has equal segments


def test_without_room_for_two_pictures_there_is_one_segment():
    frames, video = clip([texture(i // 10) for i in range(50)])
    (plan,) = plan_pieces(frames, video, KEYFRAMES, replace(ECONOMY, symbols_per_frame=1.0), None)
    assert plan.starts == (0,)


def test_pictures_that_cannot_be_sent_make_a_plan_worthless_not_an_error():
    frames, video = clip([texture(0)] * 30)
    (plan,) = plan_pieces(frames, video, KEYFRAMES, replace(ECONOMY, code=lambda picture, symbols: None), None)
    assert plan.quality == 0.0


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_or_a_single_frame_needs_no_plan(count):
    frames, video = clip([texture(0)] * count)
    assert list(plan_pieces(frames, replace(video, frames=None), KEYFRAMES, ECONOMY, None)) == []
    assert Piece().places == []
