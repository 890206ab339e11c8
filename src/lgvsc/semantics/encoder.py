"""The semantic encoder: frames in, described segments out, each as soon as its last frame is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from lgvsc.core.interfaces import Captioner
from lgvsc.core.message import MAX_CAPTION_BYTES, Segment
from lgvsc.core.video import Frame, VideoFormat, with_frames
from lgvsc.errors import ConfigError, InputError
from lgvsc.semantics.cuts import CutConfig, CutDetector
from lgvsc.semantics.keyframes import Choice, KeyframeConfig, Scorer, choose_keyframes
from lgvsc.semantics.motion import MotionConfig, MotionMeter


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """What is said about a segment.

    Attributes:
        send_captions: Whether words are sent.
        send_keyframes: Whether pictures are sent; without them the message is text only.
        send_motion: Whether side information is sent.
        caption_max_bytes: Length of a caption in UTF-8.
        caption_frames: Frames of a segment, evenly spread, that the captioner gets to see.
        cuts, motion: How hard cuts are found and motion is measured.
    """

    send_captions: bool = True
    send_keyframes: bool = True
    send_motion: bool = True
    caption_max_bytes: int = 160
    caption_frames: int = 4
    cuts: CutConfig = field(default_factory=CutConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)

    def __post_init__(self) -> None:
        if not (self.send_keyframes or self.send_captions):
            raise ConfigError(
                "neither keyframes nor captions are sent, and motion alone makes no video; send one of them"
            )
        if not 1 <= self.caption_max_bytes <= MAX_CAPTION_BYTES:
            raise ConfigError(
                f"message.caption_max_bytes is {self.caption_max_bytes}; captions have 1 to {MAX_CAPTION_BYTES} bytes"
            )
        if self.caption_frames < 2:
            raise ConfigError(f"message.caption_frames is {self.caption_frames}, but a segment has two ends to show")


class SemanticEncoder:
    """Parts a video where its meaning changes, and describes each piece.

    Args:
        captioner: Puts a segment into words.
        score: Divergence of a keyframe and each candidate; asked by SKEM only.
        keyframes: How keyframes are chosen.
        config: What is said.
        watch: Called with the choice made for each frame, before anything is made of it; draws the curve of a
            report. Keep its numbers, not its frames.

    Source: Ma et al. 2026 (arXiv:2606.12899), section II-A: segment n becomes {I_text, I_frame, I_side}.
    """

    def __init__(
        self,
        *,
        captioner: Captioner,
        score: Scorer,
        keyframes: KeyframeConfig,
        config: EncoderConfig,
        watch: Callable[[Choice], None] | None = None,
    ) -> None:
        self._captioner = captioner
        self._score = score
        self._keyframes = keyframes
        self._config = config
        self._watch = watch or (lambda _: None)

    def segments(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[Segment]:
        """Segments in order, each as soon as it has ended; together they cover the video exactly.

        A segment has ended when the next keyframe is there, and depends on nothing after that. Memory holds a
        handful of frames, however long the video is.

        Args:
            frames: The video, from index 0 on; read once.
            video: Its format. Where the announced length is wrong, the last segment has the true one.

        Raises:
            InputError: There is not a single frame.
            ConfigError: SKIM needs a length that ``video`` does not have.
        """
        choices = self._choices(frames, video)
        opening = next(choices, None)
        if opening is None:
            raise InputError("the video holds no frame; there is nothing to describe")
        current = self._open(opening, video)
        for choice in choices:
            current.reach(choice)
            if choice.keyframe:
                yield self._describe(current, video, stop=choice.frame.index)
                current = self._open(choice, video)
            else:
                current.take(choice.frame)
        end = current.latest.index + 1
        yield self._describe(current, with_frames(video, end), stop=end, last=True)

    def _choices(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[Choice]:
        for choice in choose_keyframes(frames, video, self._keyframes, self._score, CutDetector(self._config.cuts)):
            self._watch(choice)
            yield choice

    def _open(self, choice: Choice, video: VideoFormat) -> OpenSegment:
        return OpenSegment(choice, MotionMeter(video.fps, self._config.motion), self._config.caption_frames)

    def _describe(self, segment: OpenSegment, video: VideoFormat, *, stop: int, last: bool = False) -> Segment:
        keyframe, closing = segment.keyframe, segment.latest
        motion = segment.meter.measure()
        pictures, limit = self._config.send_keyframes, self._config.caption_max_bytes
        return Segment(
            video=video,
            start=keyframe.index,
            stop=stop,
            caption=self._captioner.caption(segment.seen(), motion, limit) if self._config.send_captions else None,
            keyframe=keyframe.pixels if pictures else None,
            closing_keyframe=closing.pixels if pictures and last and closing is not keyframe else None,
            motion=motion if self._config.send_motion else None,
            cut=segment.cut,
            last=last,
            divergence=segment.divergence,
        )


class OpenSegment:
    """A segment while its frames arrive: its keyframe, its latest frame, and a few in between.

    ``cut`` is the first frame of the last new shot in it. There is room for one: what lies before it was found
    to be like the keyframe, or it would have opened a segment of its own.
    """

    def __init__(self, opening: Choice, meter: MotionMeter, caption_frames: int) -> None:
        self.keyframe = self.latest = opening.frame
        self.divergence = opening.divergence
        self.cut: int | None = None
        self.meter = meter
        self.meter.add(opening.frame)
        self._between: list[Frame] = []  # evenly spaced; thinned out as the segment grows
        self._spacing = 1
        self._shown = caption_frames

    def reach(self, choice: Choice) -> None:
        """Motion and cuts on the way to a frame, be it the next of this segment or the next keyframe."""
        self.meter.add(choice.frame, cut=choice.cut)
        if choice.cut:
            self.cut = choice.frame.index

    def take(self, frame: Frame) -> None:
        """The next frame, which is part of the segment."""
        self.latest = frame
        if (frame.index - self.keyframe.index) % self._spacing == 0:
            self._between.append(frame)
        if len(self._between) > 2 * self._shown:
            self._between = self._between[1::2]  # what lies on the doubled spacing
            self._spacing *= 2

    def seen(self) -> list[Frame]:
        """What the captioner gets to see: the keyframe, the latest frame and frames evenly spread between them."""
        if self.latest is self.keyframe:
            return [self.keyframe]
        between = [frame for frame in self._between if frame is not self.latest]
        places = min(self._shown - 2, len(between))
        start, length = self.keyframe.index, self.latest.index - self.keyframe.index
        wanted = [start + length * (place + 1) / (places + 1) for place in range(places)]
        nearest = [min(between, key=lambda frame, at=at: abs(frame.index - at)) for at in wanted]  # type: ignore[misc]
        return [self.keyframe, *nearest, self.latest]
