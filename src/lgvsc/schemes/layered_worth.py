"""What a candidate of the layered link is worth, by what it shows of a few frames of its group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from math import log

import cv2
import numpy as np
import torch
from torch import Tensor

from lgvsc.coding.budget import Objective
from lgvsc.coding.frames.formats import JUDGED_EVERY
from lgvsc.core.ahead import at_once
from lgvsc.core.processor import native_bfloat16
from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Pixels
from lgvsc.metrics.dists import dists
from lgvsc.metrics.lpips import lpips_alexnet
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.ssim import MIN_MS_SSIM_SIDE, ms_ssim_and_ssim

GLIMPSES = 4  # frames of a group by which candidates are judged
LEAST_MS_SSIM = 0.05  # below which nothing of a picture's structure is left, whatever the figure


class GroupJudge(ABC):
    """Compares frames with what is shown of them.

    Args:
        frames: Of a group, all of them.
    """

    def __init__(self, frames: Sequence[Pixels]) -> None:
        every = range(0, len(frames), JUDGED_EVERY)
        self.places = sorted({every[(2 * n + 1) * len(every) // (2 * GLIMPSES)] for n in range(GLIMPSES)})
        self.sources = [frames[place] for place in self.places]

    def worth(self, shown: Sequence[Pixels | None]) -> float:
        """One number, more is better, of what is shown at the places; minus infinity where something is not."""
        pictures = [picture for picture in shown if picture is not None]
        if len(pictures) < len(self.places):
            return -np.inf
        if min(self.sources[0].shape[:2]) < MIN_MS_SSIM_SIDE:
            pairs = zip(self.sources, pictures, strict=True)
            return -float(np.mean([np.abs(source.astype(np.float32) - picture).mean() for source, picture in pairs]))
        return self.kept(pictures)

    @abstractmethod
    def kept(self, shown: Sequence[Pixels]) -> float:
        """The same for pictures that are large enough to be measured as people see them."""


class StructureJudge(GroupJudge):
    """Mean of SSIM, MS-SSIM and a thirtieth of PSNR in dB: a tenth of a decibel comes with about .003 of either."""

    def kept(self, shown: Sequence[Pixels]) -> float:
        pairs = zip(self.sources, shown, strict=True)
        return float(np.mean([(*ms_ssim_and_ssim(a, b), (psnr_db(a, b) or 60.0) / 30) for a, b in pairs]))


class LookJudge(GroupJudge):
    """One number of LPIPS, DISTS and MS-SSIM.

    MS-SSIM counts by ratio: a tenth of the structure that there is, is worth as much where little of it is left as
    where nearly all is. Counted by steps, keyframes alone were sent where half of it went with them, or small frames
    where they cost more of DISTS than they bring. LPIPS alone would be easy to please: the vivid end was trained on
    it. DISTS, which takes longest, is that of every second pair at half size, of one end of a picture and of the other
    end of the next. What the networks see of the frames themselves is computed once.
    """

    @cached_property
    def _lpips_seen(self) -> list[list[Tensor]]:
        return [lpips_alexnet("cpu").seen(_from_minus_one(picture)) for picture in self.sources]

    @cached_property
    def _dists_seen(self) -> list[list[Tensor]]:
        return [dists("cpu").seen(as_batch(picture)) for picture in _ends(self.sources[::2])]

    def kept(self, shown: Sequence[Pixels]) -> float:
        lpips, texture = at_once(partial(self._lpips, shown), partial(self._dists, shown))
        ms_ssim = float(np.mean([ms_ssim_and_ssim(a, b)[0] for a, b in zip(self.sources, shown, strict=True)]))
        return 0.25 * log(max(ms_ssim, LEAST_MS_SSIM)) - lpips - 1.5 * texture

    def _lpips(self, shown: Sequence[Pixels]) -> float:
        net = lpips_alexnet("cpu")
        with _inference():
            each = [net.apart(a, net.seen(_from_minus_one(b))) for a, b in zip(self._lpips_seen, shown, strict=True)]
            return float(torch.stack(each).mean())

    def _dists(self, shown: Sequence[Pixels]) -> float:
        net = dists("cpu")
        with _inference():
            pairs = zip(self._dists_seen, _ends(shown[::2]), strict=True)
            return float(torch.stack([net.apart(a, net.seen(as_batch(b))) for a, b in pairs]).mean())


JUDGES: dict[Objective, type[GroupJudge]] = {"structure": StructureJudge, "look": LookJudge}


def _from_minus_one(picture: Pixels) -> Tensor:
    return 2 * as_batch(picture) - 1


def _ends(pictures: Sequence[Pixels]) -> list[Pixels]:
    """At half size, the first half of one, the second of the next, and so on, along the longer side."""
    ends = []
    for number, picture in enumerate(pictures):
        height, width = (side // 2 for side in picture.shape[:2])
        half = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        first, second = np.array_split(half, 2, axis=int(width > height))
        ends.append(np.ascontiguousarray(second if number % 2 else first, np.uint8))
    return ends


@contextmanager
def _inference() -> Iterator[None]:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16()):
        yield
