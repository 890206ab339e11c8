"""Frames from a small, coarsely coded video and a few keyframes: the receiver of a layered link.

Each small frame is enlarged, and the compact enhancer puts back what it knows: keyframes moved onto it, its own last
output moved onto it. Where there are many small frames in a second, time is short: some are enhanced, and what was put
into these is moved onto the others. Frames between small frames come from motion between them, at no bits.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from lgvsc.core.ahead import ahead, at_once
from lgvsc.core.message import LOOKS, StructureLayer
from lgvsc.core.processor import native_bfloat16
from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError
from lgvsc.models.weights import read_network
from lgvsc.nets.enhancer import Enhancer, EnhancerConfig, Known, blended
from lgvsc.world.backends.compact.between import Between, resized, resized_flow
from lgvsc.world.backends.compact.flow import SMALLEST, Flow, warp
from lgvsc.world.enhancing import Move, as_coarse, detail_carried, move_onto, small_size, texture_of
from lgvsc.world.spans import Span

MOST_PER_S = 8  # small frames that are enhanced in a second of video; more of them would take more than a second
QUICK_S = 0.17  # pictures no farther apart move so little that the quick way is as good: within .06 dB, .004 of SSIM
WARM_UP = 1  # enhanced frames before the one that a glimpse is made of


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
        shown: Pixels | None = None
        for known, move in ahead(_known(plain, structure, keyframes)):
            if shown is not None and move is not None:
                trust = torch.from_numpy(move.trust_at(shown.shape[:2]))[None, None]
                known = known._replace(previous=as_batch(move.apply(shown)), previous_trust=trust)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16()):
                made = net(known)[0].float().clamp(0, 1)
            shown = np.ascontiguousarray((255 * made).round().to(torch.uint8).permute(1, 2, 0).numpy())
            yield shown


def _known(
    plain: Sequence[Pixels], structure: Structure, keyframes: Sequence[Pixels]
) -> Iterator[tuple[Known, Move | None]]:
    """What is known of small frames in a row but for what is made of the ones before, and how these are to be moved.

    The network need not wait for any of it.
    """
    keys = [(key, as_coarse(key, structure.coded)) for key in keyframes]
    guesses: list[Flow | None] = [None for _ in keys]
    for number, picture in enumerate(plain):
        size = picture.shape[:2]
        texture, texture_trust, guesses = texture_of(picture, keys, guesses)
        after = plain[min(number + 1, len(plain) - 1)]
        told = (
            structure.quantiser / 70,
            max(1, round(8 * structure.coded[0] / size[0])) / 8,
            min(1.0, structure.interval_s),
            float(bool(keys)),
        )
        known = Known(
            plain=as_batch(picture),
            following=as_batch(move_onto(picture, after).apply(after)),
            previous=as_batch(picture),
            previous_trust=torch.zeros(1, 1, *size),
            texture=as_batch(texture),
            texture_trust=torch.from_numpy(texture_trust)[None, None],
            situation=torch.tensor([told]),
        )
        yield known, move_onto(picture, plain[number - 1]) if number else None


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
        return self._made(span, small) if small else None

    def glimpses(self, span: Span, places: Sequence[int], warm_up: int = WARM_UP) -> dict[int, Pixels]:
        """About what :meth:`frames` shows at some places of a span, at a fraction of the work; a transmitter looks so.

        Args:
            places: Frames from the span's first one on.
            warm_up: Enhanced frames before the one that a glimpse is made of, which the enhancer is shown; each costs
                as much as a glimpse.

        Returns:
            Those that can be had.
        """
        small = self.small_frames(span)
        if not small or span.structure is None:
            return {}
        glimpse = partial(self._glimpse, span, span.structure, small, warm_up)
        return dict(zip(places, at_once(*(partial(glimpse, place) for place in places), most=2), strict=True))

    def _glimpse(
        self, span: Span, layer: StructureLayer, small: Sequence[tuple[int, Pixels]], warm_up: int, place: int
    ) -> Pixels:
        at, pictures = [place for place, _ in small], [picture for _, picture in small]
        enhanced = self._places_enhanced(span, layer, len(pictures))
        stands = [at[number] for number in enhanced]
        after = min(bisect_left(stands, place), len(stands) - 1)
        before = max(0, after - 1) if stands[after] > place else after
        if stands[after] - stands[before] <= QUICK_S * span.video.fps:  # the nearer one's detail will do for both
            before = after = min(before, after, key=lambda n: abs(stands[n] - place))
        first = max(0, before - warm_up)
        run = [pictures[n] for n in enhanced[first : after + 2]]  # the one after is looked at, and not made
        made = list(itertools.islice(self._enhanced(span, layer, run), before - first, after - first + 1))
        last = min(bisect_left(at, place), len(at) - 1)
        ends = [last - 1, last] if at[last] > place and last else [last]
        shown = [detail_carried(pictures, enhanced[before : after + 1], made, number) for number in ends]
        if len(shown) == 1:
            return shown[0]
        return roughly_between(shown[0], shown[1], (place - at[last - 1]) / (at[last] - at[last - 1]))

    def small_frames(self, span: Span) -> list[tuple[int, Pixels]]:
        """The layer's own frames, enlarged, with their places in the span."""
        layer, video = span.structure, span.video
        if layer is None:
            return []
        small = self._read(layer, video.height, video.width, span.segment_frames)
        return [(place, picture) for place, picture in small if place < span.stop - span.start]

    def _enhanced(self, span: Span, layer: StructureLayer, pictures: Sequence[Pixels]) -> Iterator[Pixels]:
        """Those small frames in a row that time is taken for, as they are shown."""
        look = self._look(layer)
        if look is None:
            yield from pictures
            return
        told = Structure(
            coded=self._coded_size(span.video.height, span.video.width, layer.eighths),
            quantiser=layer.quantiser,
            interval_s=_enhanced_every(span, layer) * layer.step / float(span.video.fps),
        )
        keyframes = [picture for picture in (span.first, _beyond(span)) if picture is not None]
        yield from self.enhancer.enhanced(pictures, told, keyframes, look)

    def _look(self, layer: StructureLayer) -> float | None:
        """0 faithful to 1 vivid; ``None``: as decoded."""
        return LOOKS[layer.look] if self.look is None else self.look

    def _places_enhanced(self, span: Span, layer: StructureLayer, count: int) -> list[int]:
        """Which of so many small frames time is taken for."""
        every = 1 if self._look(layer) is None else _enhanced_every(span, layer)
        return sorted({*range(0, count, every), count - 1})

    def _made(self, span: Span, small: Sequence[tuple[int, Pixels]]) -> Iterator[Pixels]:
        layer, length, beyond = span.structure, span.stop - span.start, _beyond(span)
        assert layer is not None
        places, end = [place for place, _ in small], small[-1][0]
        shown = self._shown(span, layer, [picture for _, picture in small])
        pictures: Iterator[tuple[int, Pixels]] = zip(places, shown, strict=True)
        if beyond is not None and span.last_index - span.start > end + layer.step:
            # The end of the small frames was lost, or more than their segment is missing.
            end = span.last_index - span.start
            pictures = itertools.chain(pictures, [(end, beyond)])
        quick = int(QUICK_S * span.video.fps)
        return itertools.islice(filled_in(ahead(pictures), max(length, end + 1), quick), length)

    def _shown(self, span: Span, layer: StructureLayer, small: Sequence[Pixels]) -> Iterator[Pixels]:
        """Small frames as they are shown: those that there was time for, and the others with the detail of these."""
        enhanced = self._places_enhanced(span, layer, len(small))
        made: list[Pixels] = []
        done = 0
        for place, picture in zip(enhanced, self._enhanced(span, layer, [small[n] for n in enhanced]), strict=True):
            made.append(picture)
            yield from (detail_carried(small, enhanced[: len(made)], made, number) for number in range(done, place + 1))
            done = place + 1


def _enhanced_every(span: Span, layer: StructureLayer) -> int:
    """Of so many small frames one is enhanced."""
    return max(1, math.ceil(span.video.fps / (MOST_PER_S * layer.step)))


def _beyond(span: Span) -> Pixels | None:
    """The picture that a span leads to, where nothing lies between that and the span's beginning."""
    return span.last if span.cut is None else None


def filled_in(pictures: Iterable[tuple[int, Pixels]], length: int, quick_gap: int = 1) -> Iterator[Pixels]:
    """All ``length`` frames from some of them; before the first and after the last, these hold.

    Motion between two is found while frames between the two before are made.

    Args:
        pictures: Places, which rise, and what stands there, uint8 RGB, of one size.
        length: How many frames to make.
        quick_gap: Pictures no farther apart than this have frames between them made the quick way.

    Raises:
        ConfigError: There are no pictures.
    """
    shown, latest = 0, None
    for place, picture, between in ahead(_with_what_leads_there(pictures, quick_gap)):
        gap = place - shown + 1
        yield from (between((number + 1) / gap) for number in range(place - shown))
        yield picture
        shown, latest = place + 1, picture
    if latest is None:
        raise ConfigError("there are no pictures to fill frames in between")
    yield from itertools.repeat(latest, length - shown)


def _with_what_leads_there(
    pictures: Iterable[tuple[int, Pixels]], quick_gap: int
) -> Iterator[tuple[int, Pixels, Callable[[float], Pixels]]]:
    """Pictures with their places, and what makes frames at times, 0 to 1, on the way there from the one before."""
    before: tuple[int, Pixels] | None = None
    for place, picture in pictures:
        if before is None:
            yield place, picture, lambda _, held=picture: held  # type: ignore[misc]
        elif place - before[0] <= max(1, quick_gap):
            yield place, picture, partial(roughly_between, before[1], picture)
        else:
            yield place, picture, Between(before[1], picture).at
        before = place, picture


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
