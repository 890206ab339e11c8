"""Equations (1) and (2), and how the score is put together."""

import numpy as np
import pytest

from lgvsc.core.interfaces import Answer
from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError
from lgvsc.semantics.prompts import QUESTIONS
from lgvsc.semantics.psss import Psss, semantic_divergence, semantic_similarity


class NumberedCaptioner:
    """Describes a frame by its index."""

    name = "numbered"

    def describe_pair(self, first, second):
        return str(first.index), str(second.index)

    def caption(self, frames, motion, max_bytes):
        return ""


class CountingJudge:
    """The farther apart the numbers, the surer the no; a tenth of the mass belongs to other words."""

    name = "counting"

    def __init__(self):
        self.asked = []

    def answer(self, question, pairs):
        self.asked.append((question, len(pairs)))
        return [Answer(0.9 - 0.1 * abs(int(a) - int(b)), 0.1 * abs(int(a) - int(b))) for a, b in pairs]


def frame(index):
    return Frame(index, np.zeros((4, 4, 3), np.uint8))


def test_equations():
    assert semantic_similarity(0.7) == 0.7
    assert semantic_divergence(p_yes=0.7, p_no=0.2) == pytest.approx(-0.5)  # sign: larger is less similar


def test_scores_candidates_in_one_batch_and_reports_what_was_read():
    judge = CountingJudge()
    scores = Psss(NumberedCaptioner(), judge, "background").scores(frame(3), [frame(3), frame(5), frame(11)])
    assert judge.asked == [(QUESTIONS["background"], 3)]
    assert [s.s_rel for s in scores] == pytest.approx([-0.9, -0.5, 0.7])
    assert [s.s_abs for s in scores] == pytest.approx([0.9, 0.7, 0.1])
    assert scores[2].texts == ("3", "11")
    assert scores[1].covered_mass == pytest.approx(0.9)
    assert scores[2].divergence == scores[2].s_rel


def test_the_absolute_rule_compares_p_no():
    """Appendix C's control: P(No) alone."""
    score = Psss(NumberedCaptioner(), CountingJudge(), rule="absolute").divergence(frame(0), frame(5))
    assert score.divergence == pytest.approx(0.5) and score.s_rel == pytest.approx(0.1)


def test_a_question_of_ones_own_is_asked():
    judge = CountingJudge()
    Psss(NumberedCaptioner(), judge, questions={"general": "Same? yes or no"}).divergence(frame(0), frame(1))
    assert judge.asked[0][0] == "Same? yes or no"


def test_no_candidates_ask_nothing():
    judge = CountingJudge()
    assert Psss(NumberedCaptioner(), judge).scores(frame(0), []) == [] and judge.asked == []


def test_an_unknown_rule_is_refused():
    with pytest.raises(ConfigError):
        Psss(NumberedCaptioner(), CountingJudge(), rule="logit")
