"""How a group's budget is divided between small frames, keyframes and words: by trying, at the receiver's own hands.

Candidates are drafted with small frames by a fast encoder and shown by what the receiver has. The best one is coded for
good, sent through noise as bad as the transmitter believes, read, shown, and compared with keyframes alone; what looks
best is what goes on the air, in the very symbols that were tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Literal, TypeAlias

import numpy as np

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.belief import Belief
from lgvsc.coding.budget import MIN_KEYFRAME_CBR, Budget, Objective, PicturePlan
from lgvsc.coding.burst.control import AdvisedControl, Control
from lgvsc.coding.frames.elementary import CODECS, CodecName
from lgvsc.coding.frames.format_search import USUAL, Draft, Effort, FormatChoice, FormatSearch
from lgvsc.coding.frames.formats import sharper
from lgvsc.coding.frames.structure import structure_of
from lgvsc.coding.message_codec import CodingConfig, MessageCodec
from lgvsc.coding.parts.structure import LookAloneControl, LookAndPictureControl, LookControl
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.core.ahead import at_once
from lgvsc.core.air import Burst
from lgvsc.core.message import LOOKS, Segment
from lgvsc.core.video import Pixels, VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.schemes.conventional import MAX_GOP_FRAMES, most_bytes
from lgvsc.schemes.layered_groups import FrameGroup, begun_at, thinned
from lgvsc.world.backends.compact.interpolation import views
from lgvsc.world.layered import WARM_UP, LayeredWorld, roughly_between
from lgvsc.world.spans import spans

LONGEST: dict[Objective, int] = {"structure": 240, "look": 96}  # frames; a keyframe's texture lasts so long
PICTURE_SHARES: dict[Objective, tuple[float, ...]] = {"structure": (), "look": (0.3, 0.6)}  # beside small frames
FAIR_PICTURE_CBR = 0.006  # of keyframes that are sent without small frames
INSURANCE_SHARE = 1 / 12  # of a group's budget, at most, what arrives through a worse channel may cost
WORDS_SHARE = 0.03  # of a group's budget, at most, where words come beside small frames
WORTH_PER_OCTAVE = 0.14  # what twice the bytes bring by look, from the means of docs/layered.md at 3e-4 and 6e-4
NEAR = 0.06  # keyframes at SKEM's places that are worth so much less than small frames may be the best at others
UNSURE = 0.03  # of a draft's worth: the second best is carried out as well where it comes so near to the best
QUICK = Effort(first_trials=4, later_trials=2, fits=3)
SVT_EFFORTS: dict[str, Effort] = {  # other encoders have their usual presets
    "live": QUICK._replace(trial_preset="10", preset="8"),
    "best": USUAL._replace(trial_preset="7", saved=0.08),
}
LOOK: dict[Objective, int] = {"structure": LOOKS.index(0.0), "look": LOOKS.index(1.0)}  # in which candidates are judged
AS_DECODED = LOOKS.index(None)  # in which the best one is judged as well
MOST_INSURED_DB = 20.0
TRIAL_SEED = 0  # of the noise in which candidates are tried


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureConfig:
    """How structure layers are made.

    Attributes:
        codec: The standard codec of the small frames.
        budget: Limit on all symbols, where ``coding.budget`` is empty.
        group_frames: Longest stretch of video that shares a structure layer, and so the delay; 0 lets the objective
            say, 240 for structure and 96 for look.
        insured_db: How much worse than believed the channel may be and control and a picture of each group still
            arrive, where that costs at most a twelfth of the group's symbols; 0: no such picture, and control as for
            codecs.
        effort: ``best`` tries every candidate as the receiver would show it; ``live`` looks for the format of the small
            frames alone, with a fast encoder.
    """

    codec: CodecName = "av1"
    budget: str = "6e-4cbr"
    group_frames: int = 0
    insured_db: float = 6.0
    effort: Literal["best", "live"] = "best"

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ConfigError(f"structure.codec is {self.codec!r}; there are {', '.join(CODECS)}")
        Budget.parse(self.budget)
        if not 0 <= self.group_frames <= MAX_GOP_FRAMES:
            raise ConfigError(f"structure.group_frames is {self.group_frames}; control carries 1 to {MAX_GOP_FRAMES}")
        if not 0 <= self.insured_db <= MOST_INSURED_DB:
            raise ConfigError(f"structure.insured_db is {self.insured_db}; it lies between 0 and {MOST_INSURED_DB:g}")
        if self.effort not in ("best", "live"):
            raise ConfigError(f"structure.effort is {self.effort!r}; there are best and live")

    def longest(self, objective: Objective) -> int:
        """Frames of a group, at most."""
        return self.group_frames or LONGEST[objective]


def effort_of(config: StructureConfig) -> Effort:
    """How hard the format of small frames is looked for."""
    if config.codec == "av1":
        return SVT_EFFORTS[config.effort]
    return QUICK if config.effort == "live" else USUAL


FindPlaces: TypeAlias = Callable[[Sequence[Pixels], VideoFormat, int, Callable[[], bool]], Sequence[int]]
Words: TypeAlias = tuple[str, int]  # a caption and its symbols


@dataclass(frozen=True, slots=True, eq=False)
class DivisionDraft:
    """A candidate in outline: small frames as a fast encoder makes them, and how good that looks; more is better.

    Attributes:
        segment: What is to be sent, but for the small frames.
        arrived: What arrives of that.
        search: What found the small frames.
        small: Their format and quantiser, about.
        worth: Minus infinity where they cannot be so few bytes.
        belief: For which control is made.
        besides: Symbols of all but the small frames where the keyframe is an insurance; 0 where it may take the rest.
    """

    segment: Segment
    arrived: Segment
    search: FormatSearch
    small: Draft
    worth: float
    belief: Belief
    besides: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class DivisionTrial:
    """A candidate as it would be sent, and how good what arrives of it looks; more is better.

    ``frame_symbols`` are what the air adds to each burst.
    """

    sent: list[tuple[Segment, Burst]]
    worth: float
    frame_symbols: int

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
        places: Where keyframes stand best that show frames of a video by themselves in so many symbols, as long as the
            last argument says that this is wanted.
    """

    def __init__(
        self,
        roads: PictureRoads,
        coding: CodingConfig,
        belief: Belief,
        config: StructureConfig,
        objective: Objective,
        world: LayeredWorld,
        places: FindPlaces,
    ) -> None:
        self.config, self.objective, self.belief = config, objective, belief
        self._roads, self._coding, self._world, self._places = roads, coding, world, places
        self._coding_alone = Lock()
        self._search = FormatSearch(config.codec, between=roughly_between, effort=effort_of(config))

    def divide(self, group: FrameGroup, symbols: int) -> list[tuple[Segment, Burst]]:
        """The best of all candidates that stay within ``symbols``; the cheapest, where none does."""
        words, few = self._words(group, symbols), self._few(group, symbols)
        if self.config.effort == "live":
            draft = self._draft(group, symbols, 0.0, words, self._search)
            trial = self._finished(draft, group, symbols)
            return (trial if trial and len(trial) <= symbols else self._tried(few, group, symbols)).sent
        with ThreadPoolExecutor(2, "divide") as workers:
            first = workers.submit(self._draft, group, symbols, 0.0, words, self._search)
            pictures = workers.submit(self._pictures_alone, group, symbols, few, first)
            trials = [*self._with_small_frames(group, symbols, words, first.result()), *pictures.result()]
        fitting = [trial for trial in trials if len(trial) <= symbols]
        return (max(fitting, key=lambda trial: trial.worth) if fitting else min(trials, key=len)).sent

    # Candidates

    def _few(self, group: FrameGroup, symbols: int) -> list[Segment]:
        """SKEM's segments, no more of them than can have a fair picture each."""
        video = group.segments[0].video
        with_words = group.whole().changed(caption=group.segments[0].caption, motion=group.segments[0].motion)
        ((_, words),) = self._codec(symbols, group).encode([with_words])
        each = len(words) + self.belief.frame_symbols + FAIR_PICTURE_CBR * 3 * video.height * video.width
        return thinned(group.segments, int(symbols / each) - (group.segments[-1].closing_keyframe is not None))

    def _pictures_alone(
        self, group: FrameGroup, symbols: int, few: list[Segment], first: Future[DivisionDraft | None]
    ) -> list[DivisionTrial]:
        """Keyframes and words alone: at SKEM's places and, where small frames are not far ahead of these, in number and
        places that are tried, which takes so long that it begins before that is known.

        Args:
            few: Keyframes at SKEM's places.
            first: Small frames alone, as soon as they are there.
        """
        trial = self._tried(few, group, symbols)
        if self.objective == "structure" or not group.pictured:
            return [trial]

        def near() -> bool:
            drafted = first.result()
            return drafted is None or trial.worth > drafted.worth - NEAR

        starts = self._places(group.frames, group.segments[0].video, symbols, lambda: not first.done() or near())
        if not near() or [segment.start - group.start for segment in few] == [*starts]:
            return [trial]
        return [trial, self._tried(begun_at(group.segments, starts, group.frames), group, symbols)]

    def _words(self, group: FrameGroup, symbols: int) -> Words | None:
        """The longest segment's caption and its symbols, where words are wanted and cheap."""
        longest, snr_db = max(group.segments, key=len), self.belief.esn0_db
        if self.objective == "structure" or not longest.caption:
            return None
        ((_, burst),) = self._codec(symbols, group).encode([group.whole().changed(caption=longest.caption)])
        caption = sum(map(len, burst.parts[1:]))
        longer = LookControl.head_symbols(snr_db) - LookAndPictureControl.head_symbols(snr_db)
        return (longest.caption, caption) if caption + longer <= WORDS_SHARE * symbols else None

    def _with_small_frames(
        self, group: FrameGroup, symbols: int, words: Words | None, first: DivisionDraft | None
    ) -> list[DivisionTrial]:
        """The best of all drafts with small frames, and the next one where it comes near to that, carried out.

        Args:
            first: That of small frames alone.
        """
        textured = self._textured(group.again(), symbols, words, first, copy(self._search))
        drafted = first, textured, self._sharper(textured or first, group.again())
        drafts = sorted((each for each in drafted if each), key=lambda draft: -draft.worth)
        likely = [draft for draft in drafts[:2] if draft.worth >= drafts[0].worth - UNSURE]
        trials = at_once(*(partial(self._finished, draft, group, symbols) for draft in likely))
        return [trial for trial in trials if trial is not None]

    # Drafts

    def _draft(
        self, group: FrameGroup, symbols: int, share: float, words: Words | None, search: FormatSearch
    ) -> DivisionDraft | None:
        """Small frames and, where it has a share, a keyframe beside them; ``None`` where there is no room for them."""
        belief, words, spare = self._insured_draft(group, symbols, share, words)
        layout = LookAndPictureControl if share or spare else LookAloneControl
        segment, head = group.whole(), belief.head_symbols(layout)
        if words:
            segment, head = segment.changed(caption=words[0]), belief.head_symbols(LookControl) + words[1]
        room, _ = most_bytes(int((symbols - head - spare) * (1 - share)), belief.esn0_db)
        if not room:
            return None
        arrived = segment
        if share or spare:
            segment = segment.changed(keyframe=group.frames[0])
        if share:
            ((_, _, arrived),) = self._crossed([segment], head + int((symbols - head) * share), belief)
        small = search.draft(group.pictures, room)
        worth = self._promise(arrived, small, group)
        return DivisionDraft(segment, arrived, search, small, worth, belief, besides=spare and head + spare)

    def _insured_draft(
        self, group: FrameGroup, symbols: int, share: float, words: Words | None
    ) -> tuple[Belief, Words | None, int]:
        """What a draft is made for: a belief, words, and the symbols of a keyframe that is sent for loss alone.

        Insured where that is cheap, if need be without the words, which say less than a picture does. 0 symbols where
        the draft has a keyframe anyway or nothing is insured.
        """
        if group.pictured:
            video = group.segments[0].video
            spare = 0 if share else round(MIN_KEYFRAME_CBR * 3 * video.height * video.width)
            for said in dict.fromkeys((words, None)):
                belief = self._insured(symbols, LookControl if said else LookAndPictureControl, picture=spare)
                if belief.insured_db:
                    return belief, said, spare
        return self.belief, words, 0

    def _textured(
        self, group: FrameGroup, symbols: int, words: Words | None, first: DivisionDraft | None, search: FormatSearch
    ) -> DivisionDraft | None:
        """Small frames with a keyframe, as large a one as pays; ``None`` where the first draft, without, is better."""
        best = None
        for share in PICTURE_SHARES[self.objective] if group.pictured else ():
            draft = self._draft(group, symbols, share, words, copy(search))
            beaten = best or first
            if draft is None or (beaten and draft.worth <= beaten.worth):
                break
            best = draft
        return best

    def _sharper(self, draft: DivisionDraft | None, group: FrameGroup) -> DivisionDraft | None:
        """The same with larger small frames, fewer of them, which may look better; SSIM chose the others."""
        format = sharper(draft.small.format) if draft and self.objective == "look" else None
        if draft is None or format is None:
            return None
        small = draft.search.draft_in(format, group.pictures, draft.small)
        worth = self._promise(draft.arrived, small, group)
        return replace(draft, search=copy(draft.search), small=small, worth=worth)

    def _promise(self, arrived: Segment, small: Draft, group: FrameGroup) -> float:
        """What a draft is worth, where drafts are compared."""
        if self.objective == "structure" or self.config.effort == "live":
            return 0.0
        if not small.fits:
            return -np.inf
        return self._worth([self._with(arrived, small.coded)], group, warm_up=0) - WORTH_PER_OCTAVE * small.octaves

    def _finished(self, draft: DivisionDraft | None, group: FrameGroup, symbols: int) -> DivisionTrial | None:
        """A draft coded as it is to be sent, and carried out; ``None`` where it cannot be."""
        choice = draft.search.filled(draft.small) if draft else None
        if draft is None or choice is None:
            return None
        if draft.besides:
            small = draft.belief.symbols(8 * len(choice.coded.payload), "structure")
            symbols = min(symbols, draft.besides + small)
        return self._tried([self._with(draft.segment, choice)], group, symbols, draft.belief)

    def _with(self, segment: Segment, choice: FormatChoice) -> Segment:
        layer = structure_of(self.config.codec, choice)
        return segment.changed(structure=replace(layer, look=LOOK[self.objective]))

    # Trials

    def _insured(self, symbols: int, layout: type[Control], bursts: int = 1, picture: int = 0) -> Belief:
        """The belief with which control arrives through a worse channel, where that costs little of so many symbols
        and there is a road by which a picture arrives, too.

        Args:
            layout: Of the control blocks.
            bursts: How many there are.
            picture: Symbols of a keyframe that is sent only therefore.
        """
        insured = self.belief.insured(self.config.insured_db, layout) if self._roads.analogue else None
        if insured is None:
            return self.belief
        longer = insured.head_symbols(layout) - self.belief.head_symbols(layout)
        return insured if bursts * longer + picture <= INSURANCE_SHARE * symbols else self.belief

    def _codec(self, symbols: int, group: FrameGroup | list[Segment], belief: Belief | None = None) -> MessageCodec:
        """A codec with so many symbols for the frames of a group."""
        segments = group.segments if isinstance(group, FrameGroup) else group
        video, frames = segments[0].video, sum(map(len, segments))
        cbr = max(1, symbols) / (3 * video.height * video.width * frames)
        starts = tuple(segment.start - segments[0].start for segment in segments)
        plan = PicturePlan((starts,), frames, closing=segments[-1].closing_keyframe is not None)
        belief = replace(belief or self.belief, data_share=1.0)  # pilots are paid
        return MessageCodec(self._roads, belief, replace(self._coding, budget=f"{cbr:.9e}cbr"), plan=plan)

    def _encoded(self, segments: list[Segment], symbols: int, belief: Belief) -> list[tuple[Segment, Burst]]:
        with self._coding_alone:
            return list(self._codec(symbols, segments, belief).encode(segments))

    def _crossed(self, segments: list[Segment], symbols: int, belief: Belief) -> list[tuple[Segment, Burst, Segment]]:
        """What is sent of segments in so many symbols, and what arrives; by one thread at a time."""
        with self._coding_alone:
            channel = AwgnChannel(self.belief.esn0_db, seeded(TRIAL_SEED))
            return list(self._codec(symbols, segments, belief).try_out(segments, channel))

    def _tried(
        self, segments: list[Segment], group: FrameGroup, symbols: int, belief: Belief | None = None
    ) -> DivisionTrial:
        """A candidate carried out and, unless time is short, judged; as decoded, too, where that may be better."""
        belief = belief or self._insured(symbols, AdvisedControl, len(segments))
        if self.config.effort == "live":
            return DivisionTrial(self._encoded(segments, symbols, belief), 0.0, self.belief.frame_symbols)
        crossed = self._crossed(segments, symbols, belief)
        arrived, sent = [segment for _, _, segment in crossed], [(segment, burst) for segment, burst, _ in crossed]
        if self.objective == "look" or not any(segment.structure for segment in arrived):
            return DivisionTrial(sent, self._worth(arrived, group), self.belief.frame_symbols)
        plain = [_shown_as(segment, AS_DECODED) for segment in arrived]
        worth, as_decoded = at_once(partial(self._worth, arrived, group), partial(self._worth, plain, group))
        if as_decoded > worth:
            sent = self._encoded([_shown_as(segment, AS_DECODED) for segment in segments], symbols, belief)
            worth = as_decoded
        return DivisionTrial(sent, worth, self.belief.frame_symbols)

    def _worth(self, arrived: Sequence[Segment], group: FrameGroup, warm_up: int = WARM_UP) -> float:
        judge = group.judge(self.objective)
        shown = dict(self._shown(arrived, [group.start + place for place in judge.places], warm_up))
        return judge.worth([shown.get(group.start + place) for place in judge.places])

    def _shown(self, arrived: Sequence[Segment], wanted: Sequence[int], warm_up: int) -> Iterator[tuple[int, Pixels]]:
        """What the receiver shows, about, of some frames of the video."""
        for span in spans(arrived):
            mine = [index for index in wanted if span.start <= index < span.stop]
            if not mine or span.nothing_known:
                continue
            if span.structure is not None:
                glimpses = self._world.glimpses(span, [index - span.start for index in mine], warm_up)
                yield from ((span.start + place, picture) for place, picture in glimpses.items())
            else:
                shown = views(span.conditions(latent_frames=span.stop - span.start, seed=0))
                yield from ((index, shown(index).mixed) for index in mine)


def _shown_as(segment: Segment, look: int) -> Segment:
    return segment.changed(structure=replace(segment.structure, look=look)) if segment.structure else segment
