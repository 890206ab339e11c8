"""How well an edge map agrees with boundaries that people drew: the F-measure of the BSDS benchmark.

An edge map is thinned to single pixels, cut at a threshold, and its pixels are matched one to one with drawn ones that
lie within 0.75 % of the picture's diagonal. Precision is the share of matched pixels among the detected ones, recall
among the drawn ones. ODS is the best F-measure of one threshold for all pictures, OIS that of each picture's own.

The benchmark matches with each person's drawing in turn: a detected pixel is right where anybody's drawing has it, and
recall adds up all drawings. Given only their mean, as here, the matching lets one detected pixel answer for as many
drawn pixels as there are people, and each drawn pixel for as many as drew it. With one person the two are the same;
with several ours is the more lenient one, as it cannot see that two neighbouring pixels are of one hand.

Source: Martin, Fowlkes and Malik 2004, "Learning to detect natural image boundaries", section IV; Arbelaez et al.
2011, "Contour detection and hierarchical image segmentation", section 3, for ODS and OIS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.errors import ShapeError

Mask: TypeAlias = NDArray[np.bool_]

TOLERANCE = 0.0075  # of the diagonal
THRESHOLDS = tuple(np.linspace(0.05, 0.95, 19).tolist())
MAX_PEOPLE = 12


@dataclass(frozen=True, slots=True, eq=False)
class EdgeTruth:
    """Boundaries as people drew them.

    Attributes:
        votes: How many people drew each pixel, ``(H, W)``.
        people: How many there were.
    """

    votes: NDArray[np.int32]
    people: int

    @classmethod
    def of_mean(cls, mean: NDArray[np.uint8]) -> Self:
        """From the mean of some drawings, uint8 ``(H, W)``, 255 where all agree.

        How many there were shows in the values: they are multiples of 255 over that number.
        """
        values = np.unique(mean).astype(np.float64)
        people = next(
            (n for n in range(1, MAX_PEOPLE) if np.all(np.abs(values * n / 255 - np.rint(values * n / 255)) < n / 400)),
            MAX_PEOPLE,
        )
        return cls(np.rint(mean.astype(np.float64) * people / 255).astype(np.int32), people)


@dataclass(frozen=True, slots=True)
class EdgeCounts:
    """Pixels of one picture at one threshold: ``recalled`` of ``drawn``, and ``right`` of ``detected``."""

    recalled: int
    drawn: int
    right: int
    detected: int

    def __add__(self, other: EdgeCounts) -> EdgeCounts:
        return EdgeCounts(
            self.recalled + other.recalled,
            self.drawn + other.drawn,
            self.right + other.right,
            self.detected + other.detected,
        )

    @property
    def precision(self) -> float:
        return self.right / self.detected if self.detected else 0.0

    @property
    def recall(self) -> float:
        return self.recalled / self.drawn if self.drawn else 0.0

    @property
    def f_measure(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclass(frozen=True, slots=True)
class EdgeScore:
    """Result over a set of pictures.

    Attributes:
        ods: Best F-measure of one threshold for the whole set.
        threshold: Where that is.
        ois: F-measure with the best threshold of each picture.
        precision, recall: At ``threshold``.
        pictures: How many.
    """

    ods: float
    threshold: float
    ois: float
    precision: float
    recall: float
    pictures: int


def ods_of(
    edge_maps: Sequence[NDArray[np.float32]],
    truths: Sequence[EdgeTruth],
    thresholds: Sequence[float] = THRESHOLDS,
) -> EdgeScore:
    """The score of thinned edge maps, each ``(H, W)`` in [0, 1]; see :func:`thinned_maxima`.

    Raises:
        ShapeError: Nothing to measure, or a map does not fit its truth.
    """
    if not edge_maps or len(edge_maps) != len(truths):
        raise ShapeError(f"{len(edge_maps)} edge maps for {len(truths)} truths; give one for each, and at least one")
    table = [[edge_counts(m >= t, truth) for t in thresholds] for m, truth in zip(edge_maps, truths, strict=True)]
    whole = [added(column) for column in zip(*table, strict=True)]
    best = max(range(len(thresholds)), key=lambda place: whole[place].f_measure)
    each = added([max(row, key=lambda counts: counts.f_measure) for row in table])
    return EdgeScore(
        whole[best].f_measure, thresholds[best], each.f_measure, whole[best].precision, whole[best].recall, len(table)
    )


def added(counts: Sequence[EdgeCounts]) -> EdgeCounts:
    """Counts of all pictures together; there is at least one."""
    return sum(counts[1:], counts[0])


def edge_counts(detected: Mask, truth: EdgeTruth) -> EdgeCounts:
    """Match the pixels of a binary edge map, ``(H, W)``; it is thinned first.

    Raises:
        ShapeError: The sizes differ.
    """
    if detected.shape != truth.votes.shape:
        raise ShapeError(f"an edge map of {detected.shape} cannot be compared with boundaries of {truth.votes.shape}")
    detected = thin(detected)
    drawn, found = int(truth.votes.sum()), int(detected.sum())
    if not drawn or not found:
        return EdgeCounts(0, drawn, 0, found)
    pairs = neighbours(detected, truth.votes > 0, TOLERANCE * math.hypot(*detected.shape))
    votes = truth.votes[truth.votes > 0]
    return EdgeCounts(
        matched(pairs, np.full(found, truth.people), votes), drawn, matched(pairs, np.ones(found, int), votes), found
    )


def neighbours(first: Mask, second: Mask, radius: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of a pixel of one mask and one of the other that are at most ``radius`` apart.

    Returns:
        Positions among the pixels of each mask in raster order, two arrays of one length.
    """
    reach = int(radius)
    number = np.full((first.shape[0] + 2 * reach, first.shape[1] + 2 * reach), -1, dtype=np.int64)
    number[reach : reach + second.shape[0], reach : reach + second.shape[1]][second] = np.arange(int(second.sum()))
    rows, columns = np.nonzero(first)
    pairs = []
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if down * down + right * right <= radius * radius:
                there = number[rows + reach + down, columns + reach + right]
                here = np.flatnonzero(there >= 0)
                pairs.append((here, there[here]))
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def matched(
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]], first: NDArray[np.int64], second: NDArray[np.int32]
) -> int:
    """The most pairs that can be formed when each pixel may be in as many as ``first`` and ``second`` allow it.

    A maximum flow; with ones everywhere, the maximum bipartite matching.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import maximum_flow

    source, sink = len(first) + len(second), len(first) + len(second) + 1
    one, other = pairs
    tails = np.concatenate([np.full(len(first), source), one, len(first) + np.arange(len(second))])
    heads = np.concatenate([np.arange(len(first)), len(first) + other, np.full(len(second), sink)])
    room = np.concatenate([first, np.minimum(first[one], second[other]), second]).astype(np.int32)
    graph = coo_array((room, (tails, heads)), shape=(sink + 1, sink + 1)).tocsr()
    graph.indices, graph.indptr = graph.indices.astype(np.int32), graph.indptr.astype(np.int32)
    return int(maximum_flow(graph, source, sink).flow_value)


def thinned_maxima(edge_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """An edge map that is zero except on the ridges of its lines, ``(H, W)``.

    A pixel stays where it is not below its neighbours on either side across the line. Which way the line runs, the
    second derivatives of the blurred map tell.

    Source: the non-maximum suppression of Canny 1986, on ridges instead of gradients, as usual for learned edges.
    """
    blurred = cv2.GaussianBlur(edge_map.astype(np.float32), (0, 0), 2.0)
    xx = cv2.Sobel(blurred, cv2.CV_32F, 2, 0)
    yy = cv2.Sobel(blurred, cv2.CV_32F, 0, 2)
    xy = cv2.Sobel(blurred, cv2.CV_32F, 1, 1)
    across = 0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2  # the way the map falls off most
    smooth = cv2.GaussianBlur(edge_map.astype(np.float32), (0, 0), 0.7)
    rows, columns = np.indices(edge_map.shape, dtype=np.float32)
    keep = np.ones(edge_map.shape, dtype=bool)
    for side in (-1, 1):
        x = (columns + side * np.cos(across)).astype(np.float32)
        y = (rows + side * np.sin(across)).astype(np.float32)
        keep &= 1.005 * smooth >= cv2.remap(smooth, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.where(keep, edge_map, 0).astype(np.float32)


def thin(mask: Mask) -> Mask:
    """Lines of a binary map worn down to a width of one pixel, none of them broken.

    Source: Guo and Hall 1989, "Parallel thinning with two-subiteration algorithms", algorithm A1, which the benchmark
    uses too.
    """
    worn = np.pad(mask, 1).astype(bool)
    turn, idle = 0, 0
    while idle < 2:
        n, ne, e, se, s, sw, w, nw = (
            np.roll(worn, shift, (0, 1))
            for shift in ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))
        )
        if turn:  # the second pass is the first one turned upside down
            n, ne, e, se, s, sw, w, nw = s, sw, w, nw, n, ne, e, se
        crossings = sum((~a & (b | c)).astype(np.int8) for a, b, c in ((e, ne, n), (n, nw, w), (w, sw, s), (s, se, e)))
        fewest = np.minimum(
            sum((a | b).astype(np.int8) for a, b in ((e, ne), (n, nw), (w, sw), (s, se))),
            sum((a | b).astype(np.int8) for a, b in ((ne, n), (nw, w), (sw, s), (se, e))),
        )
        gone = worn & (crossings == 1) & (fewest >= 2) & (fewest <= 3) & ~((n | ne | ~se) & e)
        worn &= ~gone
        idle = 0 if gone.any() else idle + 1
        turn = 1 - turn
    return worn[1:-1, 1:-1]
