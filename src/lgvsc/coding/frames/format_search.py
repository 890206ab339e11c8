"""The best coded form of a group of pictures within so many bytes: size, frame rate and quantiser, found by trying.

A fast preset judges formats at about the right rate, climbing from the previous group's format; the usual preset then
finds the quantiser that fills the budget. The first group of a video takes up to 9 formats with one or two
fast codings each, later groups up to 3; both end with up to 6 codings at the usual preset, 3 as a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log2
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from lgvsc.coding.frames.elementary import CodecName
from lgvsc.coding.frames.formats import Format, Gop, beside, likely_format, middle_of_step, picture_at, picture_count
from lgvsc.coding.frames.standard_codec import (
    ANALYSIS_PRESETS,
    COARSEST,
    CodedGop,
    DecodedPicture,
    Quantiser,
    decode_gop,
    encode_gop,
    to_rgb,
)
from lgvsc.core.ahead import ahead
from lgvsc.core.video import Pixels
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.ssim import MIN_SSIM_SIDE, ssim

Objective: TypeAlias = Literal["ssim", "psnr"]
Between: TypeAlias = Callable[[Pixels, Pixels, float], Pixels]  # two pictures, and when between them: from 0 to 1

FILLED = 0.97  # of the bytes allowed is full enough
USUAL_SLOPE = 1 / 7  # first guess of the octaves by which the rate falls with each step of CRF
STEEPEST = 0.4
FINEST = 10.0
GRAIN = 0.25  # of CRF, the least that SVT-AV1 tells apart
VVC_GRAIN = 1.0
GAIN_PER_OCTAVE: dict[Objective, float] = {"ssim": 0.06, "psnr": 2.0}  # first guess of what twice the rate gives
NEVER = -1000.0
FEWER_PIXELS = 0.7  # bytes go with the number of pixels to this power, at the same quantiser


class Effort(NamedTuple):
    """How hard a search tries.

    Attributes:
        first_trials, later_trials: Formats that are tried, for the first group and for each one after it.
        fits: Codings that look for the quantiser, at most.
        trial_preset, preset: Of the encoder, for trials and for what is sent; ``None``: the usual ones.
        saved: Octaves by which what is sent is smaller than trials say, as a rule.
    """

    first_trials: int = 9
    later_trials: int = 3
    fits: int = 6
    trial_preset: str | None = None
    preset: str | None = None
    saved: float = 0.0


USUAL = Effort()


@dataclass(frozen=True, slots=True, eq=False)
class FormatChoice:
    """What the search settled on."""

    format: Format
    quantiser: Quantiser
    coded: CodedGop
    codings: int


class FormatSearch:
    """Finds the coded form of each group of pictures of one video, beginning at what the one before settled on.

    Args:
        codec: Name of the standard.
        objective: What is made as large as possible, at the size and rate of the source: the mean SSIM of every
            seventh frame over R, G and B, or its mean PSNR.
        between: What the receiver shows between two coded pictures, about; ``None``: it holds the nearer one.
        effort: How hard it tries.
    """

    def __init__(
        self,
        codec: CodecName,
        objective: Objective = "ssim",
        between: Between | None = None,
        effort: Effort = USUAL,
    ) -> None:
        self._codec = codec
        self._objective = objective
        self._between = between
        self._effort = effort
        self._previous: _Settled | None = None
        self._groups = 0

    def best(self, gop: Gop, max_bytes: int) -> FormatChoice | None:
        """The best coded form of at most ``max_bytes``; ``None`` where not even the coarsest one is that small."""
        return self.filled(self.draft(gop, max_bytes))

    def draft(self, gop: Gop, max_bytes: int) -> Draft:
        """The best format for ``max_bytes``, found by fast codings that take about so many."""
        trials = self._trials(gop, max_bytes)
        steps_first = self._groups % 2 == 1  # with few trials, the two directions take turns
        if before := self._previous:
            crf = before.crf + log2(before.rate / trials.rate) / before.slope
            found = trials.climb(before.format, crf, before.slope, self._effort.later_trials, steps_first)
        else:
            start, crf = likely_format(gop, max_bytes), COARSEST[self._codec] - 10
            found = trials.climb(start, crf, USUAL_SLOPE, self._effort.first_trials, steps_first)
        self._groups += 1
        self._previous = _Settled(found.format, found.crf, found.slope, trials.rate)
        return Draft(found, trials)

    def draft_in(self, format: Format, gop: Gop, like: Draft) -> Draft:
        """The same in a given format, of another draft's bytes."""
        trials = self._trials(gop, like.trials.max_bytes)
        return Draft(trials.tried(format, like.trial.crf, like.trial.slope), trials)

    def filled(self, draft: Draft) -> FormatChoice | None:
        """A draft coded as it is to be sent, within its bytes; coarser where it must be, ``None`` where it cannot."""
        found: _Trial | None = draft.trial
        while found is not None:
            choice = self._filled(found, draft.trials)
            if choice is not None:
                self._previous = _Settled(choice.format, choice.quantiser.value, found.slope, draft.trials.rate)
                return choice
            found = draft.trials.coarser(found)
        return None

    def _trials(self, gop: Gop, max_bytes: int) -> _Trials:
        preset = self._effort.trial_preset or ANALYSIS_PRESETS[self._codec]
        return _Trials(self._codec, self._objective, gop, max_bytes, self._between, preset)

    def _filled(self, trial: _Trial, trials: _Trials) -> FormatChoice | None:
        """Code at the usual preset, with the finest quantiser that fits: secant steps, kept within what is known."""
        pictures, max_bytes = trials.gop.pictures(trial.format), trials.max_bytes
        grain = VVC_GRAIN if self._codec == "vvc" else GRAIN
        too_fine, fits = FINEST - grain, COARSEST[self._codec] + grain  # both yet to be coded
        sizes: dict[float, int] = {}
        best: FormatChoice | None = None
        crf = trial.crf - self._effort.saved / trial.slope
        for _ in range(self._effort.fits):
            crf = min(max(round(crf / grain) * grain, too_fine + grain), fits - grain)
            if crf <= too_fine:
                break  # between the two there is nothing
            coded = encode_gop(self._codec, pictures, Quantiser(crf), self._effort.preset)
            trials.codings += 1
            sizes[crf] = len(coded.payload)
            if sizes[crf] > max_bytes:
                too_fine = crf
            else:
                best, fits = FormatChoice(trial.format, Quantiser(crf), coded, trials.codings), crf
                if sizes[crf] >= FILLED * max_bytes:
                    break
            crf = _next_crf(sizes, max_bytes * (1 + FILLED) / 2, trial.slope)
        return best


class _Settled(NamedTuple):
    """What a group was coded in, and in how many bytes for each frame; the next group begins there."""

    format: Format
    crf: float
    slope: float
    rate: float


@dataclass(frozen=True, slots=True)
class _Trial:
    """A format that was tried with the fast preset."""

    format: Format
    crf: float  # at which it takes the bytes allowed
    score: float  # there; below NEVER where it cannot be so small
    coded: FormatChoice | None = None  # the coding that was nearest to that
    octaves: float = 0.0  # by which that one is larger than it may be
    slope: float = USUAL_SLOPE  # octaves by which the rate falls with each step of CRF


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A format and about its quantiser, from fast codings of a group."""

    trial: _Trial
    trials: _Trials

    @property
    def format(self) -> Format:
        """Size and step."""
        return self.trial.format

    @property
    def fits(self) -> bool:
        """Whether it can be so small."""
        return self.trial.score > NEVER

    @property
    def octaves(self) -> float:
        """By how much the coding at hand is larger than it may be."""
        return self.trial.octaves

    @property
    def coded(self) -> FormatChoice:
        """The fast coding that came nearest to the bytes allowed, above or below them."""
        assert self.trial.coded is not None
        return self.trial.coded


class _Trials:
    """Formats tried on one group of pictures."""

    def __init__(
        self,
        codec: CodecName,
        objective: Objective,
        gop: Gop,
        max_bytes: int,
        between: Between | None,
        preset: str,
    ) -> None:
        self._codec, self._objective, self.gop, self.max_bytes = codec, objective, gop, max_bytes
        self._between, self._preset = between, preset
        self._tried: dict[Format, _Trial] = {}
        self.codings = 0

    @property
    def rate(self) -> float:
        """Bytes allowed for each frame of the group."""
        return self.max_bytes / len(self.gop)

    def climb(self, start: Format, crf: float, slope: float, trials: int, steps_first: bool) -> _Trial:
        """Go from format to better format, in one direction at a time, until none beside it is better."""
        best = self.tried(start, crf, slope)
        better = True
        while better:
            better = False
            for along_steps in (steps_first, not steps_first):
                for direction in (1, -1):
                    while (format := beside(best.format, along_steps, direction)) and len(self._tried) < trials:
                        if format in self._tried:
                            break
                        trial = self.tried(format, self._likely_crf(best, format), best.slope)
                        if trial.score <= best.score:
                            break
                        best, better = trial, True
        return best

    def coarser(self, trial: _Trial) -> _Trial | None:
        """A format with fewer pixels, where this one does not fit; ``None`` after the last."""
        format = beside(trial.format, False, 1) or beside(trial.format, True, 1)
        return None if format is None else _Trial(format, self._likely_crf(trial, format), NEVER)

    def _likely_crf(self, from_: _Trial, format: Format) -> float:
        pixels = [f.eighths**2 * picture_count(len(self.gop), f.step) for f in (from_.format, format)]
        return from_.crf + FEWER_PIXELS * log2(pixels[1] / pixels[0]) / from_.slope

    def tried(self, format: Format, crf: float, slope: float = USUAL_SLOPE) -> _Trial:
        """What a format is worth, by one or two codings that begin at a quantiser; ``slope`` is a first guess."""
        coarsest = COARSEST[self._codec]
        points: list[tuple[float, float, float, CodedGop]] = []  # CRF, octaves above the bytes allowed, score
        for _ in range(2):
            crf = min(max(crf, FINEST), coarsest)
            octaves, score, coded = self._code(format, crf)
            points.append((crf, octaves, score, coded))
            if abs(octaves) < 0.15 or (crf == coarsest and octaves > 0):
                break
            crf += octaves / slope
        at, octaves, score, coded = min(points, key=lambda point: abs(point[1]))
        gain = GAIN_PER_OCTAVE[self._objective]
        if len(points) == 2 and abs(points[0][1] - points[1][1]) > 0.1:
            gain = max(0.0, (points[0][2] - points[1][2]) / (points[0][1] - points[1][1]))
            measured = (points[1][1] - points[0][1]) / (points[0][0] - points[1][0])
            slope = min(max(measured, USUAL_SLOPE), STEEPEST)  # a guess from a flatter one would lead far astray
        needed = at + octaves / slope
        fits = needed <= coarsest + 1.0  # the usual preset saves some bytes
        # Where it cannot be so small, the nearer to it the better, but always worse than what can.
        score = score - gain * octaves if fits else NEVER - octaves
        nearest = FormatChoice(format, Quantiser(at), coded, self.codings)
        trial = _Trial(format, min(needed, coarsest), score, nearest, octaves, slope)
        self._tried[format] = trial
        return trial

    def _code(self, format: Format, crf: float) -> tuple[float, float, CodedGop]:
        """Octaves above the bytes allowed, the score, and one coding with the fast preset."""
        gop = self.gop
        pictures = gop.pictures(format)
        quantiser = Quantiser(crf)
        coded = encode_gop(self._codec, pictures, quantiser, self._preset)
        self.codings += 1
        decoded = decode_gop(self._codec, coded, gop.size(format), quantiser.constant_qp)
        shown = self._held(decoded, format, len(pictures)) if not self._between else self._moved(decoded, format)
        scores = [self._score(gop.judged[frame], picture) for frame, picture in ahead(shown)]
        octaves = log2(max(1, coded.picture_bytes) / self.max_bytes)
        return octaves, float(np.mean(scores)) if scores else 0.0, coded

    def _held(self, decoded: Iterator[DecodedPicture], format: Format, pictures: int) -> Iterator[tuple[int, Pixels]]:
        """The frames to judge by, each as the picture that stands for it."""
        wanted: dict[int, list[int]] = {}
        for frame in self.gop.judged:
            wanted.setdefault(picture_at(frame, format.step, pictures), []).append(frame)
        for picture in decoded:
            if picture.position in wanted:
                shown = to_rgb(picture.frame, self.gop.height, self.gop.width)
                yield from ((frame, shown) for frame in wanted[picture.position])

    def _moved(self, decoded: Iterator[DecodedPicture], format: Format) -> Iterator[tuple[int, Pixels]]:
        """The frames to judge by, each as it lies between two pictures; before the first and after the last, these."""
        assert self._between is not None
        height, width = self.gop.height, self.gop.width
        waiting = sorted(self.gop.judged)
        before: tuple[int, DecodedPicture] | None = None
        for picture in decoded:
            place = middle_of_step(format.step, len(self.gop)) + picture.position * format.step
            due = [frame for frame in waiting if frame <= place]
            waiting = waiting[len(due) :]
            last = to_rgb(picture.frame, height, width) if due else None
            first = to_rgb(before[1].frame, height, width) if due and before and due[0] < place else None
            for frame in due:
                assert last is not None
                if first is None or before is None or frame == place:
                    yield frame, last
                else:
                    yield frame, self._between(first, last, (frame - before[0]) / (place - before[0]))
            before = place, picture
        if before is not None and waiting:
            shown = to_rgb(before[1].frame, height, width)
            yield from ((frame, shown) for frame in waiting)

    def _score(self, source: Pixels, shown: Pixels) -> float:
        if self._objective == "ssim" and min(source.shape[:2]) >= MIN_SSIM_SIDE:
            return ssim(source, shown)
        return psnr_db(source, shown) or 100.0


def _next_crf(sizes: dict[float, int], aim: float, slope: float) -> float:
    """Where the size should be what is aimed at, from what was coded so far; ``slope`` is a first guess."""
    nearest = sorted(sizes, key=lambda crf: abs(log2(sizes[crf] / aim)))[:2]
    octaves = log2(sizes[nearest[0]] / aim)
    if len(nearest) == 2:
        measured = log2(sizes[nearest[0]] / sizes[nearest[1]]) / (nearest[1] - nearest[0])
        slope = min(max(measured, 0.06), STEEPEST)
    return nearest[0] + octaves / slope
