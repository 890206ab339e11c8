"""The semantic encoder: frames in, described segments out, each as soon as its last frame is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.interfaces import Captioner
from lgvsc.core.message import COLOUR_CELLS, MAX_CAPTION_BYTES, Motion, Segment
from lgvsc.core.video import Frame, Pixels, VideoFormat, with_frames
from lgvsc.errors import ConfigError, InputError
from lgvsc.semantics.caption_text import clean_caption
from lgvsc.semantics.cuts import CutConfig, CutDetector, LatestCut
from lgvsc.semantics.keyframes import Choice, KeyframeConfig, Scorer, choose_keyframes
from lgvsc.semantics.motion import MotionConfig, MotionMeter

MAX_SKETCHES = 32
SKETCH_SIDE = 256  # short side of the picture that is drawn; sketches are sent at 256 x 256


class Draws(Protocol):
    """Makes a sketch of a picture: uint8 ``(H, W)``, 255 on a contour."""

    def extract(self, picture: Pixels) -> Pixels: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """What is said about a segment.

    Attributes:
        send_captions: Whether words are sent.
        send_keyframes: Whether pictures are sent; without them the message is text only.
        send_closing: Whether the last frame of the video is sent too, where keyframes are.
        send_motion: Whether motion is sent, as side information.
        send_colours: Whether mean colours of the picture's cells are, for segments without pictures at both ends.
        sketches: Frames of a segment that are sent as sketches, at most: none, the first one, or several evenly spread.
        caption_max_bytes: Length of a caption in UTF-8.
        caption_frames: Frames of a segment, evenly spread, that the captioner gets to see; of those that were looked at
            for keyframes, where there are any, since much of what it sees in these it has seen by then.
        description: What is said of every segment in place of the captioner's words, as GVSC takes the captions of
            its data set (section IV-A1); empty lets the captioner speak.
        cuts, motion: How hard cuts are found and motion is measured.
    """

    send_captions: bool = True
    send_keyframes: bool = True
    send_closing: bool = True
    send_motion: bool = True
    send_colours: bool = False
    sketches: int = 0
    caption_max_bytes: int = 160
    caption_frames: int = 4
    description: str = ""
    cuts: CutConfig = field(default_factory=CutConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.sketches <= MAX_SKETCHES:
            raise ConfigError(f"message.sketches is {self.sketches}; a segment has 0 to {MAX_SKETCHES}")
        if not (self.send_keyframes or self.send_captions or self.sketches):
            raise ConfigError(
                "neither keyframes nor captions nor sketches are sent, and side information alone makes no video; send "
                "one of them"
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
        draws: Makes the sketches, where any are sent.
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
        draws: Draws | None = None,
        watch: Callable[[Choice], None] | None = None,
    ) -> None:
        if config.sketches and draws is None:
            raise ConfigError("message.sketches asks for sketches, but nothing that draws was given")
        self._draws = draws
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
                current.take(choice)
        end = current.latest.index + 1
        yield self._describe(current, with_frames(video, end), stop=end, last=True)

    def _choices(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[Choice]:
        for choice in choose_keyframes(frames, video, self._keyframes, self._score, CutDetector(self._config.cuts)):
            self._watch(choice)
            yield choice

    def _open(self, choice: Choice, video: VideoFormat) -> OpenSegment:
        meter = MotionMeter(video.fps, self._config.motion)
        return OpenSegment(choice, meter, self._config.caption_frames, self._config.sketches)

    def _describe(self, segment: OpenSegment, video: VideoFormat, *, stop: int, last: bool = False) -> Segment:
        keyframe, closing = segment.keyframe, segment.latest
        motion = segment.meter.measure()
        pictures, limit = self._config.send_keyframes, self._config.caption_max_bytes
        return Segment(
            video=video,
            start=keyframe.index,
            stop=stop,
            caption=self._captioned(segment, motion, limit) if self._config.send_captions else None,
            keyframe=keyframe.pixels if pictures else None,
            closing_keyframe=(
                closing.pixels if pictures and self._config.send_closing and last and closing is not keyframe else None
            ),
            sketches=tuple((frame.index, self._drawn(frame.pixels, video)) for frame in segment.to_draw()),
            motion=motion if self._config.send_motion else None,
            colours=segment.colours() if self._config.send_colours else None,
            cut=segment.cut,
            last=last,
            divergence=segment.divergence,
        )

    def _captioned(self, segment: OpenSegment, motion: Motion, limit: int) -> str:
        """What is said of it, by whomever: cleaned and within the bytes, "" where nothing of it can be sent."""
        words = self._config.description or self._captioner.caption(segment.seen(), motion, limit)
        return clean_caption(words, limit)

    def _drawn(self, small: Pixels, video: VideoFormat) -> Pixels:
        """A sketch of the video's size."""
        assert self._draws is not None
        sketch = self._draws.extract(small)
        if sketch.shape == (video.height, video.width):
            return sketch
        return np.asarray(cv2.resize(sketch, (video.width, video.height), interpolation=cv2.INTER_LINEAR), np.uint8)


class OpenSegment:
    """A segment while its frames arrive: its keyframe, its latest frame, and a few in between.

    Flashes and fades are neither measured nor described.
    """

    def __init__(self, opening: Choice, meter: MotionMeter, caption_frames: int, sketches: int = 0) -> None:
        self.keyframe = self.latest = opening.frame
        self.divergence = opening.divergence
        self._latest_cut = LatestCut()
        self._bare = opening.seen is not None and opening.seen.bare
        self._last_seen = opening.frame  # the latest frame in which there is something to describe
        self.meter = meter
        self.meter.add(opening.frame)
        self._between, self._looked_at = Thinned(2 * caption_frames), Thinned(2 * caption_frames)
        self._shown = caption_frames
        self._drawable = Spread(sketches)
        self._drawable.add(opening.frame)
        self._colours, self._frames = cells(opening.frame.pixels), 1

    def reach(self, choice: Choice) -> None:
        """Motion and cuts on the way to a frame, be it the next of this segment or the next keyframe."""
        seen, index = choice.seen, choice.frame.index
        if choice.passing:
            return
        breaks = choice.cut or (seen is not None and seen.breaks)
        self.meter.add(choice.frame, cut=breaks or (seen is not None and seen.role in ("arrival", "bend")))
        self._latest_cut.reach(index, is_cut=choice.cut, breaks=breaks, bare=seen is not None and seen.bare)

    @property
    def cut(self) -> int | None:
        """The first frame of the last new shot in it."""
        return self._latest_cut.index

    def take(self, choice: Choice) -> None:
        """The next frame, which is part of the segment."""
        frame = self.latest = choice.frame
        self._colours += cells(frame.pixels)
        self._frames += 1
        self._drawable.add(frame)  # whatever passes: receivers are told one distance for all sketches
        if choice.passing:
            return
        if self._bare or choice.seen is None or not choice.seen.bare:
            self._last_seen = frame
        self._between.add(frame)
        if choice.looked_at:
            self._looked_at.add(frame)

    def colours(self) -> Pixels:
        """Mean colours of the cells of the picture over the whole segment, uint8 ``(8, 8, 3)``."""
        return np.rint(self._colours / self._frames).astype(np.uint8)

    def to_draw(self) -> list[Frame]:
        """The frames of which sketches are sent, shrunk, the first one first and then at equal distances."""
        return self._drawable.chosen()

    def seen(self) -> list[Frame]:
        """What the captioner gets to see: the keyframe, the latest frame and frames evenly spread between them.

        For each of these but the first one that was looked at stands where there is one no farther away than halfway to
        the next place.
        """
        latest = self._last_seen
        if latest is self.keyframe:
            return [self.keyframe]
        between = [frame for frame in self._between.frames if frame.index < latest.index]
        looked_at = [frame for frame in self._looked_at.frames if frame.index <= latest.index]
        places = min(self._shown - 2, len(between)) + 1
        apart = (latest.index - self.keyframe.index) / places

        def shown_at(place: int) -> Frame:
            def away(frame: Frame) -> float:
                return abs(frame.index - self.keyframe.index - apart * place)

            known = min(looked_at, key=away, default=None)
            return known if known and away(known) < apart / 2 else min((*between, latest), key=away)

        return [self.keyframe, *dict.fromkeys(map(shown_at, range(1, places + 1)))]


class Thinned:
    """Frames at equal distances, thinned out as more come, and the latest of all."""

    def __init__(self, most: int) -> None:
        self._most, self._spacing, self._count = most, 1, 0
        self._kept: list[Frame] = []
        self._latest: Frame | None = None

    def add(self, frame: Frame) -> None:
        """The next one."""
        self._latest = frame
        self._count += 1
        if self._count % self._spacing == 0:
            self._kept.append(frame)
        if len(self._kept) > self._most:
            self._kept = self._kept[1::2]  # what lies on the doubled spacing
            self._spacing *= 2

    @property
    def frames(self) -> list[Frame]:
        """In order."""
        ends = self._latest is not None and self._latest not in self._kept[-1:]
        return [*self._kept, self._latest] if ends else list(self._kept)  # type: ignore[list-item]


class Spread:
    """At most ``count`` frames of a segment, evenly spaced from the first on, chosen while the segment grows.

    Frames are kept shrunk to what is drawn of them, never more than twice as many as are wanted.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: list[Frame] = []
        self._spacing = 1
        self._seen = 0

    def add(self, frame: Frame) -> None:
        """The next frame of the segment."""
        wanted = self._count > 1 or (self._count == 1 and self._seen == 0)
        if wanted and self._seen % self._spacing == 0:
            self._kept.append(shrunk(frame))
        self._seen += 1
        if self._count > 1 and len(self._kept) > 2 * self._count:
            self._kept = self._kept[::2]
            self._spacing *= 2

    def chosen(self) -> list[Frame]:
        """The frames, in order."""
        step = max(1, -(-len(self._kept) // max(1, self._count)))
        return list(islice(self._kept, 0, None, step))


def cells(picture: Pixels) -> NDArray[np.float64]:
    """Mean colours of 8 x 8 cells, ``(8, 8, 3)``."""
    return cv2.resize(picture, (COLOUR_CELLS, COLOUR_CELLS), interpolation=cv2.INTER_AREA).astype(np.float64)


def shrunk(frame: Frame) -> Frame:
    """A frame whose short side is at most ``SKETCH_SIDE``; a copy, as the frame itself is not to be held."""
    height, width = frame.pixels.shape[:2]
    scale = SKETCH_SIDE / min(height, width)
    if scale >= 1:
        return frame
    size = (round(width * scale), round(height * scale))
    return Frame(frame.index, np.asarray(cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA), np.uint8))
