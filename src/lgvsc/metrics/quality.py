"""How close the rebuilt frames are to the source: PSNR, SSIM and MS-SSIM, one frame pair at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, ShapeError
from lgvsc.metrics.ssim import MIN_MS_SSIM_SIDE, MIN_SSIM_SIDE, ms_ssim_and_ssim, ssim

QUALITY_KEYS = ("psnr_db", "ssim", "ms_ssim", "vmaf")  # are in every report, null where they were not measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Mean quality over the measured frames.

    Attributes:
        psnr_db: Mean over the frames that differ from their source; ``None`` where there are none.
        ssim: Mean over all measured frames, each the mean over R, G and B.
        ms_ssim: The same for five scales.
        frames: Frames measured.
        identical_frames: Frames equal to their source in every pixel. Their PSNR is infinite, so they are
            counted here and left out of ``psnr_db``.
        every: Every how many frames one was measured; 1 is all of them.
        absent: Reason by name for each number that is ``None``.
    """

    psnr_db: float | None
    ssim: float | None
    ms_ssim: float | None
    frames: int
    identical_frames: int
    every: int = 1
    absent: dict[str, str] = field(default_factory=dict)


def psnr_db(source: Pixels, rebuilt: Pixels) -> float | None:
    """Peak signal-to-noise ratio of one 8-bit RGB frame; ``None`` where the two are identical."""
    difference = source.astype(np.int32) - rebuilt.astype(np.int32)
    squared = int(np.square(difference).sum(dtype=np.int64))
    if squared == 0:
        return None
    return float(10 * np.log10(255.0**2 * difference.size / squared))


class QualityMeter:
    """Measure a video while it streams by; memory does not grow with its length.

    Args:
        every: Measure one frame in so many, the first one included. The result says so.

    Raises:
        ConfigError: ``every`` is below one.

    Example:
        >>> meter = QualityMeter()
        >>> grey = np.full((200, 200, 3), 128, np.uint8)
        >>> meter.add(grey, grey + 1)
        >>> round(meter.result().psnr_db, 2)        # 20 log10(255)
        48.13
    """

    def __init__(self, *, every: int = 1) -> None:
        if every < 1:
            raise ConfigError(f"every is {every}; measure every frame (1) or one in so many")
        self.every = every
        self._seen = 0
        self._identical = 0
        self._side = 0
        self._psnr: list[float] = []
        self._ssim: list[float] = []
        self._ms_ssim: list[float] = []

    def add(self, source: Pixels, rebuilt: Pixels) -> None:
        """Take the next frame and what became of it, both uint8 ``(H, W, 3)``.

        Raises:
            ShapeError: The two are not 8-bit RGB pictures of one size.
        """
        if source.shape != rebuilt.shape or source.ndim != 3 or source.dtype != np.uint8 or rebuilt.dtype != np.uint8:
            raise ShapeError(
                f"quality compares 8-bit RGB frames of one size, got {source.dtype} {source.shape} "
                f"and {rebuilt.dtype} {rebuilt.shape}"
            )
        self._seen += 1
        if (self._seen - 1) % self.every:
            return
        self._side = min(source.shape[:2])
        value = psnr_db(source, rebuilt)
        if value is None:
            self._identical += 1
        else:
            self._psnr.append(value)
        if self._side >= MIN_MS_SSIM_SIDE:
            scales, single = (1.0, 1.0) if value is None else ms_ssim_and_ssim(source, rebuilt)
            self._ms_ssim.append(scales)
            self._ssim.append(single)
        elif self._side >= MIN_SSIM_SIDE:
            self._ssim.append(1.0 if value is None else ssim(source, rebuilt))

    def result(self) -> Quality:
        """Means over what was added so far."""
        frames = self._identical + len(self._psnr)
        absent: dict[str, str] = {}
        if not self._psnr:
            absent["psnr_db"] = "every frame is identical to its source" if frames else "no frame was measured"
        if not self._ssim:
            absent["ssim"] = f"needs {MIN_SSIM_SIDE} pixels a side" if frames else "no frame was measured"
        if not self._ms_ssim:
            absent["ms_ssim"] = (
                f"its five scales need a short side of at least {MIN_MS_SSIM_SIDE} pixels, the video has {self._side}"
                if frames
                else "no frame was measured"
            )
        return Quality(
            psnr_db=mean(self._psnr),
            ssim=mean(self._ssim),
            ms_ssim=mean(self._ms_ssim),
            frames=frames,
            identical_frames=self._identical,
            every=self.every,
            absent=absent,
        )


def mean(values: list[float]) -> float | None:
    """Mean of the values; ``None`` where there are none."""
    return sum(values) / len(values) if values else None
