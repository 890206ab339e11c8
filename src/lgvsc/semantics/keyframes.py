"""Which frames become keyframes: every so many (SKIM), or where the meaning changes (SKEM)."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from typing import Literal, TypeAlias

from lgvsc.core.bare import is_same
from lgvsc.core.interfaces import FOCUSES, Focus
from lgvsc.core.video import Frame, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.passages import SHORT, Sighting, sightings
from lgvsc.semantics.turns import ScoresTurns, mark_turns

# Divergence, Eq. (2), of the latest keyframe and each candidate; None: nobody had to look, nothing has changed.
Scorer: TypeAlias = Callable[[Frame, Sequence[Frame]], Sequence[float | None]]

MAX_LENGTH = 1023  # frames of a segment that the control stream can announce
MAX_SPECULATION = 64
OPENING_S = 3.0  # of a video, whose keyframes may all come early
BY_MEANING = 1.1  # times the mean spacing
EARLY = 0.5  # of a spacing, by which one by meaning may come before it is due
HELD_S = 0.3  # so long a picture may be held before it goes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyframeConfig:
    """How keyframes are chosen.

    Attributes:
        method: ``"skem"`` compares meanings, ``"skim"`` counts frames.
        threshold: eta_th; a divergence above this makes a keyframe (SKEM).
        focus: What the judge is asked about (SKEM).
        sample_fps: How many frames per second are looked at (SKEM); 0 is every frame, as the text has it. The
            default follows from the paper's own timing, about 4.6 pairs for each second of video.
        segments: N, the number of equal segments; the last may be shorter (SKIM).
        interval: Frames per segment where the length of the video is not known, as on a live source; 0 takes
            the length from ``segments`` (SKIM).
        interval_s: The same in seconds, 0 for none (SKIM). GVSC's clips of 8 frames at 4 fps last 2 s.
        min_segment_frames: Frames that a segment has at least, except the last one (SKEM).
        max_segment_frames: Frames that a segment has at most; bounds memory and delay (both).
        snap_to_cuts: Look at the first frame of a new shot at once, between samples (SKEM).
        speculation: How many coming samples are at most compared with the latest keyframe in one batch. What lies
            behind a new keyframe was compared in vain. More than one delays each choice and holds frames; the
            keyframes stay the same (SKEM).
        rescore_band: A divergence this close to the threshold is measured again alone, since a batch may round
            differently (SKEM with speculation).
        turn: Only samples at which the look of the picture turns are compared, where the captioner can tell: unlikeness
            of the samples before and behind, 0 to 2; 0 compares every sample. Choices wait for 1.5 s then. See
            :mod:`~lgvsc.semantics.turns` (SKEM).
        skip_still: Leave out frames whose pixels and flow say that nothing has changed (SKEM).
        planned: First frames of segments that were settled beforehand, in pieces that share a budget; a budget's
            planner writes them, see :mod:`lgvsc.planning_trials` (SKEM).
        planned_until: Up to this frame the plan decides, from there on the threshold (SKEM).
        marked: Keyframes of a video in which pictures come or go, and evenly between; a first look at a file writes
            them where there is no budget, see :mod:`~lgvsc.semantics.stretches` (SKEM). The judge adds others.
        marked_until: Up to this frame the first look has come.
        mean_spacing_frames: Keyframes are at least so far apart on average, the closing one included, so that a picture
            that shakes or flickers does not run away with the channel; 0 takes them as they come (SKEM). See
            :class:`Spacing`.

    Source: Ma et al. 2026 (arXiv:2606.12899), sections II-C and III-B.
    """

    method: Literal["skem", "skim"] = "skem"
    threshold: float = 0.35
    focus: Focus = "general"
    sample_fps: float = 4.6
    segments: int = 4
    interval: int = 0
    interval_s: float = 0.0
    min_segment_frames: int = 1
    max_segment_frames: int = 240
    snap_to_cuts: bool = True
    speculation: int = 1
    rescore_band: float = 0.01
    turn: float = 0.0
    skip_still: bool = False
    planned: tuple[tuple[int, ...], ...] = ()
    planned_until: int = 0
    marked: tuple[int, ...] = ()
    marked_until: int = 0
    mean_spacing_frames: int = 0

    def __post_init__(self) -> None:
        if self.method not in ("skem", "skim"):
            raise ConfigError(f"keyframes.method is {self.method!r}; there are 'skem' and 'skim'")
        if not -1 < self.threshold < 1:
            raise ConfigError(
                f"keyframes.threshold is {self.threshold}, but the divergence lies in (-1, 1); the paper uses 0.35"
            )
        if self.focus not in FOCUSES:
            raise ConfigError(f"keyframes.focus is {self.focus!r}; there are {', '.join(FOCUSES)}")
        if not 0 <= self.sample_fps < float("inf"):
            raise ConfigError(f"keyframes.sample_fps is {self.sample_fps}; give a rate, or 0 for every frame")
        if self.segments < 1:
            raise ConfigError(f"keyframes.segments is {self.segments}; a video has at least one")
        if self.interval < 0:
            raise ConfigError(f"keyframes.interval is {self.interval}; give frames per segment, or 0")
        if not 0 <= self.interval_s < float("inf") or (self.interval and self.interval_s):
            raise ConfigError(
                f"keyframes.interval_s is {self.interval_s} and interval is {self.interval}; give one of them, "
                "in seconds or in frames"
            )
        if not 1 <= self.min_segment_frames <= self.max_segment_frames <= MAX_LENGTH:
            raise ConfigError(
                f"keyframes.min_segment_frames is {self.min_segment_frames} and max_segment_frames is "
                f"{self.max_segment_frames}; 1 <= min <= max <= {MAX_LENGTH} must hold"
            )
        if not 1 <= self.speculation <= MAX_SPECULATION:
            raise ConfigError(f"keyframes.speculation is {self.speculation}; give 1 to {MAX_SPECULATION} samples")
        if not 0 <= self.turn < 2:
            raise ConfigError(f"keyframes.turn is {self.turn}; give an unlikeness from 0 up to 2, 0 for every sample")
        if self.mean_spacing_frames < 0:
            raise ConfigError(f"keyframes.mean_spacing_frames is {self.mean_spacing_frames}; give frames, or 0")
        if not 0 <= self.rescore_band < 1:
            raise ConfigError(f"keyframes.rescore_band is {self.rescore_band}; give a divergence from 0 up to 1")

    def opens(self, index: int, divergence: float | None) -> bool:
        """Whether a segment begins at a frame that SKEM looks at, by the plan or by the divergence."""
        if index < self.planned_until:
            return any(index in piece for piece in self.planned)
        return divergence is not None and (divergence > self.threshold or index == self.planned_until > 0)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A frame and what was decided about it.

    Attributes:
        frame: The frame.
        keyframe: Whether a segment begins here.
        cut: Whether a new shot begins here. SKEM may find that it shows the same thing.
        divergence: From the keyframe before it; ``None`` where nobody looked.
        seen: What part the frame plays where a picture comes or goes; see :mod:`~lgvsc.semantics.passages`.
    """

    frame: Frame
    keyframe: bool
    cut: bool
    divergence: float | None = None
    seen: Sighting | None = None

    @property
    def looked_at(self) -> bool:
        """Whether it was compared with the keyframe before it, or its look with that of its neighbours."""
        return self.divergence is not None or (self.seen is not None and self.seen.turn is not None)

    @property
    def passing(self) -> bool:
        """Whether the frame shows a flash or a fade, and nothing of what lies before and after."""
        return self.seen is not None and self.seen.role == "passing"


def choose_keyframes(
    frames: Iterable[Frame],
    video: VideoFormat,
    config: KeyframeConfig,
    score: Scorer,
    is_cut: Callable[[Frame], bool] | None = None,
) -> Iterator[Choice]:
    """One choice for each frame, in order, each made when the next frame is there, unless SKEM speculates.

    Where something passes, a flash or a fade, choices wait until it is known what comes of it, at most for 2 s; with
    ``config.turn`` always for the next seven samples, where ``score`` is one of :class:`~.turns.ScoresTurns`.

    The last frame of a video is its (N+1)-th keyframe. Only the end of ``frames`` tells which one that is, so
    it is left to whoever reads the choices.

    Args:
        frames: The video, from index 0 on; read once. The latest keyframe is held, and with ``config.speculation``
            the frames up to so many samples ahead.
        video: Its rate (SKEM) and length (SKIM). The length need not be exact.
        config: Method and settings.
        score: Divergence of a keyframe and each candidate, in (-1, 1); called by SKEM only.
        is_cut: Whether a frame begins a new shot; called once for each frame. ``None``: a new ``CutDetector``.

    Raises:
        ConfigError: SKIM by number of segments, but the length of the video is not known.
    """
    seen = sightings(frames, video, is_cut or CutDetector())
    if config.method == "skem" and config.turn and isinstance(score, ScoresTurns):
        looks, evenly = partial(looked_at, video=video), replace(config, snap_to_cuts=False)
        seen = mark_turns(
            seen, partial(looks, config=evenly), partial(looks, config=config), score.look_of, config.turn
        )
        score = score.at_turns
    return skim(seen, video, config) if config.method == "skim" else skem(seen, video, config, score)


def skem(frames: Iterable[Sighting], video: VideoFormat, config: KeyframeConfig, score: Scorer) -> Iterator[Choice]:
    """Compare each sampled frame with the latest keyframe; where they diverge, it becomes the next keyframe.

    Candidates that turn out to lie behind a new keyframe are compared again with that one, so any
    ``config.speculation`` makes the same keyframes. The first batch of a segment looks half as far again as the last
    segment was long, later ones twice as far as the one before, so that little is compared in vain where keyframes
    are close together.

    Source: Ma et al. 2026, section II-C2. Ours are the samples that snap to cuts, the keyframes where pictures come and
    go, the bounds on length, and batches.
    """
    ahead, spacing = Lookahead(frames, video, config), Spacing(video, config)
    opening = next(ahead, None)
    if opening is None:
        return
    keyframe = opening.frame
    spacing.take(opening)
    yield Choice(keyframe, True, opening.cut, seen=opening.sighting)
    width, compared = config.speculation, 0  # candidates of the next batch, and those of this segment so far
    while window := ahead.window(keyframe, width):
        candidates = [seen.frame for seen in window if seen.compared_with(keyframe, config)]
        scores = dict(zip(candidates, score(keyframe, candidates), strict=True)) if candidates else {}
        for seen in window:
            frame, divergence = seen.frame, scores.get(seen.frame)
            planned = frame.index < config.planned_until
            near = divergence is not None and abs(divergence - config.threshold) < config.rescore_band and not planned
            if near and len(candidates) > 1:
                (divergence,) = score(keyframe, [frame])
            longest = frame.index - keyframe.index >= config.max_segment_frames
            if planned or longest:
                chosen = longest or config.opens(frame.index, divergence)
            elif config.opens(frame.index, divergence) and spacing.is_due(seen):
                chosen = True
            elif frame.index < config.marked_until:
                chosen = frame.index in config.marked
            else:
                chosen = seen.comes_or_goes(keyframe, video, config) and spacing.has_room(seen)
            next(ahead)
            compared += divergence is not None
            if chosen:
                width = min(config.speculation, max(1, compared + compared // 2))
                keyframe, compared = frame, 0
                spacing.take(seen)
            yield Choice(frame, chosen, seen.cut, divergence, seen.sighting)
            if chosen:
                break
        else:
            width = min(config.speculation, 2 * width)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A frame that was read, and whether SKEM looks at it."""

    sighting: Sighting
    sampled: bool

    @property
    def frame(self) -> Frame:
        return self.sighting.frame

    @property
    def cut(self) -> bool:
        return self.sighting.cut

    def compared_with(self, keyframe: Frame, config: KeyframeConfig) -> bool:
        looked = self.sampled and self.sighting.turn is not False
        return looked and self.frame.index - keyframe.index >= config.min_segment_frames

    def comes_or_goes(self, keyframe: Frame, video: VideoFormat, config: KeyframeConfig) -> bool:
        """Whether it is a keyframe whatever it shows: the first of a picture that has come, or the last before it goes.

        The last one is none where the keyframe lies close before it, nor before a jump where it shows the same already.
        Before a fade it is, as the fade must not begin at the keyframe.
        """
        role, away = self.sighting.role, self.frame.index - keyframe.index
        if away < config.min_segment_frames:
            return False
        if role == "departure" and self.sighting.bare:
            return away > SHORT
        if role == "departure":
            return away > HELD_S * video.fps and (
                self.sighting.fades or not is_same(keyframe.pixels, self.frame.pixels)
            )
        return role in ("arrival", "bend")


class Spacing:
    """Whether there may be another keyframe yet, by ``mean_spacing_frames``.

    Keyframes by meaning come due one by one, wherever in the video, a little farther apart, since words come with each.
    Pictures that come or go may use up early what the first seconds are allowed; one that goes leaves one for each that
    comes: before a flash for the flash and for the scene behind it, and it is the one that gives way where there is no
    room for all. A bare picture costs next to nothing, but its segment costs words and
    numbers: there may be as many of them as of others, counted by themselves. Marked ones have their room, and the
    judge what they leave of it.
    """

    def __init__(self, video: VideoFormat, config: KeyframeConfig) -> None:
        self._each = config.mean_spacing_frames
        self._opening = OPENING_S * float(video.fps)
        self._marked, self._until = config.marked, config.marked_until
        self._taken = self._bare = 0

    def take(self, seen: Seen) -> None:
        self._taken += not seen.sighting.bare
        self._bare += seen.sighting.bare

    def has_room(self, seen: Seen) -> bool:
        """Whether a picture that comes or goes may be one."""
        if not self._each:
            return True
        if seen.sighting.bare:
            return self._bare < self.allowed(seen.frame.index + 1)
        with_closing = self._taken + 2 + seen.sighting.announces
        return with_closing <= self.allowed(seen.frame.index + 1)

    def allowed(self, frames: int) -> int:
        """How many a video of so many frames may have, the closing one included."""
        return max(frames // self._each, ceil(self._opening / self._each))

    def is_due(self, seen: Seen) -> bool:
        """Whether one by meaning may."""
        each, index = BY_MEANING * self._each, seen.frame.index
        marks = len(self._marked) - bisect_right(self._marked, index)
        if marks and self._marked[-marks] - index < each and not seen.cut:
            return False
        ends = self._until if index < self._until else index + 1
        return (self._taken - EARLY) * each <= index and (self._taken + marks + 2) * each <= max(ends, self._opening)


class Lookahead:
    """Frames in order, of which as many may be seen before their turn as a batch of candidates needs."""

    def __init__(self, frames: Iterable[Sighting], video: VideoFormat, config: KeyframeConfig) -> None:
        self._frames, self._video, self._config = iter(frames), video, config
        self._waiting: deque[Seen] = deque()

    def __iter__(self) -> Iterator[Seen]:
        return self

    def __next__(self) -> Seen:
        return self._waiting.popleft() if self._waiting else self._read()

    def window(self, keyframe: Frame, width: int) -> list[Seen]:
        """The frames up to the last of ``width`` candidates, seen but not taken.

        It ends early where a segment must end anyway, and at once at a frame about which there is nothing to ask, so
        that a batch of one reads no frame before its turn.
        """
        window: list[Seen] = []
        candidates = 0
        while True:
            if len(window) == len(self._waiting):
                try:
                    self._waiting.append(self._read())
                except StopIteration:
                    return window
            seen = self._waiting[len(window)]
            window.append(seen)
            candidates += seen.compared_with(keyframe, self._config)
            full = candidates == width
            if not candidates or full or seen.frame.index - keyframe.index >= self._config.max_segment_frames:
                return window

    def _read(self) -> Seen:
        seen = next(self._frames)
        return Seen(seen, looked_at(seen, self._video, self._config))


def skim(frames: Iterable[Sighting], video: VideoFormat, config: KeyframeConfig) -> Iterator[Choice]:
    """Make every ``l``-th frame a keyframe, whatever it shows.

    A video that turns out longer than announced gets a longer last segment, rather than one more of a frame or two.

    Source: Ma et al. 2026, section II-C1.
    """
    length, count = skim_lengths(video, config)
    start = 0
    for seen in frames:
        frame = seen.frame
        due = frame.index % length == 0 and (count is None or frame.index // length < count)
        chosen = due or frame.index - start >= config.max_segment_frames
        if chosen:
            start = frame.index
        yield Choice(frame, chosen, seen.cut, seen=seen)


def skim_lengths(video: VideoFormat, config: KeyframeConfig) -> tuple[int, int | None]:
    """Frames per segment, ``ceil(F / N)`` or the interval, and how many segments that makes where it is known."""
    interval = config.interval or round(config.interval_s * video.fps)
    if config.interval or config.interval_s:
        return min(max(1, interval), config.max_segment_frames), None
    if video.frames is None:
        raise ConfigError(
            f"SKIM cannot divide a video of unknown length into {config.segments} segments; "
            "set keyframes.interval to the frames of one segment"
        )
    length = min(-(-video.frames // config.segments), config.max_segment_frames)
    return max(1, length), max(1, -(-video.frames // max(1, length)))


def looked_at(seen: Sighting, video: VideoFormat, config: KeyframeConfig) -> bool:
    """Whether SKEM looks at a frame: the first one in its sampling period, or of a shot, or in a new light.

    Nobody looks at what only passes.
    """
    index = seen.frame.index
    if seen.role in ("passing", "bend"):
        return False
    if (seen.cut and config.snap_to_cuts) or seen.role == "settled":
        return True
    if config.sample_fps == 0 or config.sample_fps >= video.fps or index == 0:
        return True
    per_frame = config.sample_fps / float(video.fps)  # periods are counted from the start of the video
    return int(index * per_frame) > int((index - 1) * per_frame)
