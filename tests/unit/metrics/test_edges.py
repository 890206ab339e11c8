"""The boundary benchmark: matching, thinning, F-measures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgvsc.errors import ShapeError
from lgvsc.metrics.edges import (
    TOLERANCE,
    EdgeCounts,
    EdgeTruth,
    edge_counts,
    matched,
    neighbours,
    ods_of,
    thin,
    thinned_maxima,
)

SIDE = 100  # its diagonal is 141 pixels, so the tolerance is one pixel


def lines(*columns: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[10:90, list(columns)] = True
    return mask


def drawn_by_one(mask: np.ndarray) -> EdgeTruth:
    return EdgeTruth(mask.astype(np.int32), 1)


def test_the_tolerance_is_three_quarters_of_a_percent_of_the_diagonal():
    assert TOLERANCE * np.hypot(SIDE, SIDE) == pytest.approx(1.0607, abs=1e-4)
    truth = drawn_by_one(lines(50))
    for away, found in ((0, 80), (1, 80), (2, 0)):
        counts = edge_counts(lines(50 + away), truth)
        assert (counts.right, counts.recalled, counts.detected, counts.drawn) == (found, found, 80, 80)


def test_a_drawn_pixel_vouches_for_one_detected_pixel_only():
    """Two lines at a distance of one pixel on both sides of the drawn one: half of them is wrong."""
    counts = edge_counts(lines(49, 51), drawn_by_one(lines(50)))
    assert counts.recall == 1.0 and counts.precision == 0.5
    assert counts.f_measure == pytest.approx(2 / 3)


def test_recall_weighs_boundaries_by_how_many_drew_them():
    votes = 3 * lines(20).astype(np.int32) + lines(60).astype(np.int32)
    counts = edge_counts(lines(20), EdgeTruth(votes, 3))
    assert counts.recall == pytest.approx(3 / 4) and counts.precision == 1.0
    assert edge_counts(lines(60), EdgeTruth(votes, 3)).recall == pytest.approx(1 / 4)


def test_people_who_drew_side_by_side_are_all_answered_by_one_line():
    """Two people drew the same line a pixel apart; a line detected on one of them finds both, and is right once."""
    votes = (lines(50) | lines(51)).astype(np.int32)
    counts = edge_counts(lines(50), EdgeTruth(votes, 2))
    assert counts.recall == 1.0 and counts.precision == 1.0
    alone = edge_counts(lines(50), EdgeTruth(votes, 1))  # one person who drew both asks for two detections
    assert alone.recall == 0.5


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_matching_is_as_large_as_an_independent_implementation_finds(seed):
    import networkx as nx

    random = np.random.default_rng(seed)
    first, second = (random.random((20, 20)) < 0.1 for _ in range(2))
    pairs = neighbours(first, second, 2.5)
    ours = matched(pairs, np.ones(int(first.sum()), int), np.ones(int(second.sum()), np.int32))
    graph = nx.Graph()
    top = [("a", int(i)) for i in range(int(first.sum()))]
    graph.add_nodes_from(top)
    graph.add_edges_from((("a", int(i)), ("b", int(j))) for i, j in zip(*pairs, strict=True))
    assert ours == len(nx.bipartite.hopcroft_karp_matching(graph, top)) // 2


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 4.0))
@settings(max_examples=20, deadline=None)
def test_neighbours_are_all_pairs_within_the_radius(seed, radius):
    random = np.random.default_rng(seed)
    first, second = (random.random((9, 13)) < 0.2 for _ in range(2))
    a, b = np.argwhere(first), np.argwhere(second)
    close = np.hypot(*np.moveaxis(a[:, None] - b[None], -1, 0)) <= radius
    found = neighbours(first, second, radius)
    assert sorted(zip(*(part.tolist() for part in found), strict=True)) == sorted(
        map(tuple, np.argwhere(close).tolist())
    )


def test_how_many_people_drew_shows_in_the_mean():
    for people in (1, 4, 5, 6, 7, 8, 9):
        votes = np.arange(people + 1)[None]
        truth = EdgeTruth.of_mean(np.rint(255 * votes / people).astype(np.uint8))
        assert truth.people == people and truth.votes.tolist() == votes.tolist()
    assert EdgeTruth.of_mean(np.zeros((2, 2), np.uint8)).people == 1


def test_ods_takes_one_threshold_for_all_and_ois_each_its_own():
    truth = drawn_by_one(lines(50))
    weak, strong = 0.3 * lines(50), 0.9 * lines(50)
    noise = lines(20, 80)
    maps = [(weak + 0.1 * noise).astype(np.float32), (strong + 0.5 * noise).astype(np.float32)]
    score = ods_of(maps, [truth, truth], thresholds=(0.05, 0.2, 0.7))
    assert score.ois == 1.0 and score.pictures == 2
    # At 0.2: 80 of 80 right, then 80 of 240; at 0.7 nothing of the first and all of the second.
    assert score.threshold == 0.2 and score.ods == pytest.approx(2 * 0.5 / 1.5)
    assert score.precision == 0.5 and score.recall == 1.0


def test_nothing_detected_or_nothing_drawn_counts_as_zero():
    empty = np.zeros((SIDE, SIDE), bool)
    assert edge_counts(empty, drawn_by_one(lines(50))) == EdgeCounts(0, 80, 0, 0)
    assert edge_counts(lines(50), drawn_by_one(empty)) == EdgeCounts(0, 0, 0, 80)
    assert EdgeCounts(0, 0, 0, 0).f_measure == 0.0


def test_thinning_is_that_of_scikit_image():
    morphology = pytest.importorskip("skimage.morphology")
    random = np.random.default_rng(0)
    import cv2

    for size in (3, 5, 9):
        blobs = cv2.GaussianBlur(random.random((60, 80)), (0, 0), size / 2)
        mask = blobs > np.quantile(blobs, 0.7)
        ours, theirs = thin(mask), morphology.thin(mask)
        assert int(ours.sum()) == pytest.approx(int(theirs.sum()), rel=0.03)
        assert not (ours & ~mask).any()
        assert cv2.connectedComponents(ours.astype(np.uint8))[0] == cv2.connectedComponents(mask.astype(np.uint8))[0]


def test_thick_lines_become_thin_before_they_count():
    thick = np.zeros((SIDE, SIDE), bool)
    thick[10:90, 49:52] = True
    assert edge_counts(thick, drawn_by_one(lines(50))).precision == 1.0


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120])
def test_maxima_leave_the_ridge_of_a_line_in_any_direction(angle):
    rows, columns = np.indices((80, 80)) - 40.0
    away = columns * np.cos(np.radians(angle)) + rows * np.sin(np.radians(angle))
    line = np.exp(-0.5 * (away / 2.5) ** 2).astype(np.float32)
    kept = thinned_maxima(line) > 0.5
    inside = np.s_[12:-12, 12:-12]
    assert np.abs(away[inside][kept[inside]]).max() <= 1.1
    along = (rows * np.cos(np.radians(angle)) - columns * np.sin(np.radians(angle)))[inside][kept[inside]]
    assert len(set(np.rint(along).astype(int))) > 50  # the whole length


def test_sizes_must_agree():
    with pytest.raises(ShapeError, match="cannot be compared"):
        edge_counts(np.zeros((4, 5), bool), drawn_by_one(lines(1)))
    with pytest.raises(ShapeError, match="at least one"):
        ods_of([], [])
