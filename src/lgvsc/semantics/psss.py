"""PSSS, the probability-based semantic similarity score: how alike two frames are, in the words of a judge."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import (
    Answer,
    Captioner,
    Comparison,
    Focus,
    FollowsFocus,
    FrameDescriber,
    Judge,
    SeeingJudge,
    TellsApart,
)
from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError
from lgvsc.semantics.describe_cache import DescribeCache
from lgvsc.semantics.prompts import question

Rule = Literal["relative", "absolute"]
Mode = Literal["joint", "cached", "direct"]
MODES: tuple[Mode, ...] = ("joint", "cached", "direct")
LEAST_MASS = 0.25  # of yes and no together, in an answer


def semantic_similarity(p_yes: float) -> float:
    """How sure the judge is that two descriptions agree, ``P("Yes")``, in [0, 1).

    Source: Ma et al. 2026 (arXiv:2606.12899), Eq. (1), there called S_abs.
    """
    return p_yes


def semantic_divergence(p_yes: float, p_no: float) -> float:
    """How much two descriptions differ, ``P("No") - P("Yes")``, in (-1, 1). Larger is *less* similar.

    Source: Ma et al. 2026 (arXiv:2606.12899), Eq. (2), there called S_rel.
    """
    return p_no - p_yes


@dataclass(frozen=True, slots=True)
class Score:
    """What the judge said about two frames, and what it had read.

    Attributes:
        p_yes, p_no: Probabilities from the softmax over the whole vocabulary, or from measurement where one of the two
            shows nothing that could be judged.
        s_abs: Eq. (1), similarity.
        s_rel: Eq. (2), divergence.
        covered_mass: ``p_yes + p_no``. A low value means that the judge was not answering the question.
        texts: The two descriptions; empty where the judge saw the frames and nothing was written.
        divergence: What a keyframe threshold is compared with: ``s_rel``, or ``p_no`` under the absolute rule.
        focus, question, mode: What was asked, in which words, and what the judge went by.
    """

    p_yes: float
    p_no: float
    s_abs: float
    s_rel: float
    covered_mass: float
    texts: tuple[str, str]
    divergence: float
    focus: Focus
    question: str
    mode: Mode


class CoveredMassWarning(UserWarning):
    """A judge gave most of the probability to neither yes nor no."""


class Psss:
    """Scores frame pairs: the captioner describes both, the judge is asked whether they agree.

    The three modes are different scores, so each wants its own threshold:

    - ``"joint"``, the paper's: both frames are described together, then the question. One model that is captioner
      and judge does it in one conversation with the frames before its eyes.
    - ``"cached"``: each frame is described once, alone; the judge compares descriptions.
    - ``"direct"``: the judge sees both frames and answers at once.

    Args:
        captioner: Puts a pair of frames into words.
        judge: Answers with probabilities.
        focus: The aspect that is asked about.
        rule: What a threshold is compared with: S_rel, or P("No") alone as in Appendix C's control experiment.
        questions: Other wordings, by focus.
        mode: What the judge goes by.
        cache: Where descriptions are kept in cached mode; in memory by default.

    Raises:
        ConfigError: Captioner and judge cannot do what the mode needs.
    """

    def __init__(
        self,
        captioner: Captioner,
        judge: Judge,
        focus: Focus = "general",
        rule: Rule = "relative",
        questions: Mapping[str, str] | None = None,
        mode: Mode = "joint",
        cache: DescribeCache | None = None,
    ) -> None:
        if mode not in MODES:
            raise ConfigError(f"judge.mode is {mode!r}; there are {', '.join(MODES)}")
        if rule not in ("relative", "absolute"):
            raise ConfigError(f"rule is {rule!r}; it must be relative or absolute")
        self.captioner, self.judge = captioner, judge
        self.focus, self.rule, self.mode = focus, rule, mode
        self.question = question(focus, questions)
        self._questions = questions
        if mode == "cached" and not isinstance(captioner, FrameDescriber):
            raise ConfigError(f"judge.mode = 'cached' needs a captioner of single frames, and {captioner.name} is none")
        if mode == "direct" and not isinstance(judge, SeeingJudge):
            raise ConfigError(
                f"judge.mode = 'direct' needs a judge that sees frames, and {judge.name} reads descriptions only; "
                "use 'joint' or 'cached', or a vision-language model"
            )
        if focus != "general" and getattr(judge, "whole_texts", False):
            raise ConfigError(
                f"keyframes.focus is {focus!r}, but the judge {judge.name} compares whole descriptions and cannot be "
                "asked about a part; use the focus general, or a judge that reads the question"
            )
        self._descriptions = cache or DescribeCache()
        self._told_of_mass = False

    def divergence(self, first: Frame, second: Frame) -> Score:
        """Score one pair."""
        return self.scores(first, [second])[0]

    def scores(self, keyframe: Frame, candidates: Sequence[Frame]) -> list[Score]:
        """Score each candidate against the keyframe, in one batch. No candidate affects another one's score."""
        if not candidates:
            return []
        self.cost.pairs += len(candidates)
        scores = [self._score(c.answer, c.texts) for c in self._compared(keyframe, candidates)]
        masses = [score.covered_mass for score in scores if score.covered_mass]  # none where there was nothing to judge
        if masses and min(masses) < LEAST_MASS and not self._told_of_mass:
            self._told_of_mass = True
            warnings.warn(
                f"the judge {self.judge.name} gives yes and no together {min(masses):.3f} of the probability: it was "
                "not answering, and S_rel says little",
                CoveredMassWarning,
                stacklevel=2,
            )
        return scores

    @property
    def cost(self) -> Cost:
        """Where the work of the judge, and hence of this score, is written down."""
        return self.judge.cost

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that a score depends on besides the frames. A threshold holds for one identity."""
        described = {} if self.mode == "direct" else {"captioner": setup_of(self.captioner)}
        return described | {
            "judge": setup_of(self.judge),
            "mode": self.mode,
            "focus": self.focus,
            "question": self.question,
            "rule": self.rule,
        }

    def with_focus(self, focus: Focus) -> Psss:
        """The same models, descriptions and ledger, asked about something else."""
        return Psss(self.captioner, self.judge, focus, self.rule, self._questions, self.mode, cache=self._descriptions)

    def with_captioner(self, captioner: Captioner) -> Psss:
        """The same judge, question and ledger on what another captioner writes."""
        return Psss(captioner, self.judge, self.focus, self.rule, self._questions, self.mode, cache=self._descriptions)

    def start_ledger(self) -> None:
        """From now on the work is written down anew."""
        self.captioner.cost = self.judge.cost = Cost()

    def _compared(self, keyframe: Frame, candidates: Sequence[Frame]) -> list[Comparison]:
        captioner, judge = self.captioner, self.judge
        if self.mode == "direct" and isinstance(judge, SeeingJudge):
            return [Comparison(answer, ("", "")) for answer in judge.look(self.question, keyframe, candidates)]
        if self.mode == "joint" and isinstance(judge, SeeingJudge) and captioner is judge:
            return judge.compare(self.question, keyframe, candidates)
        if self.mode == "cached" and isinstance(captioner, FrameDescriber):
            first, *others = self._descriptions.describe(captioner, [keyframe, *candidates], captioner.cost)
            texts = [(first, other) for other in others]
        elif isinstance(captioner, FollowsFocus):
            texts = [captioner.describe_pair_for(keyframe, candidate, self.focus) for candidate in candidates]
        else:
            texts = [self._both(keyframe, candidate) for candidate in candidates]
        known: list[Answer | None] = [None] * len(texts)
        if isinstance(captioner, TellsApart):
            known = [captioner.tell_apart(keyframe, candidate) for candidate in candidates]
        # Of a frame that nobody put into words there is nothing to judge: neither yes nor no.
        known = [
            Answer(0.0, 0.0) if answer is None and not all(pair) else answer
            for answer, pair in zip(known, texts, strict=True)
        ]
        asked = [pair for pair, answer in zip(texts, known, strict=True) if answer is None]
        answers = iter(judge.answer(self.question, asked) if asked else ())
        return [Comparison(answer or next(answers), pair) for answer, pair in zip(known, texts, strict=True)]

    def _both(self, keyframe: Frame, candidate: Frame) -> tuple[str, str]:
        """Descriptions of both frames; alone, where a captioner wrote one text about the two and did not part it."""
        captioner = self.captioner
        pair = captioner.describe_pair(keyframe, candidate)
        if all(pair) or not isinstance(captioner, FrameDescriber):
            return pair
        first, second = self._descriptions.describe(captioner, [keyframe, candidate], captioner.cost)
        return first, second

    def _score(self, answer: Answer, texts: tuple[str, str]) -> Score:
        s_rel = semantic_divergence(answer.p_yes, answer.p_no)
        return Score(
            p_yes=answer.p_yes,
            p_no=answer.p_no,
            s_abs=semantic_similarity(answer.p_yes),
            s_rel=s_rel,
            covered_mass=answer.p_yes + answer.p_no,
            texts=texts,
            divergence=s_rel if self.rule == "relative" else answer.p_no,
            focus=self.focus,
            question=self.question,
            mode=self.mode,
        )


def setup_of(model: Any) -> dict[str, Any]:
    """What a model's words and answers depend on, as far as it says so."""
    return dict(getattr(model, "setup", None) or getattr(model, "identity", None) or {"model": model.name})
