"""Semantic decoder: the segments that arrived become video, and every frame says where it came from.

This is the last stop of the link. What arrives is in order, but full of holes: a caption, a keyframe, a whole
burst may be missing. ``spans.py`` turns that into ranges of frames without holes; here each range is made by the
world model, or held where nothing is known, and leaves in pieces of bounded size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np

from lgvsc.core.interfaces import Conditions, Provenance, Rebuilt, WorldModel
from lgvsc.core.message import Segment
from lgvsc.core.video import Pixels, Video, VideoFormat, frames_of_piece
from lgvsc.errors import ConfigError, ShapeError
from lgvsc.world.adapters import ADAPTERS, Adapter, AdapterName, make_adapter
from lgvsc.world.layered import LayeredWorld
from lgvsc.world.spans import Span, spans

Made: TypeAlias = tuple[Pixels, Provenance]  # one frame, and where it came from

GREY = 128  # of a video of which nothing has been seen yet


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """How segments become video.

    Attributes:
        adapter: ``"dsa"`` sizes the latent to each segment, ``"sfa"`` fixes it for the video.
        show_keyframes: Show a received keyframe itself in its place, not the world model's image of it.
        chunk_frames: Frames of a piece that leaves the decoder, at most; fewer where frames are large.
        look: Of frames with a structure layer, and of keyframes by the compact NTSCC: 0 shows what errs least, 1 what
            looks most like the source. Between both ends weights are interpolated. A receiver can show any message at
            any look; keyframes are best at the one that their transmitter knew. ``None``: as it advises, keyframes 0
            where no budget's objective asks for another.
        fade_s: Seconds in which a held picture has lost most of its contrast, where nothing arrived.
    """

    adapter: AdapterName = "dsa"
    show_keyframes: bool = True
    chunk_frames: int = 32
    fade_s: float = 2.0
    look: float | None = None

    def __post_init__(self) -> None:
        if self.adapter not in ADAPTERS:
            raise ConfigError(f"world.adapter is {self.adapter!r}; there are {', '.join(ADAPTERS)}")
        if not 1 <= self.chunk_frames <= 256:
            raise ConfigError(f"world.chunk_frames is {self.chunk_frames}; a piece has 1 to 256 frames")
        if self.look is not None and not 0 <= self.look <= 1:
            raise ConfigError(f"world.look is {self.look}; it lies between 0 (faithful) and 1 (vivid)")
        if not self.fade_s > 0:
            raise ConfigError(f"world.fade_s is {self.fade_s}; a fade takes some time")


class SemanticDecoder:
    """Adapter, world model and stitching.

    Args:
        world: Makes frames from conditions.
        config: See :class:`DecoderConfig`.
        seed: Of the run. Each range of frames gets a generator of its own from it.
        layered: Makes the frames of segments with a structure layer, unless the world model takes small frames itself;
            without it, or where nothing of the layer can be decoded, they are made as those without one.

    Source: Ma et al. 2026 (arXiv:2606.12899), section II-D. What happens on loss is ours:

    ==========================  ==============================================================================
    lost                        what is done
    ==========================  ==============================================================================
    caption                     made from keyframes and sketches alone
    sketches                    made from what else there is; so they are for a world model that takes none
    structure layer             made from what else there is; of a part of it, up to where it breaks off
    one keyframe of a segment   made from the other one, the caption steers
    both keyframes              made from the caption alone
    a burst's control           its frames lie between the neighbours' indices; they are made together with
                                the segment before, between the keyframes on both sides: *concealed*
    beginning, end              *concealed* from the picture that is nearest, up to the announced length
    everything but control      the last good picture is held and fades: *missing* (at the beginning, the next one)
    everything                  nothing is made
    ==========================  ==============================================================================
    """

    def __init__(
        self,
        world: WorldModel,
        config: DecoderConfig | None = None,
        *,
        seed: int = 0,
        layered: LayeredWorld | None = None,
    ) -> None:
        self.world = world
        self.config = config or DecoderConfig()
        self.seed = seed
        self._layered = layered

    def change_look(self, look: float | None) -> None:
        """Show small frames in another look, from the next segment on that is not begun yet; see ``DecoderConfig``."""
        self.config = replace(self.config, look=look)
        if self._layered is not None:
            self._layered.look = look

    def videos(self, segments: Iterable[Segment]) -> Iterator[Rebuilt]:
        """Make the video, piece by piece.

        Args:
            segments: As received, in order; some may be missing, and so may parts of each.

        Returns:
            Pieces of at most ``chunk_frames`` frames that follow each other without a hole from frame 0 on. A
            segment leaves as soon as the next one has arrived, because that brings its closing picture.

        Raises:
            ConfigError: Adapter ``"sfa"``, and a segment of another length than the first.
        """
        adapter = make_adapter(self.config.adapter, self.world)
        seen: Pixels | None = None  # the last good picture ...
        seen_until = 0  # ... and the first frame after it
        for span in spans(segments):
            span = span if takes_sketches(self.world) else replace(span, sketches=())
            layered, small = None, self._small_frames(span)
            if self._layered and not small:
                layered = self._layered.frames(span)
            span = replace(span, structure=None)
            if layered is not None:
                frames = origins(layered, span)
            elif span.nothing_known and not small:
                seen = span.following if seen is None else seen
                frames = held_and_faded(span, seen, seen_until, self.config.fade_s)
            else:
                frames = self._made(span, adapter, small)
            for piece in in_pieces(frames, span, self.config.chunk_frames):
                yield piece
                if layered is not None or small or not span.nothing_known:
                    seen, seen_until = piece.video.frames[-1].copy(), span.stop

    def _small_frames(self, span: Span) -> tuple[tuple[int, Pixels], ...]:
        """Of a structure layer, for a world model that makes the frames itself."""
        if self._layered is None or not getattr(self.world, "takes_small_frames", False):
            return ()
        return tuple((span.start + place, picture) for place, picture in self._layered.small_frames(span))

    def _made(self, span: Span, adapter: Adapter, small: tuple[tuple[int, Pixels], ...] = ()) -> Iterator[Made]:
        conditions = replace(self._conditions(span, adapter), small_frames=small)
        shown = {index: picture for index, picture in span.pictures() if self.config.show_keyframes}
        index = span.start
        for picture in self.world.generate(conditions):
            if index in shown:
                yield shown[index], "received"
            else:
                yield picture, "generated" if index in span.announced else "concealed"
            index += 1
        if index != span.stop:
            raise ShapeError(f"{self.world.name} made frames [{span.start}, {index}), not up to {span.stop}")

    def _conditions(self, span: Span, adapter: Adapter) -> Conditions:
        frames = span.stop - span.start
        if span.whole:
            latent_frames = adapter.latent_frames(frames, final=span.final)
        else:  # no segment of the transmitter's: its length is the channel's doing, which SFA cannot ask to be equal
            latent_frames = self.world.latent_frames(frames)
        return span.conditions(latent_frames=latent_frames, seed=child_seed(self.seed, span.start))


def origins(pictures: Iterable[Pixels], span: Span) -> Iterator[Made]:
    """The frames of a span, each with where it came from."""
    for index, picture in enumerate(pictures, span.start):
        yield picture, "generated" if index in span.announced else "concealed"


def takes_sketches(world: WorldModel) -> bool:
    """Whether a world model can be given ``Conditions.sketches``; one that does not say so takes none."""
    return bool(getattr(world, "takes_sketches", False))


def held_and_faded(span: Span, picture: Pixels | None, since: int, fade_s: float) -> Iterator[Made]:
    """A picture that sinks towards its own mean colour, beginning at frame ``since``; grey where there is none."""
    held = np.full((span.video.height, span.video.width, 3), GREY, np.uint8) if picture is None else picture
    mean = held.mean(axis=(0, 1))
    levels = np.arange(256)[:, None]
    for index in range(span.start, span.stop):
        contrast = np.exp(-(index + 1 - since) / float(span.video.fps) / fade_s)
        faded = np.rint(mean + (levels - mean) * contrast).astype(np.uint8)  # what becomes of each level, per colour
        yield cv2.LUT(held, faded[None]).astype(np.uint8, copy=False), "missing"


def in_pieces(frames: Iterable[Made], span: Span, chunk_frames: int) -> Iterator[Rebuilt]:
    """Collect frames into pieces of at most ``chunk_frames``."""
    start, chunk_frames = span.start, frames_of_piece(span.video, chunk_frames)
    pictures: list[Pixels] = []
    provenance: list[Provenance] = []
    for picture, origin in frames:
        pictures.append(picture)
        provenance.append(origin)
        if len(pictures) == chunk_frames:
            yield _piece(pictures, provenance, span.video, start)
            start += len(pictures)
            pictures, provenance = [], []
    if pictures:
        yield _piece(pictures, provenance, span.video, start)


def _piece(pictures: list[Pixels], provenance: list[Provenance], video: VideoFormat, start: int) -> Rebuilt:
    return Rebuilt(Video(np.stack(pictures), video.fps, start), tuple(provenance))


def child_seed(seed: int, start: int) -> int:
    """Seed of the range that begins at ``start``: below 2^63, and its own for every use of the run's seed."""
    digest = hashlib.sha256(f"{seed}\x1fworld\x1f{start}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
