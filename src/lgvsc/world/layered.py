"""Frames from a small, coarsely coded video and a few keyframes: the receiver of a layered link.

Each small frame is enlarged, and the compact enhancer puts back what it knows: keyframes moved onto it, its own last
output moved onto it. Frames between small frames come from motion between their enhanced forms, at no bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lgvsc.core.message import StructureLayer
from lgvsc.core.processor import native_bfloat16
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError, InputError
from lgvsc.nets.enhancer import Enhancer, EnhancerConfig, Known, blended
from lgvsc.world.backends.compact.between import Between
from lgvsc.world.backends.compact.flow import Flow
from lgvsc.world.enhancing import as_coarse, move_onto, texture_of
from lgvsc.world.spans import Span


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
        net = Enhancer(self._config)
        net.load_state_dict(blended(self._faithful, self._vivid, look))
        net = net.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
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
                _batch(picture),
                _batch(move_onto(picture, after).apply(after)),
                _batch(previous),
                torch.from_numpy(previous_trust)[None, None],
                _batch(texture),
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
        look: 0 faithful to 1 vivid.
    """

    def __init__(
        self,
        make_enhancer: Callable[[], CompactEnhancer],
        read: ReadLayer,
        coded_size: Callable[[int, int, int], tuple[int, int]],
        look: float = 0.0,
    ) -> None:
        self._make_enhancer, self._read, self._coded_size, self._look = make_enhancer, read, coded_size, look

    @cached_property
    def enhancer(self) -> CompactEnhancer:
        """The network."""
        return self._make_enhancer()

    def frames(self, span: Span) -> Iterator[Pixels] | None:
        """All frames of a span, or ``None`` where not one small frame can be had of it."""
        layer, video, length = span.structure, span.video, span.stop - span.start
        if layer is None:
            return None
        small = self._read(layer, video.height, video.width, span.segment_frames)
        small = [(place, picture) for place, picture in small if place < length]
        return self._made(span, layer, small) if small else None

    def _made(self, span: Span, layer: StructureLayer, small: Sequence[tuple[int, Pixels]]) -> Iterator[Pixels]:
        video, length = span.video, span.stop - span.start
        told = Structure(
            coded=self._coded_size(video.height, video.width, layer.eighths),
            quantiser=layer.quantiser,
            interval_s=layer.step / float(video.fps),
        )
        keyframes = [] if span.first is None else [span.first]
        beyond = span.last if span.cut is None else None
        keyframes += [] if beyond is None else [beyond]
        pictures = list(self.enhancer.enhanced([picture for _, picture in small], told, keyframes, self._look))
        places = [place for place, _ in small]
        if beyond is not None and span.last_index - span.start > places[-1] + layer.step:
            pictures.append(beyond)  # the end of the small frames was lost, or more than their segment is missing
            places.append(span.last_index - span.start)
        return itertools.islice(filled_in(pictures, places, max(length, places[-1] + 1)), length)


def filled_in(pictures: Sequence[Pixels], positions: Sequence[int], length: int) -> Iterator[Pixels]:
    """All ``length`` frames from those at ``positions``, which rise; before the first and after the last, these hold.

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
        if gap > 1:
            between = Between(first, last)
            for place in range(1, gap):
                yield between.at(place / gap)
    for _ in range(length - positions[-1]):
        yield pictures[-1]


def load(data: bytes) -> CompactEnhancer:
    """The enhancer of an asset, which holds both ends under ``faithful.`` and ``vivid.``.

    Raises:
        InputError: These are not weights of this network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as read

    from lgvsc.models.weights import header

    try:
        config = EnhancerConfig.from_json(header(data)["__metadata__"]["config"])
        ends: dict[str, dict[str, Tensor]] = {"faithful": {}, "vivid": {}}
        for name, value in read(data).items():
            end, rest = name.split(".", 1)
            ends[end][rest] = value.float()
        for weights in ends.values():
            Enhancer(config).load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"these are not the weights of an enhancer: {error}") from error
    return CompactEnhancer(config, ends["faithful"], ends["vivid"])


def _batch(picture: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
