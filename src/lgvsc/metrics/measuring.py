"""Any set of metrics of one video, frame by frame while it streams by; memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, MissingResourceError, ShapeError
from lgvsc.metrics.objects import ObjectsMeter, shipped_meter
from lgvsc.metrics.quality import Quality, QualityMeter
from lgvsc.metrics.registry import LOOK_EVERY, METRICS, parse_metrics
from lgvsc.metrics.temporal import Warp, flicker, luma, sharpness
from lgvsc.metrics.vmaf import vmaf

PIXEL_METRICS = ("psnr", "ssim", "ms_ssim")
BERT = "bert"  # compares words, which somebody must find
OBJECTS = "objects_kept"  # counted over all frames together, not a mean over them
Look = Callable[[Pixels, Pixels], float]  # one frame of the source, what became of it
Describe = Callable[[Pixels], str]  # one frame in words
OnLook = Callable[[str, int, float], None]  # what a network found: key of the metric, frame, value


@dataclass
class Tally:
    """A mean that is being taken."""

    total: float = 0.0
    count: int = 0

    def add(self, value: float | None) -> None:
        if value is not None:
            self.total += value
            self.count += 1

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of it.

    Attributes:
        values: By key of the report; ``None`` where it could not be measured.
        details: By key: ``direction``, ``version``, ``sha256`` of the weights, ``frames`` measured, ``every`` how many
            frames one was measured, ``things`` detected in the source (of ``objects_kept``), and ``source``, the
            source's own value, where that is what it is compared with.
        absent: Reason by key for each ``None``.
        quality: PSNR, SSIM and MS-SSIM as they are counted; ``None`` where none of them was asked for.
    """

    values: dict[str, float | None]
    details: dict[str, dict[str, Any]]
    absent: dict[str, str]
    quality: Quality | None = None

    def as_json(self) -> dict[str, Any]:
        """One object of plain JSON types, with the metrics' keys at the top."""
        counts = {} if self.quality is None else {"identical_frames": self.quality.identical_frames}
        return {**self.values, **counts, "details": self.details, "absent": self.absent}


class VideoMeter:
    """Measure a video while it streams by.

    Args:
        names: Metrics of :data:`lgvsc.metrics.registry.METRICS`.
        every: Measure one frame in so many, the first one included.
        look_every: The same for what a network looks at. ``None``: ``every``, or 6 where that is larger.
        describe: Says in words what a frame shows, for the metric ``bert``.
        on_look: Called with each value that a network finds: key of the metric, index of the frame, value.

    Raises:
        ConfigError: An unknown metric, or a number below one.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        every: int = 1,
        look_every: int | None = None,
        describe: Describe | None = None,
        on_look: OnLook = lambda *_: None,
    ) -> None:
        self._on_look = on_look
        self.names = parse_metrics(names)
        self.every, self.look_every = every, max(every, LOOK_EVERY) if look_every is None else look_every
        if min(self.every, self.look_every) < 1:
            raise ConfigError(f"every is {min(self.every, self.look_every)}; measure every frame (1) or one in so many")
        self._pixels = QualityMeter(every=every) if set(self.names) & set(PIXEL_METRICS) else None
        self._looks: dict[str, Look] = {}
        self._objects: ObjectsMeter | None = None
        self._absent: dict[str, str] = {}
        for name in self.names:
            try:
                if name in LOOKS:
                    self._looks[name] = LOOKS[name]()
                if name == BERT:
                    self._looks[name] = bert_look(describe)
                if name == OBJECTS:
                    self._objects = shipped_meter()
            except MissingResourceError as error:
                self._absent[name] = str(error)
        self._ours = {name: Tally() for name in self.names}
        self._source = {name: Tally() for name in self.names}
        self._seen = self._looked = 0  # frames given, and those that networks looked at
        self._before: list[tuple[Pixels, Pixels]] = []  # at most two pairs of frames
        self._files: dict[str, float] = {}

    def add(self, source: Pixels, rebuilt: Pixels) -> None:
        """Take the next frame and what became of it, both uint8 ``(H, W, 3)``.

        Raises:
            ShapeError: The two are not 8-bit RGB pictures of one size.
        """
        if source.shape != rebuilt.shape or source.ndim != 3 or source.dtype != np.uint8 or rebuilt.dtype != np.uint8:
            raise ShapeError(
                f"metrics compare 8-bit RGB frames of one size, got {source.dtype} {source.shape} "
                f"and {rebuilt.dtype} {rebuilt.shape}"
            )
        if self._pixels:
            self._pixels.add(source, rebuilt)
        if self._seen % self.look_every == 0:
            self._look(source, rebuilt)
        if "sharpness" in self.names and self._seen % self.every == 0:
            self._source["sharpness"].add(sharpness(source))
            self._ours["sharpness"].add(sharpness(rebuilt))
        if self._seen % self.every == 2 % self.every:  # not the first: it has no frame before it
            self._between(source, rebuilt)
        if {"flicker", "e_warp"} & set(self.names):
            self._before = [*self._before[-1:], (source, rebuilt)]
        self._seen += 1

    def add_files(self, source: Path, rebuilt: Path, *, max_side: int = 0) -> None:
        """Measure what needs whole files, VMAF; does nothing where it was not asked for."""
        for name in self.names:
            if METRICS[name].stream == "file":
                found = vmaf(source, rebuilt, max_side=max_side, model=METRICS[name].version)
                if found.score is None:
                    self._absent[name] = found.reason
                else:
                    self._files[name] = found.score

    def leave_out(self, name: str, reason: str) -> None:
        """Say why a metric that was asked for is not measured."""
        if name in self.names:
            self._absent[name] = reason

    def result(self) -> Measured:
        """Means over what was added so far."""
        quality = self._pixels.result() if self._pixels else None
        values: dict[str, float | None] = {}
        details: dict[str, dict[str, Any]] = {}
        absent: dict[str, str] = {}
        for name in self.names:
            metric, frames = METRICS[name], self._ours[name].count
            every = self.look_every if name in BY_NETWORK else 1 if metric.stream == "file" else self.every
            if quality is not None and name in PIXEL_METRICS:
                values[metric.key], frames = getattr(quality, metric.key), quality.frames
                reason = quality.absent.get(metric.key, "")
            elif metric.stream == "file":
                values[metric.key], frames = self._files.get(name), self._seen if name in self._files else 0
                reason = self._absent.get(name, "the files were not compared")
            elif name == OBJECTS and self._objects is not None:
                values[metric.key], frames = self._objects.value, self._looked
                reason = "nothing was detected in the source" if frames else "no frame was measured"
            else:
                values[metric.key] = self._ours[name].mean
                reason = self._absent.get(name, "too few frames" if self._seen else "no frame was measured")
            if values[metric.key] is None:
                absent[metric.key] = reason
            details[metric.key] = {
                "direction": metric.direction,
                "version": metric.version,
                "sha256": metric.sha256,
                "frames": frames,
                "every": every,
            }
            if name == OBJECTS and self._objects is not None:
                details[metric.key]["things"] = self._objects.things
            if metric.direction == "as source":
                details[metric.key]["source"] = self._source[name].mean
        return Measured(values=values, details=details, absent=absent, quality=quality)

    def _look(self, source: Pixels, rebuilt: Pixels) -> None:
        self._looked += 1
        if self._objects is not None:
            self._objects.add(source, rebuilt)
        for name, look in self._looks.items():
            try:
                value = look(source, rebuilt)
            except ValueError as error:  # the picture is too small for the network
                self._absent[name] = str(error)
                continue
            self._ours[name].add(value)
            self._on_look(METRICS[name].key, self._seen, value)

    def _between(self, source: Pixels, rebuilt: Pixels) -> None:
        """Metrics of this frame and those before it, for the rebuilt video and for the source."""
        if "flicker" in self.names and len(self._before) == 2:
            for tally, side, now in ((self._source, 0, source), (self._ours, 1, rebuilt)):
                first, second = (luma(pair[side]) for pair in self._before)
                tally["flicker"].add(flicker(first, second, luma(now)))
        if "e_warp" in self.names and self._before:
            warp, (source_before, rebuilt_before) = Warp(self._before[-1][0], source), self._before[-1]
            self._source["e_warp"].add(warp.error(source_before, source))
            self._ours["e_warp"].add(warp.error(rebuilt_before, rebuilt))


def look_of(distance: Callable[[Tensor, Tensor], Tensor]) -> Look:
    """A distance of batches in [0, 1] as one of frames."""

    def look(source: Pixels, rebuilt: Pixels) -> float:
        with torch.no_grad():  # not inference mode: the network is kept, and trainers want gradients through it
            return float(distance(as_batch(source), as_batch(rebuilt))[0])

    return look


def lpips_look() -> Look:
    """LPIPS over AlexNet."""
    from lgvsc.metrics.lpips import lpips_distance

    return look_of(lpips_distance)


def lpips_vgg_look() -> Look:
    """LPIPS over VGG-16."""
    from lgvsc.metrics.lpips import lpips_vgg_distance

    return look_of(lpips_vgg_distance)


def dists_look() -> Look:
    """DISTS."""
    from lgvsc.metrics.dists import dists_distance

    return look_of(dists_distance)


def clip_look() -> Look:
    """Cosine similarity of CLIP."""
    from lgvsc.metrics.clip import clip_similarity

    return clip_similarity()


def bert_look(describe: Describe | None) -> Look:
    """BERT score of what is said of the frames; raises MissingResourceError where nothing describes them."""
    from lgvsc.metrics.bert import frame_words_similarity

    if describe is None:
        raise MissingResourceError("nothing here says in words what a frame shows")
    return frame_words_similarity(describe)


LOOKS: dict[str, Callable[[], Look]] = {
    "lpips": lpips_look,
    "lpips_vgg": lpips_vgg_look,
    "dists": dists_look,
    "clip": clip_look,
}
BY_NETWORK = {*LOOKS, BERT, OBJECTS}
