"""From segments as they arrived to spans of frames that can be made: order, gaps, and what is known of each.

A burst may be lost, and once in some ten thousand a wrong control block passes its CRC. So segments may skip
frames, overlap, or lie far away. Spans never do: together they cover the video once, from frame 0 on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lgvsc.core.interfaces import Conditions
from lgvsc.core.message import Motion, Segment, StructureLayer
from lgvsc.core.video import Pixels, VideoFormat

SLACK_FRAMES = 64  # by how much a segment may lie beyond the announced length, which containers get wrong


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Span:
    """Frames ``[start, stop)``, made in one go, and all that is known about them.

    Attributes:
        announced: The part of the range that a received control block told of; the rest is inferred.
        first: Received picture at ``start``.
        last: Received picture at ``last_index``, which is ``stop`` or, at the end of the video, ``stop - 1``.
        motion: Side information, carried on at the same speed where the span is longer than its segment.
        sketches: Received drawings of frames of the range, each with its index, uint8 ``(H, W)``.
        colours: Received colour layout of its segment, uint8 ``(8, 8, 3)``.
        structure: Small frames of its segment, as received.
        segment_frames: How many frames that segment has; the span may have more, or fewer.
        following: The next keyframe, where nothing is known of the span itself.
        whole: The range is exactly one segment, as its control block announced it.
        final: The video is known to end here.
    """

    video: VideoFormat
    start: int
    stop: int
    announced: range
    first: Pixels | None = None
    last: Pixels | None = None
    last_index: int
    caption: str | None = None
    motion: Motion | None = None
    sketches: tuple[tuple[int, Pixels], ...] = ()
    colours: Pixels | None = None
    cut: int | None = None
    structure: StructureLayer | None = None
    segment_frames: int = 0
    following: Pixels | None = None
    whole: bool = False
    final: bool = False

    @property
    def nothing_known(self) -> bool:
        """No picture, small or large, no drawing, no colours and no words: there is nothing to make frames from."""
        parts = (self.first, self.last, self.caption, self.colours, self.structure)
        return all(part is None for part in parts) and not self.sketches

    def pictures(self) -> list[tuple[int, Pixels]]:
        """Received pictures and where they stand; one at ``stop`` belongs to the next span's first frame."""
        both = ((self.start, self.first), (self.last_index, self.last))
        return [(index, picture) for index, picture in both if picture is not None]

    def conditions(self, *, latent_frames: int, seed: int) -> Conditions:
        """What a world model is given to make the span."""
        return Conditions(
            video=self.video,
            start=self.start,
            stop=self.stop,
            first=self.first,
            last=self.last,
            last_index=self.last_index,
            caption=self.caption,
            motion=self.motion,
            sketches=self.sketches,
            colours=self.colours,
            cut=self.cut,
            latent_frames=latent_frames,
            seed=seed,
        )


def spans(segments: Iterable[Segment]) -> Iterator[Span]:
    """What to make, in order, without holes. One segment is held back, until the next one's picture is known.

    Nothing comes of nothing: without a single segment there is no span.
    """
    held: Segment | None = None
    announced_frames: int | None = None
    for segment in in_order(segments):
        announced_frames = segment.video.frames or announced_frames
        if held is not None:
            yield from _between(held, segment)
        elif segment.start > 0:
            yield _before(segment)
        held = segment
    if held is not None:
        yield from _ending(held, announced_frames)


def in_order(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Segments that rise strictly in ``start``; what contradicts the others is dropped.

    A segment that skips frames waits until the next one confirms that time has moved on. Two wrong control
    blocks in a row that agree with each other are believed.
    """
    reference: VideoFormat | None = None
    newest, expected = -1, 0
    doubtful: Segment | None = None
    for segment in segments:
        reference = reference or segment.video
        if not _plausible(segment, reference):
            continue
        if doubtful is not None and segment.start > doubtful.start:
            yield doubtful
            newest, expected = doubtful.start, doubtful.stop
        doubtful = None
        if segment.start <= newest:
            continue
        if segment.start > expected:
            doubtful = segment
            continue
        yield segment
        newest, expected = segment.start, segment.stop
    if doubtful is not None:
        yield doubtful


def _plausible(segment: Segment, reference: VideoFormat) -> bool:
    video = segment.video
    same_video = (video.height, video.width, video.fps) == (reference.height, reference.width, reference.fps)
    end = None if reference.frames is None else reference.frames + SLACK_FRAMES
    return same_video and 0 <= segment.start < segment.stop and (end is None or segment.stop <= end)


def _before(segment: Segment) -> Span:
    """The beginning was lost: what is known is how it ended."""
    picture = picture_of(segment)
    return Span(
        video=segment.video,
        start=0,
        stop=segment.start,
        announced=range(0),
        last=picture,
        last_index=segment.start,
        caption=segment.caption if picture is None else None,
        colours=segment.colours if picture is None else None,
    )


def _between(held: Segment, following: Segment) -> Iterator[Span]:
    """A segment, with whatever was lost between it and the following one."""
    announced_stop = min(held.stop, following.start)  # where they overlap, the later one is believed
    closing = picture_of(following)
    if _only_control_arrived(held):
        # Not bridged: that the pictures on both sides belong together is not known either.
        yield _blank(held, announced_stop, closing)
        if announced_stop < following.start:
            yield replace(_before(following), start=announced_stop)
        return
    yield _span(held, announced_stop, following.start, last=closing, last_index=following.start)


def _ending(held: Segment, announced_frames: int | None) -> Iterator[Span]:
    """The final segment, or the latest one that arrived and what is missing after it."""
    stop = held.stop if held.last else max(held.stop, announced_frames or 0)
    if _only_control_arrived(held):
        yield _blank(held, stop)
        return
    closing = held.closing_keyframe if _fits(held.closing_keyframe, held.video) and len(held) > 1 else None
    closing = closing if stop == held.stop else None
    yield _span(held, held.stop, stop, last=closing, last_index=stop - 1)


def _span(held: Segment, announced_stop: int, stop: int, *, last: Pixels | None, last_index: int) -> Span:
    cut = held.cut if held.cut is not None and held.start < held.cut <= announced_stop else None
    return Span(
        video=held.video,
        start=held.start,
        stop=stop,
        announced=range(held.start, announced_stop),
        first=picture_of(held),
        last=last,
        last_index=last_index,
        caption=held.caption,
        motion=carried_on(held.motion, (stop - held.start) / len(held)),
        sketches=tuple((index, drawn) for index, drawn in drawings_of(held) if index < announced_stop),
        colours=held.colours,
        structure=held.structure,
        segment_frames=len(held),
        cut=cut,
        whole=stop == held.stop,
        final=held.last and stop == held.stop,
    )


def _blank(held: Segment, stop: int, following: Pixels | None = None) -> Span:
    return Span(
        video=held.video,
        start=held.start,
        stop=stop,
        announced=range(held.start, min(held.stop, stop)),
        last_index=stop,
        following=following,
        whole=stop == held.stop,
        final=held.last,
    )


def _only_control_arrived(segment: Segment) -> bool:
    parts = (segment.caption, picture_of(segment), segment.closing_keyframe, segment.motion, segment.colours)
    return all(part is None for part in (*parts, segment.structure)) and not drawings_of(segment)


def picture_of(segment: Segment) -> Pixels | None:
    """The segment's keyframe, if it arrived in the video's own size."""
    return segment.keyframe if _fits(segment.keyframe, segment.video) else None


def drawings_of(segment: Segment) -> tuple[tuple[int, Pixels], ...]:
    """The segment's sketches that arrived in the video's own size."""
    size = (segment.video.height, segment.video.width)
    return tuple((index, sketch) for index, sketch in segment.sketches if sketch.shape == size)


def _fits(picture: Pixels | None, video: VideoFormat) -> bool:
    return picture is not None and picture.shape == (video.height, video.width, 3)


def carried_on(motion: Motion | None, factor: float) -> Motion | None:
    """The same motion over ``factor`` times as many frames, at the same speed."""
    if motion is None or factor == 1:
        return motion
    return replace(motion, pan=motion.pan * factor, tilt=motion.tilt * factor, zoom=motion.zoom * factor)
