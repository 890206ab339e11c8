"""Where things go between two pictures: dense flow both ways, from several guesses, kept only where it explains more.

Keyframes lie far apart, so one method does not do. Three guesses compete for every pixel: flow from a standing
start, the motions that matched features agree on, and the camera motion that the transmitter measured. What the
picture does as a whole is the guess to beat.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.message import Motion
from lgvsc.core.video import Pixels

Flow = NDArray[np.float32]  # (h, w, 2): how far each pixel moves to the right and downwards, in pixels
Field = NDArray[np.float32]  # (h, w)
Grey = NDArray[np.uint8]  # (h, w)
Homography = NDArray[np.float64]  # (3, 3): where a point of one picture is in the other

SHORT_SIDE = 256  # pictures are compared at this size at most, whatever their own
MAX_AREA = 256 * 512
BLOCK = 21  # pixels over which an error is averaged before guesses are compared
ERROR_CAP = 40.0  # of 255: beyond this, wrong is wrong
GROUND_BONUS = 1.5  # of 255: by so much must a motion of its own explain a place better
MIN_MATCHES = 10
MAX_MOTIONS = 3
SMALLEST = 16  # pixels that DIS needs on either side
CAMERA_WORTH_TRYING = 0.01  # picture sizes


def flow_pair(first: Pixels, last: Pixels, motion: Motion | None) -> tuple[Flow, Flow]:
    """Flow from the first picture to the last and back, in pixels.

    Args:
        first, last: uint8 RGB ``(H, W, 3)``, of one size, at most about :data:`MAX_AREA` pixels.
        motion: Side information for the time between them.
    """
    a, b = (_grey(picture) for picture in (first, last))
    if min(a.shape) < SMALLEST:
        still = np.zeros((*a.shape, 2), np.float32)
        return still, still
    told = told_camera(motion, *a.shape)
    guesses = ([] if told is None else [told]) + matched_motions(a, b)
    back_guesses = [np.asarray(np.linalg.inv(guess), np.float64) for guess in guesses]
    return _best_flow(a, b, guesses), _best_flow(b, a, back_guesses)


def working_size(height: int, width: int) -> tuple[int, int]:
    """Size at which pictures are compared: the same shape, bounded, never enlarged."""
    scale = min(1.0, SHORT_SIDE / min(height, width), math.sqrt(MAX_AREA / (height * width)))
    return max(1, round(height * scale)), max(1, round(width * scale))


def warp(picture: NDArray[Any], flow: Flow, interpolation: int = cv2.INTER_LINEAR) -> NDArray[Any]:
    """The picture seen from where ``flow`` points, edges carried on."""
    at = flow + grid(*flow.shape[:2])
    nowhere = np.empty(0, np.float32)  # the second map that OpenCV does not need here
    return cv2.remap(picture, at, nowhere, interpolation, borderMode=cv2.BORDER_REPLICATE)


def grid(height: int, width: int) -> Flow:
    """Position of each pixel, ``(x, y)``."""
    return np.stack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)), axis=-1)


def matched_motions(a: Grey, b: Grey) -> list[Homography]:
    """Motions of whole parts of the picture, the camera's as a rule first, from features that are found in both.

    The motion that most matches agree on is taken, its matches are set aside, and the rest is asked again.
    """
    source, target = _matches(a, b)
    found: list[Homography] = []
    while len(source) >= MIN_MATCHES and len(found) < MAX_MOTIONS:
        # USAC draws its samples from a generator of its own, seeded alike every time.
        fit, agree = cv2.findHomography(source, target, cv2.USAC_DEFAULT, 2.5, maxIters=500)
        if fit is None or int(agree.sum()) < MIN_MATCHES or not np.isfinite(fit).all():
            break
        motion = np.asarray(fit, np.float64)
        if _sane(motion, a.shape):
            found.append(motion)
        source, target = (points[agree.ravel() == 0] for points in (source, target))
    return found


def told_camera(motion: Motion | None, height: int, width: int) -> Homography | None:
    """The camera motion of the side information; ``None`` where it hardly moves."""
    if motion is None or max(abs(motion.pan), abs(motion.tilt), abs(motion.zoom)) < CAMERA_WORTH_TRYING:
        return None
    grow = math.exp(min(max(motion.zoom, -1.0), 1.0))
    x, y = (width - 1) / 2, (height - 1) / 2
    pan, tilt = (min(max(shift, -1.5), 1.5) for shift in (motion.pan, motion.tilt))
    return np.array([[grow, 0, x - grow * x + pan * width], [0, grow, y - grow * y + tilt * height], [0, 0, 1.0]])


def _best_flow(a: Grey, b: Grey, motions: list[Homography]) -> Flow:
    compare = _Comparison(a, b)
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    parts = [_flow_of(motion, *a.shape) for motion in motions]
    best = compare.best_of([dis.calc(a, b, None), *parts])
    if motions:  # what DIS finds from there on
        rest = dis.calc(a, warp(b, best), None)
        best = compare.best_of([best, rest + warp(best, rest)])
    # Motion must explain more than the whole picture's own: that of the camera, or none.
    ground = min([np.zeros_like(best), *parts], key=lambda flow: float(compare.error(flow).mean()))
    gain = compare.error(ground) - compare.error(best)
    moving = cv2.GaussianBlur(_sigmoid(gain - GROUND_BONUS), (0, 0), 3.0)
    return np.asarray(ground + (best - ground) * moving[..., None], np.float32)


class _Comparison:
    """How well flows explain one picture by the other."""

    def __init__(self, a: Grey, b: Grey) -> None:
        self._a, self._b = (cv2.GaussianBlur(x, (0, 0), 1.0).astype(np.float32) for x in (a, b))

    def error(self, flow: Flow) -> Field:
        difference = np.minimum(np.abs(self._a - warp(self._b, flow)), ERROR_CAP)
        return np.asarray(cv2.blur(difference, (BLOCK, BLOCK)), np.float32)

    def best_of(self, flows: list[Flow]) -> Flow:
        """At each pixel the flow with the least error around it."""
        best = np.stack([self.error(flow) for flow in flows]).argmin(axis=0)
        chosen = flows[0]
        for number, flow in enumerate(flows[1:], start=1):
            chosen = np.where((best == number)[..., None], flow, chosen)
        return chosen


def _matches(a: Grey, b: Grey) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Positions of the same features in both pictures, float32 ``(n, 2)`` each."""
    sift = cv2.SIFT_create(nfeatures=400, contrastThreshold=0.02)  # type: ignore[attr-defined]
    points_a, words_a = sift.detectAndCompute(a, None)
    points_b, words_b = sift.detectAndCompute(b, None)
    pairs = []
    if min(len(points_a), len(points_b)) >= MIN_MATCHES:
        pairs = [p for p in cv2.BFMatcher(cv2.NORM_L2).knnMatch(words_a, words_b, k=2) if len(p) == 2]
    clear = [first for first, second in pairs if first.distance < 0.8 * second.distance]
    source = np.array([points_a[m.queryIdx].pt for m in clear], np.float32).reshape(-1, 2)
    target = np.array([points_b[m.trainIdx].pt for m in clear], np.float32).reshape(-1, 2)
    return source, target


def _sane(motion: Homography, shape: tuple[int, ...]) -> bool:
    growth = float(np.linalg.det(motion[:2, :2]))
    return 0.2 < growth < 5 and float(np.abs(motion[2, :2]).max()) * max(shape) < 0.5


def _flow_of(motion: Homography, height: int, width: int) -> Flow:
    at = grid(height, width)
    moved = cv2.perspectiveTransform(at.reshape(-1, 1, 2), motion).reshape(at.shape)
    reach = 2.0 * max(height, width)
    return np.asarray(np.clip(moved - at, -reach, reach), np.float32)


def _sigmoid(x: Field) -> Field:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))), np.float32)


def _grey(picture: Pixels) -> Grey:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
