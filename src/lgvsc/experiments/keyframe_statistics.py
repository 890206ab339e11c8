"""How many keyframes SKEM makes under the relative and under the absolute rule: Table VI of LGVSC for any clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any, get_args

from lgvsc.config import Config
from lgvsc.core.video import Frame, OnNotes, VideoReader
from lgvsc.errors import ConfigError
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.keyframes import choose_keyframes
from lgvsc.semantics.psss import Psss, Rule, Score

FAR_APART = 3  # keyframes, between the counts of two rules


@dataclass(frozen=True, slots=True)
class ScoringRule:
    """What is compared with a threshold: S_rel = P(No) - P(Yes), or P(No) alone."""

    rule: Rule
    threshold: float

    @classmethod
    def parse(cls, text: str) -> ScoringRule:
        """From ``relative:0.35``.

        Raises:
            ConfigError: No such rule, or no threshold that it could have.
        """
        kind, _, value = text.partition(":")
        try:
            made = cls(get_args(Rule)[get_args(Rule).index(kind)], float(value))
        except ValueError as error:
            raise ConfigError(f"{text!r} is no scoring rule; write relative:0.35 or absolute:0.4") from error
        low = -1.0 if made.rule == "relative" else 0.0
        if not low < made.threshold < 1:
            raise ConfigError(f"{text!r}: a threshold of the {kind} rule lies in ({low:g}, 1)")
        return made

    @property
    def name(self) -> str:
        return f"{'P(No) - P(Yes)' if self.rule == 'relative' else 'P(No)'} > {self.threshold:g}"

    def of(self, score: Score) -> float:
        """What the threshold is compared with."""
        return score.s_rel if self.rule == "relative" else score.p_no


PAPERS_RULES = (ScoringRule("relative", 0.35), ScoringRule("absolute", 0.4))


@dataclass(frozen=True, slots=True)
class Counts:
    """Keyframes of one clip under each rule, the closing one included."""

    clip: str
    keyframes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """One row of Table VI.

    Attributes:
        std: With n - 1 below; 0 for one clip.
        cv: Coefficient of variation, std over mean.
    """

    rule: str
    mean: float
    std: float
    min: int
    max: int
    cv: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def count_keyframes(
    video: Path,
    config: Config,
    similarity: Psss,
    rules: Sequence[ScoringRule],
    on_notes: OnNotes = lambda _: None,
) -> Counts:
    """Keyframes of a video under each rule. A pair that several rules meet is scored once.

    Args:
        on_notes: Called with what was changed on reading the video.
    """
    known: dict[tuple[int, int], Score] = {}
    counts: list[int] = []

    def scorer(rule: ScoringRule, keyframe: Frame, candidates: Sequence[Frame]) -> list[float | None]:
        new = [frame for frame in candidates if (keyframe.index, frame.index) not in known]
        for frame, score in zip(new, similarity.scores(keyframe, new), strict=True):
            known[keyframe.index, frame.index] = score
        return [rule.of(known[keyframe.index, frame.index]) for frame in candidates]

    for rule in rules:
        setting = replace(config.keyframes, method="skem", threshold=rule.threshold)
        count = last = last_key = 0
        with VideoReader(video, max_side=config.link.max_side) as reader:
            is_cut = CutDetector(config.message.cuts)
            for choice in choose_keyframes(reader, reader.format, setting, partial(scorer, rule), is_cut):
                last = choice.frame.index
                if choice.keyframe:
                    count, last_key = count + 1, last
            on_notes(reader.notes)
        counts.append(count + (last != last_key))
    return Counts(video.name, tuple(counts))


def statistics(clips: Sequence[Counts], rules: Sequence[ScoringRule]) -> list[Statistics]:
    """Mean, standard deviation, extremes and coefficient of variation over clips, a row for each rule.

    Source: Ma et al. 2026 (arXiv:2606.12899), Appendix C, Table VI.
    """
    rows = []
    for place, rule in enumerate(rules):
        counts = [clip.keyframes[place] for clip in clips]
        spread = stdev(counts) if len(counts) > 1 else 0.0
        rows.append(Statistics(rule.name, mean(counts), spread, min(counts), max(counts), spread / mean(counts)))
    return rows


def far_apart(clips: Sequence[Counts]) -> int:
    """Clips whose counts differ by three keyframes or more between two rules."""
    return sum(max(clip.keyframes) - min(clip.keyframes) >= FAR_APART for clip in clips)
