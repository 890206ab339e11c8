"""PSSS, the probability-based semantic similarity score: how alike two frames are, in the words of a judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lgvsc.core.interfaces import Answer, Captioner, Focus, Judge
from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError
from lgvsc.semantics.prompts import question

Rule = Literal["relative", "absolute"]


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
        p_yes, p_no: Probabilities from the softmax over the whole vocabulary.
        s_abs: Eq. (1), similarity.
        s_rel: Eq. (2), divergence.
        covered_mass: ``p_yes + p_no``. A low value means that the judge was not answering the question.
        texts: The two descriptions.
        divergence: What a keyframe threshold is compared with: ``s_rel``, or ``p_no`` under the absolute rule.
    """

    p_yes: float
    p_no: float
    s_abs: float
    s_rel: float
    covered_mass: float
    texts: tuple[str, str]
    divergence: float


class Psss:
    """Scores frame pairs: the captioner describes both, the judge is asked whether they agree.

    Args:
        captioner: Puts a pair of frames into words.
        judge: Answers with probabilities.
        focus: The aspect that is asked about.
        rule: What a threshold is compared with: S_rel, or P("No") alone as in Appendix C's control experiment.
        questions: Other wordings, by focus.
    """

    def __init__(
        self,
        captioner: Captioner,
        judge: Judge,
        focus: Focus = "general",
        rule: Rule = "relative",
        questions: Mapping[str, str] | None = None,
    ) -> None:
        if rule not in ("relative", "absolute"):
            raise ConfigError(f"rule is {rule!r}; it must be relative or absolute")
        self.captioner, self.judge = captioner, judge
        self.focus, self.rule = focus, rule
        self.question = question(focus, questions)

    def divergence(self, first: Frame, second: Frame) -> Score:
        """Score one pair."""
        return self.scores(first, [second])[0]

    def scores(self, keyframe: Frame, candidates: Sequence[Frame]) -> list[Score]:
        """Score each candidate against the keyframe, in one batch. No candidate affects another one's score."""
        texts = [self.captioner.describe_pair(keyframe, candidate) for candidate in candidates]
        answers = self.judge.answer(self.question, texts) if texts else []
        return [self._score(answer, pair) for answer, pair in zip(answers, texts, strict=True)]

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
        )
