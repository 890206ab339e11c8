"""Frames from a small, coarsely coded video and a few keyframes: the receiver of a layered link.

Each small frame is enlarged, and the compact enhancer puts back what it knows: keyframes moved onto it, its own last
output moved onto it. Where there are many small frames in a second, time is short: some are enhanced, and what was put
into these is moved onto the others. Frames between small frames come from motion between them, at no bits.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from lgvsc.core.message import LOOKS, StructureLayer
from lgvsc.core.processor import native_bfloat16
from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError
from lgvsc.models.weights import read_network
from lgvsc.nets.enhancer import Enhancer, EnhancerConfig, Known, blended
from lgvsc.world.backends.compact.between import Between, resized, resized_flow
from lgvsc.world.backends.compact.flow import SMALLEST, Flow, warp
from lgvsc.world.enhancing import as_coarse, detail_carried, move_onto, small_size, texture_of
from lgvsc.world.spans import Span

MOST_PER_S = 8  # small frames that are enhanced in a second of video; more of them would take more than a second
QUICK_S = 0.17  # pictures no farther apart move so little that the quick way is as good: within .06 dB, .004 of SSIM
WARM_UP = 1  # small frames before a glimpse that the enhancer is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """How the small frames of a run were coded.

    Attributes:
        coded: Their height and width.
        quantiser: CRF.
        interval_s: Time from one to the next.
    """

    coded: tuple[int, int]
    quantiser: float
    interval_s: float


class CompactEnhancer:
    """The enhancer with the weights of both its ends.

    Args:
        config: Sizes of the network.
        faithful, vivid: Weights by name.
    """

    def __init__(self, config: EnhancerConfig, faithful: dict[str, Tensor], vivid: dict[str, Tensor]) -> None:
        self._config, self._faithful, self._vivid = config, faithful, vivid
        self._net = lru_cache(maxsize=2)(self._blended)

    def _blended(self, look: float) -> Enhancer:
        net = Enhancer(self._config)
        net.load_state_dict(blended(self._faithful, self._vivid, look))
        return net.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def enhanced(
        self, plain: Sequence[Pixels], structure: Structure, keyframes: Sequence[Pixels] = (), look: float = 0.0
    ) -> Iterator[Pixels]:
        """Small frames in a row, each with its texture put back.

        Args:
            plain: The small frames, enlarged to the output's size, uint8 ``(H, W, 3)``.
            structure: How they were coded.
            keyframes: Pictures as received, of the output's size; none, one or two.
            look: 0 faithful to 1 vivid.

        Raises:
            ConfigError: ``look`` is outside [0, 1].
        """
        if not 0 <= look <= 1:
            raise ConfigError(f"look is {look}; it lies between 0 (faithful) and 1 (vivid)")
        net = self._net(look)
        keys = [(key, as_coarse(key, structure.coded)) for key in keyframes]
        guesses: list[Flow | None] = [None for _ in keys]
        shown: Pixels | None = None
        for number, picture in enumerate(plain):
            size = picture.shape[:2]
            texture, texture_trust, guesses = texture_of(picture, keys, guesses)
            after = plain[min(number + 1, len(plain) - 1)]
            previous, previous_trust = picture, np.zeros(size, np.float32)
            if shown is not None:
                move = move_onto(picture, plain[number - 1])
                previous, previous_trust = move.apply(shown), move.trust_at(size)
            told = (
                structure.quantiser / 70,
                max(1, round(8 * structure.coded[0] / size[0])) / 8,
                min(1.0, structure.interval_s),
                float(bool(keys)),
            )
            known = Known(
                as_batch(picture),
                as_batch(move_onto(picture, after).apply(after)),
                as_batch(previous),
                torch.from_numpy(previous_trust)[None, None],
                as_batch(texture),
                torch.from_numpy(texture_trust)[None, None],
                torch.tensor([told]),
            )
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16()):
                made = net(known)[0].float().clamp(0, 1)
            shown = np.ascontiguousarray((255 * made).round().to(torch.uint8).permute(1, 2, 0).numpy())
            yield shown


ReadLayer = Callable[[StructureLayer, int, int, int], list[tuple[int, Pixels]]]


class LayeredWorld:
    """Frames of segments that came with a structure layer.

    Args:
        make_enhancer: Loads the network, when the first structure layer has arrived.
        read: Small frames of a layer, enlarged, with their places in its segment: from the layer, the video's height
            and width, and the segment's number of frames.
        coded_size: Height and width of the small frames: from the video's and the layer's eighths.
        look: 0 faithful to 1 vivid; ``None``: as the transmitter advises. It may change from one span to the next.
    """

    def __init__(
        self,
        make_enhancer: Callable[[], CompactEnhancer],
        read: ReadLayer,
        coded_size: Callable[[int, int, int], tuple[int, int]],
        look: float | None = None,
    ) -> None:
        self._make_enhancer, self._read, self._coded_size, self.look = make_enhancer, read, coded_size, look

    @cached_property
    def enhancer(self) -> CompactEnhancer:
        """The network."""
        return self._make_enhancer()

    def frames(self, span: Span) -> Iterator[Pixels] | None:
        """All frames of a span, or ``None`` where not one small frame can be had of it."""
        small = self.small_frames(span)
        return self._made(span, *zip(*small, strict=True)) if small else None

    def glimpses(self, span: Span, places: Sequence[int]) -> dict[int, Pixels]:
        """About what :meth:`frames` shows at some places of a span, at a fraction of the work; a transmitter looks so.

        Args:
            places: Frames from the span's first one on.

        Returns:
            Those that can be had.
        """
        small = self.small_frames(span)
        shown: dict[int, Pixels] = {}
        if not small or span.structure is None:
            return shown
        at, pictures = [place for place, _ in small], [picture for _, picture in small]
        every = _enhanced_every(span, span.structure)
        for place in places:
            after = min(bisect_left(at, place), len(at) - 1)
            before = max(0, after - 1) if at[after] > place else after
            first = max(0, before // every - WARM_UP) * every
            run = pictures[first : every * -(-after // every) + 1]
            ends = list(self._enhanced(span, span.structure, run, [n - first for n in sorted({before, after})]))
            shown[place] = ends[-1]
            if before < after:
                shown[place] = roughly_between(ends[0], ends[1], (place - at[before]) / (at[after] - at[before]))
        return shown

    def small_frames(self, span: Span) -> list[tuple[int, Pixels]]:
        """The layer's own frames, enlarged, with their places in the span."""
        layer, video = span.structure, span.video
        if layer is None:
            return []
        small = self._read(layer, video.height, video.width, span.segment_frames)
        return [(place, picture) for place, picture in small if place < span.stop - span.start]

    def _enhanced(
        self, span: Span, layer: StructureLayer, pictures: Sequence[Pixels], wanted: Sequence[int] | None = None
    ) -> Iterator[Pixels]:
        """Small frames in a row as they are shown: all, or those wanted."""
        wanted = range(len(pictures)) if wanted is None else wanted
        look = LOOKS[layer.look] if self.look is None else self.look
        if look is None:
            yield from (pictures[number] for number in wanted)
            return
        every = _enhanced_every(span, layer)
        at = sorted({*range(0, len(pictures), every), len(pictures) - 1})
        told = Structure(
            coded=self._coded_size(span.video.height, span.video.width, layer.eighths),
            quantiser=layer.quantiser,
            interval_s=every * layer.step / float(span.video.fps),
        )
        keyframes = [picture for picture in (span.first, _beyond(span)) if picture is not None]
        made = list(self.enhancer.enhanced([pictures[number] for number in at], told, keyframes, look))
        yield from (detail_carried(pictures, at, made, number) for number in wanted)

    def _made(self, span: Span, at: Sequence[int], small: Sequence[Pixels]) -> Iterator[Pixels]:
        layer, length, beyond = span.structure, span.stop - span.start, _beyond(span)
        assert layer is not None
        pictures, places = list(self._enhanced(span, layer, small)), list(at)
        if beyond is not None and span.last_index - span.start > places[-1] + layer.step:
            pictures.append(beyond)  # the end of the small frames was lost, or more than their segment is missing
            places.append(span.last_index - span.start)
        quick = int(QUICK_S * span.video.fps)
        return itertools.islice(filled_in(pictures, places, max(length, places[-1] + 1), quick), length)


def _enhanced_every(span: Span, layer: StructureLayer) -> int:
    """Of so many small frames one is enhanced."""
    return max(1, math.ceil(span.video.fps / (MOST_PER_S * layer.step)))


def _beyond(span: Span) -> Pixels | None:
    """The picture that a span leads to, where nothing lies between that and the span's beginning."""
    return span.last if span.cut is None else None


def filled_in(
    pictures: Sequence[Pixels], positions: Sequence[int], length: int, quick_gap: int = 1
) -> Iterator[Pixels]:
    """All ``length`` frames from those at ``positions``, which rise; before the first and after the last, these hold.

    Args:
        pictures: uint8 RGB, of one size.
        positions: Of each, among the frames.
        length: How many frames to make.
        quick_gap: Pictures no farther apart than this have frames between them made the quick way.

    Raises:
        ConfigError: There are no pictures, or not one for each position.
    """
    if not pictures or len(pictures) != len(positions):
        raise ConfigError(f"{len(pictures)} pictures are given for {len(positions)} positions; give one for each")
    for _ in range(positions[0]):
        yield pictures[0]
    for number in range(len(pictures) - 1):
        first, last, gap = pictures[number], pictures[number + 1], positions[number + 1] - positions[number]
        yield first
        if 1 < gap <= quick_gap:
            yield from (roughly_between(first, last, place / gap) for place in range(1, gap))
        elif gap > 1:
            between = Between(first, last)
            for place in range(1, gap):
                yield between.at(place / gap)
    for _ in range(length - positions[-1]):
        yield pictures[-1]


def roughly_between(first: Pixels, last: Pixels, time: float) -> Pixels:
    """A frame at ``time`` between two pictures, 0 to 1: about what :func:`filled_in` shows, in a tenth of its time."""
    size = small_size(*first.shape[:2])
    if min(size) < SMALLEST:
        return np.asarray(cv2.addWeighted(first, 1 - time, last, time, 0), np.uint8)
    small = [cv2.cvtColor(resized(picture, size), cv2.COLOR_RGB2GRAY) for picture in (first, last)]
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)  # type: ignore[attr-defined]
    flow = resized_flow(cast(Flow, dis.calc(small[0], small[1], None)), (first.shape[0], first.shape[1]))
    moved = warp(first, -time * flow), warp(last, (1 - time) * flow)
    return np.asarray(cv2.addWeighted(moved[0], 1 - time, moved[1], time, 0), np.uint8)


def load(data: bytes) -> CompactEnhancer:
    """The enhancer of an asset, which holds both ends under ``faithful.`` and ``vivid.``.

    Raises:
        InputError: These are not weights of this network.
    """
    sizes: list[EnhancerConfig] = []

    def make(stated: Mapping[str, str]) -> nn.ModuleDict:
        sizes.append(EnhancerConfig.from_json(stated["config"]))
        return nn.ModuleDict({end: Enhancer(sizes[0]) for end in ("faithful", "vivid")})

    ends = read_network(data, "an enhancer", make)
    return CompactEnhancer(sizes[0], ends["faithful"].state_dict(), ends["vivid"].state_dict())
