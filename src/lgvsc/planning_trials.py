"""Number, place and quality of keyframes, tried out: a transmitter has what the receiver will make frames with.

A video is planned in pieces of a few seconds, each within its own share of the budget. For each piece

1. every segment between two places is interpolated at a small size and compared with what was there; for each number
   of segments the places that come off best follow (dynamic programming over the places where SKEM looks);
2. for a few numbers of segments keyframes are coded in the symbols that each would get, sent through noise of the
   SNR believed in, decoded and interpolated between; what comes out is measured for what the objective asks:
   ``structure`` by MS-SSIM, ``look`` by LPIPS (AlexNet);
3. as many segments, or the next lower number, where SKEM would begin them are tried as well, and taken where they
   are as good.

Times are bounded: places grow with the sampling rate of SKEM, numbers with the logarithm of what the budget allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lgvsc.coding.budget import MAX_KEYFRAME_CBR, MIN_KEYFRAME_CBR, Objective, bare_symbols
from lgvsc.core.ahead import at_once
from lgvsc.core.interfaces import Conditions
from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Frame, Pixels, VideoFormat
from lgvsc.metrics.lpips import lpips_alexnet
from lgvsc.metrics.ssim import MIN_MS_SSIM_SIDE, MIN_SSIM_SIDE, ms_ssim_and_ssim, ssim
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.keyframes import KeyframeConfig, Scorer, looked_at, skem
from lgvsc.semantics.passages import Sighting, sightings
from lgvsc.world.backends.compact.between import resized
from lgvsc.world.backends.compact.interpolation import views

PIECE_S = 4.0  # planned at once; also the longest that a keyframe stands for
PLACE_SIDE = 64  # short side at which places are compared
TRIAL_SIDE = MIN_MS_SSIM_SIDE  # and at which whole plans are
LOOKS = {"structure": 1, "look": 2}  # one measured frame in so many counts; LPIPS takes ten times as long
NUMBERS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27)  # of segments of a piece
AS_GOOD = 0.003  # a plan by meaning may measure so much worse than one by trials
MIN_LPIPS_SIDE = 31

Code: TypeAlias = Callable[[Pixels, int], Pixels | None]  # a picture and its symbols, to what arrives of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Economy:
    """What may be spent, and what it buys.

    Attributes:
        symbols_per_frame: The budget.
        segment_symbols: What a segment sends besides its picture.
        code: What arrives of a picture sent in so many symbols; ``None`` where it cannot be sent.
        objective: What a plan is measured by.
    """

    symbols_per_frame: float
    segment_symbols: float
    code: Code
    objective: Objective


@dataclass(frozen=True, slots=True)
class PiecePlan:
    """How a piece is to be divided.

    Attributes:
        starts: First frames of its segments.
        stop: The frame behind it.
        keyframe_cbr: What each picture may cost.
        quality: Predicted: MS-SSIM, or one less LPIPS.
        by_meaning: Whether the places are SKEM's own.
    """

    starts: tuple[int, ...]
    stop: int
    keyframe_cbr: float
    quality: float
    by_meaning: bool


@dataclass(eq=False)
class Piece:
    """A few seconds of video, as far as planning needs them.

    Attributes:
        places: Frames where a segment may begin, and at the end the frame that follows the piece, or the last one.
        seen: The same, and what part they play where pictures come and go.
        small: What is measured, by index: at the small size and at the one of trials.
        cuts: First frames of new shots.
        closing: Whether the video ends here, and sends its last frame too.
    """

    seen: list[Sighting] = field(default_factory=list)
    small: dict[int, tuple[Pixels, Pixels]] = field(default_factory=dict)
    cuts: set[int] = field(default_factory=set)
    closing: bool = False

    @property
    def places(self) -> list[Frame]:
        return [one.frame for one in self.seen]

    def add(self, one: Sighting, *, place: bool) -> None:
        frame = one.frame
        if one.cut or one.breaks:
            self.cuts.add(frame.index)
        if place:
            self.seen.append(one)
        picture = frame.pixels
        placing = resized(picture, size_of(picture, PLACE_SIDE))
        self.small[frame.index] = placing, resized(picture, size_of(picture, TRIAL_SIDE))


def plan_pieces(
    frames: Iterable[Frame], video: VideoFormat, keyframes: KeyframeConfig, economy: Economy, score: Scorer | None
) -> Iterator[PiecePlan]:
    """A plan for each piece, in order, each as soon as the piece has been read.

    Args:
        frames: The video or its beginning, from index 0 on; read once. Only those of a piece that matter are held.
        video: Its rate and size.
        keyframes: Where SKEM looks.
        economy: What may be spent.
        score: Divergences, for places by meaning; ``None``: by trials alone.
    """
    for piece in pieces(frames, video, keyframes):
        yield plan_piece(piece, video, keyframes, economy, score)


def pieces(frames: Iterable[Frame], video: VideoFormat, keyframes: KeyframeConfig) -> Iterator[Piece]:
    """The video in parts of about equal length, none much longer than :data:`PIECE_S`."""
    length = max(1, min(round(PIECE_S * video.fps), keyframes.max_segment_frames))
    if video.frames:
        length = -(-video.frames // -(-video.frames // length))
    finer = replace(keyframes, sample_fps=2 * keyframes.sample_fps)  # between the places frames are measured, too
    piece, latest = Piece(), None
    for one in sightings(frames, video, CutDetector()):
        index = one.frame.index
        place = looked_at(one, video, keyframes) or one.role in ("departure", "bend", "arrival")
        if place and piece.seen and index - piece.seen[0].frame.index >= length:
            piece.add(one, place=True)
            yield piece
            piece = Piece()
        if place or looked_at(one, video, finer) or one.role == "passing":
            piece.add(one, place=place)
        latest = one
    if latest is None:
        return
    if not piece.seen or latest is not piece.seen[-1]:
        piece.add(latest, place=True)
    piece.closing = True
    if len(piece.seen) > 1:
        yield piece


def plan_piece(
    piece: Piece, video: VideoFormat, keyframes: KeyframeConfig, economy: Economy, score: Scorer | None
) -> PiecePlan:
    """The best of the plans that were tried."""
    trial = Trial(piece, video, economy)
    tried: dict[int, float] = {}
    numbers = [number for number in NUMBERS if number < len(piece.places) and trial.affords(number)] or [1]
    placed = trial.best_places(numbers[-1])

    def quality(number: int) -> float:
        if number not in tried:
            tried[number] = trial.quality(placed[number])
        return tried[number]

    at = min(len(numbers) - 1, 3)
    while True:  # uphill, from the middle
        around = [near for near in (at, at - 1, at + 1) if 0 <= near < len(numbers)]
        best = max(around, key=lambda near: quality(numbers[near]))
        if best == at:
            break
        at = best
    number = numbers[at]
    places, worth, by_meaning = placed[number], tried[number], False
    even = trial.even_places(number)
    if even != places and (found := trial.quality(even)) > worth:
        places, worth = even, found
    if score is not None and number > 1:
        meant = by_divergence(piece, video, keyframes, score, number)
        if meant and (found := trial.quality(meant)) >= worth - AS_GOOD:
            places, worth, by_meaning = meant, found, True
    starts = tuple(piece.places[place].index for place in places[:-1])
    stop = piece.places[-1].index + piece.closing
    return PiecePlan(starts, stop, trial.keyframe_symbols(len(starts)) / trial.volume, worth, by_meaning)


class Trial:
    """Plans of one piece, carried out as far as it takes to measure them. Places are numbers of ``piece.places``."""

    def __init__(self, piece: Piece, video: VideoFormat, economy: Economy) -> None:
        self._piece, self._economy = piece, economy
        self.volume = 3 * video.height * video.width
        self._frames = piece.places[-1].index - piece.places[0].index + piece.closing
        self._coded: dict[tuple[int, int], Pixels | None] = {}
        self._seen: dict[int, list[Tensor]] = {}  # of the source, by LPIPS
        self._sizes = size_of(piece.places[0].pixels, PLACE_SIDE), size_of(piece.places[0].pixels, TRIAL_SIDE)
        self._formats = tuple(
            VideoFormat(height=size[0], width=size[1], fps=video.fps, frames=video.frames) for size in self._sizes
        )

    # What it costs

    def keyframe_symbols(self, segments: int) -> int:
        """What each picture may cost, within what is useful."""
        return round(min(max(self._share(segments), MIN_KEYFRAME_CBR * self.volume), MAX_KEYFRAME_CBR * self.volume))

    def affords(self, segments: int) -> bool:
        """Whether the pictures of so many segments would not be below the least that says anything."""
        return self._share(segments) >= MIN_KEYFRAME_CBR * self.volume

    def _share(self, segments: int) -> float:
        """What is left of the budget for each picture."""
        seen = self._piece.seen
        bare = seen[0].bare + (self._piece.closing and seen[-1].bare)  # of the pictures that every plan has
        left = self._economy.symbols_per_frame * self._frames - segments * self._economy.segment_symbols
        pictures = segments + self._piece.closing
        bare = bare if bare < pictures else 0
        return (left - bare * bare_symbols(self.volume)) / (pictures - bare)

    # Where segments begin

    def best_places(self, most: int) -> dict[int, tuple[int, ...]]:
        """For each number of segments up to ``most``, the places that interpolate best; both ends included."""
        count = len(self._piece.places)
        cost = self._costs()
        total = np.full((most + 1, count), np.inf)
        total[0, 0] = 0.0
        came = np.zeros((most + 1, count), int)
        for number in range(1, most + 1):
            for last in range(number, count):
                through = total[number - 1, :last] + cost[:last, last]
                came[number, last] = int(through.argmin())
                total[number, last] = through.min()
        found = {}
        for number in range(1, most + 1):
            places = [count - 1]
            for left in range(number, 0, -1):
                places.append(int(came[left, places[-1]]))
            found[number] = tuple(reversed(places))
        return found

    def even_places(self, number: int) -> tuple[int, ...]:
        """The places nearest to equal segments, as SKIM has them; both ends included."""
        indices = np.array([frame.index for frame in self._piece.places])
        wanted = np.linspace(indices[0], indices[-1], number + 1)
        return tuple(sorted({int(np.abs(indices - one).argmin()) for one in wanted}))

    def _costs(self) -> NDArray[np.float64]:
        """What is lost between each two places, summed over the frames that are measured."""
        count = len(self._piece.places)
        cost = np.full((count, count), np.inf)
        for first in range(count):
            for last in range(first + 1, count):
                ends = self._piece.places[first].index, self._piece.places[last].index
                a, b = (self._piece.small[end][0] for end in ends)
                cost[first, last] = sum(
                    dissimilarity(self._piece.small[index][0], shown)
                    for index, shown in self._made(*ends, a, b, 0, self._between(*ends))
                )
        return cost

    # How good a plan is

    def quality(self, places: Sequence[int]) -> float:
        """Mean over the frames measured: MS-SSIM, or one less LPIPS, of a plan with its keyframes coded."""
        symbols = self.keyframe_symbols(len(places) - 1)
        pictures = at_once(*(partial(self._sent, self._piece.places[place], symbols) for place in places), most=2)
        values: list[float] = []
        for (first, a), (last, b) in pairwise(zip(places, pictures, strict=True)):
            if a is None or b is None:
                return 0.0
            start, stop = self._piece.places[first].index, self._piece.places[last].index
            values.append(self._likeness(start, a))
            some = self._between(start, stop)[:: LOOKS[self._economy.objective]]
            values += [self._likeness(index, shown) for index, shown in self._made(start, stop, a, b, 1, some)]
        return float(np.mean(values))

    def _sent(self, frame: Frame, symbols: int) -> Pixels | None:
        """What arrives of a keyframe, at the size of trials."""
        key = frame.index, symbols
        if key not in self._coded:
            arrived = self._economy.code(frame.pixels, symbols)
            self._coded[key] = None if arrived is None else resized(arrived, self._sizes[1])
        return self._coded[key]

    def _likeness(self, index: int, shown: Pixels) -> float:
        source = self._piece.small[index][1]
        side = min(source.shape[:2])
        if self._economy.objective == "look" and side >= MIN_LPIPS_SIDE:
            with torch.inference_mode():
                measure = lpips_alexnet("cpu")
                if index not in self._seen:
                    self._seen[index] = measure.seen(2 * as_batch(source) - 1)
                return 1 - float(measure.apart(self._seen[index], measure.seen(2 * as_batch(shown) - 1)))
        return 1 - dissimilarity(source, shown)

    def _between(self, start: int, stop: int) -> list[int]:
        """The frames between two others that can be measured."""
        return [index for index in self._piece.small if start < index < stop]

    def _made(
        self, start: int, stop: int, first: Pixels, last: Pixels, size: int, wanted: Sequence[int]
    ) -> Iterator[tuple[int, Pixels]]:
        """Frames between two pictures, as a receiver would make them."""
        cut = max((cut for cut in self._piece.cuts if start < cut <= stop), default=None)
        return made_between(self._formats[size], start, stop, first, last, cut, wanted)


def made_between(
    video: VideoFormat, start: int, stop: int, first: Pixels, last: Pixels, cut: int | None, wanted: Sequence[int]
) -> Iterator[tuple[int, Pixels]]:
    """Frames of a segment between two pictures, as a receiver would make them; ``cut`` is its latest new shot."""
    if not wanted:
        return
    shown = views(
        Conditions(
            video=video,
            start=start,
            stop=stop,
            first=first,
            last=last,
            last_index=stop,
            caption=None,
            motion=None,
            cut=cut,
            latent_frames=stop - start,
            seed=0,
        )
    )
    for index in wanted:
        yield index, shown(index).mixed


def by_divergence(
    piece: Piece, video: VideoFormat, keyframes: KeyframeConfig, score: Scorer, number: int
) -> tuple[int, ...] | None:
    """Where SKEM itself begins so many segments, or the most below that which a threshold makes; ``None``: one."""
    known: dict[tuple[int, int], float | None] = {}

    def remembered(keyframe: Frame, candidates: Sequence[Frame]) -> list[float | None]:
        new = [frame for frame in candidates if (keyframe.index, frame.index) not in known]
        if new:
            found = score(keyframe, new)
            known.update(((keyframe.index, f.index), value) for f, value in zip(new, found, strict=True))
        return [known[keyframe.index, frame.index] for frame in candidates]

    low, high = -0.99, 0.99
    inside = piece.seen[:-1]
    found: tuple[int, ...] | None = None
    for _ in range(8):
        threshold = (low + high) / 2
        setting = replace(
            keyframes, method="skem", threshold=threshold, sample_fps=0.0, speculation=1, mean_spacing_frames=0
        )
        choices = skem(inside, video, setting, remembered)
        places = [place for place, choice in enumerate(choices) if choice.keyframe]
        if len(places) > number:
            low = threshold
            continue
        high = threshold
        if len(places) > 1:
            found = (*places, len(piece.places) - 1)
        if len(places) == number:
            break
    return found


def dissimilarity(source: Pixels, shown: Pixels) -> float:
    """One less MS-SSIM; SSIM where the picture is too small for it, or the mean error where it is for that too."""
    side = min(source.shape[:2])
    if side >= MIN_MS_SSIM_SIDE:
        return 1 - ms_ssim_and_ssim(source, shown)[0]
    if side >= MIN_SSIM_SIDE:
        return 1 - ssim(source, shown)
    return float(np.abs(source.astype(np.float32) - shown).mean()) / 255


def size_of(picture: Pixels, side: int) -> tuple[int, int]:
    """Height and width with a short side of so many pixels; never enlarged."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / min(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
