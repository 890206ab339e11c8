"""How a group's budget is divided between small frames, keyframes and words: by trying, at the receiver's own hands.

Each candidate is coded, sent through noise as bad as the transmitter believes, read and shown by what the receiver has;
what looks best is what goes on the air, in the very symbols that were tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.belief import Belief
from lgvsc.coding.budget import Budget, Objective, PicturePlan
from lgvsc.coding.frames.elementary import CODECS, CodecName
from lgvsc.coding.frames.format_search import Effort, Format, FormatSearch, sharper
from lgvsc.coding.frames.structure import structure_of
from lgvsc.coding.message_codec import CodingConfig, MessageCodec
from lgvsc.coding.parts.structure import StructureAloneControl, StructureAndPictureControl, StructureControl
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.core.air import Burst
from lgvsc.core.message import LOOKS, Segment
from lgvsc.core.processor import native_bfloat16
from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError
from lgvsc.metrics.dists import dists_distance
from lgvsc.metrics.lpips import lpips_distance
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.ssim import MIN_MS_SSIM_SIDE, ms_ssim_and_ssim
from lgvsc.schemes.conventional import MAX_GOP_FRAMES, most_bytes
from lgvsc.schemes.layered_groups import FrameGroup, thinned
from lgvsc.world.backends.compact.interpolation import views
from lgvsc.world.layered import LayeredWorld, roughly_between
from lgvsc.world.spans import spans

LONGEST: dict[Objective, int] = {"structure": 240, "look": 96}  # frames; a keyframe's texture lasts so long
PICTURE_SHARES: dict[Objective, tuple[float, ...]] = {"structure": (), "look": (0.3, 0.6)}  # beside small frames
FAIR_PICTURE_CBR = 0.006  # of keyframes that are sent without small frames
WORDS_SHARE = 0.03  # of a group's budget, at most, where words come beside small frames
GLIMPSES = 4  # frames of a group by which candidates are judged
QUICK = Effort(first_trials=4, later_trials=2, fits=3, trial_preset="10", preset="8")  # of SVT-AV1
LOOK: dict[Objective, int] = {"structure": LOOKS.index(0.0), "look": LOOKS.index(1.0)}  # in which candidates are judged
AS_DECODED = LOOKS.index(None)  # in which the best one is judged as well
TRIAL_SEED = 0  # of the noise in which candidates are tried


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureConfig:
    """How structure layers are made.

    Attributes:
        codec: The standard codec of the small frames.
        budget: Limit on all symbols, where ``coding.budget`` is empty.
        group_frames: Longest stretch of video that shares a structure layer, and so the delay; 0 lets the objective
            say, 240 for structure and 96 for look.
        effort: ``best`` tries every candidate as the receiver would show it; ``live`` looks for the format of the small
            frames alone, with a fast encoder.
    """

    codec: CodecName = "av1"
    budget: str = "6e-4cbr"
    group_frames: int = 0
    effort: Literal["best", "live"] = "best"

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ConfigError(f"structure.codec is {self.codec!r}; there are {', '.join(CODECS)}")
        Budget.parse(self.budget)
        if not 0 <= self.group_frames <= MAX_GOP_FRAMES:
            raise ConfigError(f"structure.group_frames is {self.group_frames}; control carries 1 to {MAX_GOP_FRAMES}")
        if self.effort not in ("best", "live"):
            raise ConfigError(f"structure.effort is {self.effort!r}; there are best and live")

    def longest(self, objective: Objective) -> int:
        """Frames of a group, at most."""
        return self.group_frames or LONGEST[objective]


@dataclass(frozen=True, slots=True, eq=False)
class DivisionTrial:
    """A candidate as it would be sent, what arrives of it, and how good that looks; more is better.

    ``frame_symbols`` are what the air adds to each burst.
    """

    sent: list[tuple[Segment, Burst]]
    arrived: list[Segment]
    worth: float
    frame_symbols: int = 0

    def __len__(self) -> int:
        """Symbols."""
        return sum(len(burst) + self.frame_symbols for _, burst in self.sent)


class Divider:
    """Divides the budget of one group after the other.

    Args:
        roads: The ways that a keyframe can take.
        coding: How messages are coded.
        belief: What the transmitter believes of the channel.
        config: How structure layers are made.
        objective: What the budget is spent for: ``structure`` (SSIM and MS-SSIM) or ``look`` (LPIPS, DISTS, MS-SSIM).
        world: The receiver's half that shows structure layers.
    """

    def __init__(
        self,
        roads: PictureRoads,
        coding: CodingConfig,
        belief: Belief,
        config: StructureConfig,
        objective: Objective,
        world: LayeredWorld,
    ) -> None:
        self.config, self.objective, self.belief = config, objective, belief
        self._roads, self._coding, self._world = roads, coding, world
        if config.effort == "live":
            self._search = FormatSearch(config.codec, between=roughly_between, effort=QUICK)
        else:
            self._search = FormatSearch(config.codec, between=roughly_between)

    def divide(self, group: FrameGroup, symbols: int) -> list[tuple[Segment, Burst]]:
        """The best of all candidates that stay within ``symbols``; the cheapest, where none does."""
        trials: list[DivisionTrial] = []
        for segments in self._candidates(group, symbols):
            trial = self._tried(segments, group, symbols)
            if self.config.effort == "live" and len(trial) <= symbols:
                return trial.sent
            trials.append(trial)
        fitting = [trial for trial in trials if len(trial) <= symbols]
        best = max(fitting, key=lambda trial: trial.worth) if fitting else min(trials, key=len)
        if self.objective == "look" and self.config.effort == "best":
            best = max(best, self._sharper(best, group, symbols), key=lambda trial: trial.worth)
        return self._in_better_look(best, group, symbols).sent

    # Candidates

    def _candidates(self, group: FrameGroup, symbols: int) -> Iterator[list[Segment]]:
        """Small frames alone; with a keyframe, on which so much is spent; keyframes and words alone, as SKEM has it."""
        words = self._words(group, symbols)
        for share in (0.0, *(PICTURE_SHARES[self.objective] if self.config.effort == "best" else ())):
            search = copy(self._search) if share else self._search  # the next group goes on from what it settles on
            segment = self._with_structure(group, symbols, share, words, search)
            if segment is not None:
                yield [segment]
        yield self._keyframes_alone(group, symbols)

    def _keyframes_alone(self, group: FrameGroup, symbols: int) -> list[Segment]:
        """SKEM's segments, no more of them than can have a fair picture each."""
        video = group.segments[0].video
        with_words = group.whole().changed(caption=group.segments[0].caption, motion=group.segments[0].motion)
        ((_, words),) = self._codec(symbols, group).encode([with_words])
        each = len(words) + self.belief.frame_symbols + FAIR_PICTURE_CBR * 3 * video.height * video.width
        return thinned(group.segments, int(symbols / each) - (group.segments[-1].closing_keyframe is not None))

    def _with_structure(
        self, group: FrameGroup, symbols: int, share: float, words: tuple[str, int] | None, search: FormatSearch
    ) -> Segment | None:
        segment, snr_db = group.whole(), self.belief.esn0_db
        head = self.belief.head_symbols(StructureAndPictureControl if share else StructureAloneControl)
        if share:
            segment = segment.changed(keyframe=group.frames[0])
        if words:
            segment, head = segment.changed(caption=words[0]), self.belief.head_symbols(StructureControl) + words[1]
        room, _ = most_bytes(int((symbols - head) * (1 - share)), snr_db)
        choice = search.best(group.pictures, room) if room else None
        if choice is None:
            return None
        layer = structure_of(self.config.codec, choice)
        return segment.changed(structure=replace(layer, look=LOOK[self.objective]))

    def _words(self, group: FrameGroup, symbols: int) -> tuple[str, int] | None:
        """The longest segment's caption and its symbols, where words are wanted and cheap."""
        longest, snr_db = max(group.segments, key=len), self.belief.esn0_db
        if self.objective == "structure" or not longest.caption:
            return None
        ((_, burst),) = self._codec(symbols, group).encode([group.whole().changed(caption=longest.caption)])
        caption = sum(map(len, burst.parts[1:]))
        longer = StructureControl.head_symbols(snr_db) - StructureAndPictureControl.head_symbols(snr_db)
        return (longest.caption, caption) if caption + longer <= WORDS_SHARE * symbols else None

    def _sharper(self, trial: DivisionTrial, group: FrameGroup, symbols: int) -> DivisionTrial:
        """The same with larger small frames, fewer of them, which look better than their SSIM says."""
        (segment, _), layer = trial.sent[0], trial.sent[0][0].structure
        if layer is None or (format := sharper(Format(layer.eighths, layer.step))) is None:
            return trial
        choice = self._search.coded_in(format, group.pictures, len(layer.payload), layer.quantiser)
        if choice is None:
            return trial
        finer = replace(structure_of(self.config.codec, choice), look=layer.look)
        return self._tried([segment.changed(structure=finer)], group, symbols)

    # Trials

    def _codec(self, symbols: int, group: FrameGroup | list[Segment]) -> MessageCodec:
        """A codec with so many symbols for the frames of a group."""
        segments = group.segments if isinstance(group, FrameGroup) else group
        video, frames = segments[0].video, sum(map(len, segments))
        cbr = max(1, symbols) / (3 * video.height * video.width * frames)
        starts = tuple(segment.start - segments[0].start for segment in segments)
        plan = PicturePlan((starts,), frames, closing=segments[-1].closing_keyframe is not None)
        belief = replace(self.belief, data_share=1.0)  # pilots are paid
        return MessageCodec(self._roads, belief, replace(self._coding, budget=f"{cbr:.9e}cbr"), plan=plan)

    def _tried(self, segments: list[Segment], group: FrameGroup, symbols: int) -> DivisionTrial:
        """A candidate carried out and, unless time is short, judged."""
        codec, framing = self._codec(symbols, segments), self.belief.frame_symbols
        if self.config.effort == "live":
            return DivisionTrial(list(codec.encode(segments)), [], 0.0, framing)
        tried = list(codec.try_out(segments, AwgnChannel(self.belief.esn0_db, seeded(TRIAL_SEED))))
        arrived = [segment for _, _, segment in tried]
        sent = [(segment, burst) for segment, burst, _ in tried]
        return DivisionTrial(sent, arrived, self._worth(arrived, group), framing)

    def _in_better_look(self, trial: DivisionTrial, group: FrameGroup, symbols: int) -> DivisionTrial:
        """The same, or what advises to show small frames as decoded, where that is worth more."""
        plain = [_shown_as(segment, AS_DECODED) for segment in trial.arrived]
        if not any(segment.structure for segment in plain) or self._worth(plain, group) <= trial.worth:
            return trial
        segments = [_shown_as(segment, AS_DECODED) for segment, _ in trial.sent]
        return replace(trial, sent=list(self._codec(symbols, segments).encode(segments)))

    def _worth(self, arrived: Sequence[Segment], group: FrameGroup) -> float:
        judged = group.pictures.judged
        places = sorted(judged)
        wanted = sorted({places[(2 * n + 1) * len(places) // (2 * GLIMPSES)] for n in range(GLIMPSES)})
        shown = dict(self._shown(arrived, [group.start + place for place in wanted]))
        pairs = [(judged[place], shown.get(group.start + place)) for place in wanted]
        if any(picture is None for _, picture in pairs):
            return -np.inf
        return WORTH[self.objective]([(source, picture) for source, picture in pairs if picture is not None])

    def _shown(self, arrived: Sequence[Segment], wanted: Sequence[int]) -> Iterator[tuple[int, Pixels]]:
        """What the receiver shows, about, of some frames of the video."""
        for span in spans(arrived):
            mine = [index for index in wanted if span.start <= index < span.stop]
            if not mine or span.nothing_known:
                continue
            if span.structure is not None:
                glimpses = self._world.glimpses(span, [index - span.start for index in mine])
                yield from ((span.start + place, picture) for place, picture in glimpses.items())
            else:
                shown = views(span.conditions(latent_frames=span.stop - span.start, seed=0))
                yield from ((index, shown(index).mixed) for index in mine)


def _shown_as(segment: Segment, look: int) -> Segment:
    return segment.changed(structure=replace(segment.structure, look=look)) if segment.structure else segment


# Worth


def structure_kept(pairs: Sequence[tuple[Pixels, Pixels]]) -> float:
    """Mean of SSIM, MS-SSIM and a thirtieth of PSNR in dB over pairs of a frame and what is shown of it.

    A tenth of a decibel comes with about .003 of either.
    """
    if min(pairs[0][0].shape[:2]) < MIN_MS_SSIM_SIDE:
        return -float(np.mean([np.abs(a.astype(np.float32) - b).mean() for a, b in pairs]))
    return float(np.mean([(*ms_ssim_and_ssim(a, b), (psnr_db(a, b) or 60.0) / 30) for a, b in pairs]))


def looks_kept(pairs: Sequence[tuple[Pixels, Pixels]]) -> float:
    """One number of LPIPS, DISTS of every second pair at half size, and MS-SSIM; their weights make usual steps equal.

    LPIPS alone would be easy to please: the vivid end was trained on it.
    """
    if min(pairs[0][0].shape[:2]) < MIN_MS_SSIM_SIDE:
        return structure_kept(pairs)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=native_bfloat16()):
        lpips = float(np.mean([float(lpips_distance(as_batch(a), as_batch(b))) for a, b in pairs]))
        dists = float(np.mean([float(dists_distance(as_batch(_half(a)), as_batch(_half(b)))) for a, b in pairs[::2]]))
    ms_ssim = float(np.mean([ms_ssim_and_ssim(a, b)[0] for a, b in pairs]))
    return 0.7 * ms_ssim - lpips - 1.5 * dists


WORTH: dict[Objective, Callable[[Sequence[tuple[Pixels, Pixels]]], float]] = {
    "structure": structure_kept,
    "look": looks_kept,
}


def _half(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    return np.asarray(cv2.resize(picture, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)
