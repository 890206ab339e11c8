"""Equations (1) and (2), and how the score is put together."""

import warnings
from typing import ClassVar

import numpy as np
import pytest

from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Answer, Comparison
from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError
from lgvsc.semantics.describe_cache import DescribeCache
from lgvsc.semantics.prompts import QUESTIONS
from lgvsc.semantics.psss import CoveredMassWarning, Psss, semantic_divergence, semantic_similarity


class NumberedCaptioner:
    """Describes a frame by its index."""

    name = "numbered"
    identity: ClassVar = {"model": "numbered"}

    def __init__(self):
        self.cost = Cost()
        self.described = []

    def describe(self, frames):
        self.described += [frame.index for frame in frames]
        return [str(frame.index) for frame in frames]

    def describe_pair(self, first, second):
        return str(first.index), str(second.index)

    def caption(self, frames, motion, max_bytes):
        return ""


class CountingJudge:
    """The farther apart the numbers, the surer the no; a tenth of the mass belongs to other words."""

    name = "counting"

    def __init__(self):
        self.asked = []
        self.cost = Cost()

    def answer(self, question, pairs):
        self.asked.append((question, len(pairs)))
        return [Answer(0.9 - 0.1 * abs(int(a) - int(b)), 0.1 * abs(int(a) - int(b))) for a, b in pairs]


class SeeingModel(NumberedCaptioner, CountingJudge):
    """One model in both roles, which tells by its answers how it was asked."""

    def __init__(self):
        NumberedCaptioner.__init__(self)
        CountingJudge.__init__(self)

    def look(self, question, keyframe, candidates):
        return [Answer(0.1, 0.01 * c.index) for c in candidates]

    def compare(self, question, keyframe, candidates):
        return [Comparison(Answer(0.2, 0.01 * c.index), (str(keyframe.index), str(c.index))) for c in candidates]


def frame(index):
    return Frame(index, np.full((4, 4, 3), index, np.uint8))


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


def test_each_mode_goes_its_own_way():
    both = SeeingModel()
    key, others = frame(1), [frame(2), frame(3)]
    direct = Psss(both, both, mode="direct").scores(key, others)
    assert [(s.p_yes, s.p_no, s.texts) for s in direct] == [(0.1, 0.02, ("", "")), (0.1, 0.03, ("", ""))]
    joint = Psss(both, both, mode="joint").scores(key, others)
    assert [(s.p_yes, s.texts) for s in joint] == [(0.2, ("1", "2")), (0.2, ("1", "3"))]
    cached = Psss(both, both, mode="cached").scores(key, others)
    assert [s.p_yes for s in cached] == pytest.approx([0.8, 0.7])
    assert {s.mode for s in direct + joint + cached} == {"direct", "joint", "cached"}
    apart = Psss(NumberedCaptioner(), both, mode="joint").scores(key, others)  # two models cannot share a conversation
    assert [s.p_yes for s in apart] == pytest.approx([0.8, 0.7])
    assert both.cost.pairs == 8


def test_a_judge_of_texts_cannot_look():
    with pytest.raises(ConfigError, match="direct"):
        Psss(NumberedCaptioner(), CountingJudge(), mode="direct")
    with pytest.raises(ConfigError, match="mode"):
        Psss(NumberedCaptioner(), CountingJudge(), mode="quick")


def test_cached_mode_describes_each_frame_once():
    captioner = NumberedCaptioner()
    score = Psss(captioner, CountingJudge(), mode="cached")
    frames = [frame(i) for i in range(5)]
    score.scores(frames[0], frames[1:3])
    score.scores(frames[0], frames[3:])
    score.scores(frames[3], frames[1:])
    assert captioner.described == [0, 1, 2, 3, 4]
    assert captioner.cost.remembered == 6  # the keyframe of the second call, and all five of the third


def test_descriptions_stay_on_disk_under_everything_they_depend_on(tmp_path):
    frames = [frame(i) for i in range(3)]

    def described(captioner):
        DescribeCache(tmp_path).describe(captioner, frames, captioner.cost)
        return captioner.described

    assert described(NumberedCaptioner()) == [0, 1, 2]
    assert described(NumberedCaptioner()) == []
    other = NumberedCaptioner()
    other.identity = {"model": "numbered", "dtype": "bfloat16"}
    assert described(other) == [0, 1, 2]
    damaged = sorted(tmp_path.rglob("*.json"))
    assert len(damaged) == 6
    for path, content in zip(damaged, [b"", b"{}", b"[1]", b'{"text": 3}', b"\xff", b"null"], strict=True):
        path.write_bytes(content)
    assert described(NumberedCaptioner()) == [0, 1, 2]
    changed = [Frame(0, np.full((4, 4, 3), 9, np.uint8)), frames[1]]
    captioner = NumberedCaptioner()
    assert DescribeCache(tmp_path).describe(captioner, changed, captioner.cost) == ["0", "1"]
    assert captioner.described == [0]


def test_a_captioner_that_measures_leaves_the_judge_what_there_is_to_judge():
    class Measuring(NumberedCaptioner):
        def tell_apart(self, first, second):
            return Answer(0.0, 1.0) if second.index == 5 else None

    for mode in ("joint", "cached"):
        judge = CountingJudge()
        scores = Psss(Measuring(), judge, mode=mode).scores(frame(3), [frame(3), frame(5), frame(11)])
        assert [s.s_rel for s in scores] == pytest.approx([-0.9, 1.0, 0.7])
        assert [s.texts[1] for s in scores] == ["3", "5", "11"]
        assert judge.asked == [(QUESTIONS["general"], 2)]
    judge = CountingJudge()
    assert Psss(Measuring(), judge).divergence(frame(3), frame(5)).s_rel == 1.0 and judge.asked == []


class Unparted(NumberedCaptioner):
    """Writes about both frames in one go, and does not say where the second begins."""

    def describe_pair(self, first, second):
        return f"{first.index} and {second.index}", ""


class Silent(Unparted):
    def describe(self, frames):
        return ["" for _ in frames]


def test_a_pair_that_was_not_parted_is_described_frame_by_frame():
    captioner, judge = Unparted(), CountingJudge()
    scores = Psss(captioner, judge).scores(frame(0), [frame(4), frame(5)])
    assert [score.texts for score in scores] == [("0", "4"), ("0", "5")]
    assert sorted(captioner.described) == [0, 4, 5]
    assert scores[0].s_rel == pytest.approx(0.4 - 0.5)


def test_a_text_that_nobody_wrote_is_not_judged():
    judge = CountingJudge()
    (score,) = Psss(Silent(), judge).scores(frame(0), [frame(4)])
    assert (score.p_yes, score.p_no, score.s_rel, score.covered_mass) == (0.0, 0.0, 0.0, 0.0)
    assert judge.asked == []


def test_a_judge_that_was_not_answering_is_told_of_once():
    class Mumbling(CountingJudge):
        def answer(self, question, pairs):
            return [Answer(0.02, 0.01) for _ in pairs]

    psss = Psss(NumberedCaptioner(), Mumbling())
    with pytest.warns(CoveredMassWarning, match=r"counting gives yes and no together 0\.030"):
        psss.scores(frame(0), [frame(1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        psss.scores(frame(0), [frame(2)])
        Psss(NumberedCaptioner(), CountingJudge()).scores(frame(0), [frame(2)])
