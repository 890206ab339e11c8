"""Keyframe statistics and pages of pairs."""

import re
from fractions import Fraction

import numpy as np
import pytest
from typer.testing import CliRunner

from lgvsc import build
from lgvsc.cli.main import app
from lgvsc.config import load_config
from lgvsc.core.video import VideoFormat, VideoWriter
from lgvsc.errors import ConfigError
from lgvsc.experiments.cases import (
    EmbeddingRule,
    Pair,
    disagreements,
    focus_switches,
    matched_rule,
    skem_pairs,
    spread,
)
from lgvsc.experiments.keyframe_statistics import PAPERS_RULES, Counts, ScoringRule, count_keyframes, statistics
from lgvsc.inspection import find_keyframes
from lgvsc.semantics.embedding import ColourGradient
from lgvsc.semantics.psss import Score

FAST = {"keyframes.sample_fps": 4, "keyframes.turn": 0}  # as in the paper, every sample is compared


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Two scenes of a second each, in which a square wanders."""
    path = tmp_path_factory.mktemp("cases") / "walk <b>.mp4"
    scenes = np.random.default_rng(3).integers(0, 255, (2, 4, 6, 3)).astype(np.uint8).repeat(16, 1).repeat(16, 2)
    with VideoWriter(path, VideoFormat(64, 96, Fraction(8), None)) as writer:
        for index in range(16):
            picture = scenes[index // 8].copy()
            picture[20:40, 3 * index : 3 * index + 20] = (255, 255, 0)
            writer.write(picture)
    return path


def score(s_rel, focus="general", p_no=None):
    no = (1 + s_rel) / 2 if p_no is None else p_no
    return Score(no - s_rel, no, no - s_rel, s_rel, 1.0, ("a", "b"), s_rel, focus, "?", "joint")


def pair(s_rel, similarity=0.9, clip="c", background=0.0):
    scores = {"general": score(s_rel), "main_object": score(s_rel), "background": score(background)}
    return Pair(clip, 25.0, 0, 1, (b"", b""), scores, similarity)


@pytest.mark.parametrize("text", ["relative", "relative:x", "absolut:0.4", "relative:1", "absolute:-0.1", ""])
def test_rules_that_are_none_are_refused(text):
    with pytest.raises(ConfigError, match="rule"):
        ScoringRule.parse(text)


def test_rules_compare_what_they_say():
    relative, absolute = PAPERS_RULES
    unsure = score(0.1, p_no=0.5)  # P(Yes) 0.4, P(No) 0.5: the absolute rule fires, the relative one does not
    assert absolute.of(unsure) > absolute.threshold and relative.of(unsure) < relative.threshold
    assert ScoringRule.parse("absolute:0.4") == absolute


def test_counts_are_those_of_skem_under_either_rule(video):
    free = FAST | {"keyframes.mean_spacing_frames": 0}  # as many as the rules ask for
    similarity = build.psss(load_config(settings=free))
    counted = count_keyframes(video, load_config(settings=free), similarity, PAPERS_RULES)
    expected = []
    for rule in PAPERS_RULES:
        own = free | {"judge.rule": rule.rule, "keyframes.threshold": rule.threshold}
        expected.append(len(find_keyframes(video, load_config(settings=own)).keyframes))
    assert list(counted.keyframes) == expected and max(expected) > 2


def test_each_pair_is_scored_once_for_both_rules(video):
    similarity = build.psss(load_config(settings=FAST))
    once = count_keyframes(video, load_config(settings=FAST), similarity, PAPERS_RULES[:1])
    pairs = similarity.cost.pairs
    similarity.start_ledger()
    twice = count_keyframes(video, load_config(settings=FAST), similarity, [PAPERS_RULES[0]] * 2)
    assert twice.keyframes == once.keyframes * 2 and similarity.cost.pairs == pairs


def test_statistics_are_those_of_table_vi():
    """Mean 6, deviations -4, 0, 4: a sample variance of 16."""
    rows = statistics([Counts("a", (2, 1)), Counts("b", (6, 1)), Counts("c", (10, 1))], PAPERS_RULES)
    assert (rows[0].mean, rows[0].std, rows[0].min, rows[0].max) == (6, 4, 2, 10)
    assert rows[0].cv == pytest.approx(2 / 3) and rows[1].cv == 0


def test_pairs_are_those_that_skem_needed_whatever_is_speculated(video):
    def pairs(speculation):
        config = load_config(settings=FAST | {"keyframes.speculation": speculation})
        first = build.psss(config)
        return list(skem_pairs(video, config, [first, first.with_focus("background")], ColourGradient()))

    alone, ahead = pairs(1), pairs(4)
    curve = find_keyframes(video, load_config(settings=FAST)).curve
    assert [(p.second, p.divergence("general")) for p in alone] == curve
    assert [(p.first, p.second) for p in ahead] == [(p.first, p.second) for p in alone]
    for one in alone:
        assert set(one.scores) == {"general", "background"} and -1 <= (one.similarity or 2) <= 1
        assert one.pictures[0][:2] == b"\xff\xd8"


def test_the_two_types_of_disagreement():
    pairs = [
        pair(0.8, 0.99), pair(0.5, 0.97, "d"), pair(0.5, 0.955), pair(0.9, 0.3),  # PSSS fires
        pair(-0.9, 0.93), pair(-0.5, 0.94, "d"), pair(0.1, 0.93), pair(-0.9, 0.5), pair(-0.9, 0.99),
    ]  # fmt: skip
    found = disagreements(pairs, "general", 0.35, EmbeddingRule(0.95, 0.96, 0.92, ""))
    assert [p.similarity for p in found.type_1] == [0.99, 0.97]
    assert [p.similarity for p in found.type_2] == [0.93, 0.94]  # 0.1 is no decisive "the same", 0.5 not moderate
    assert (found.both, found.psss_only, found.embedding_only, found.neither) == (1, 3, 4, 1)


def test_a_matched_threshold_makes_as_many_keyframes_as_psss():
    rng = np.random.default_rng(0)
    pairs = [pair(float(rng.uniform(-1, 1)), float(rng.uniform(0.5, 1))) for _ in range(50)]
    rule = matched_rule(pairs, "general", 0.35)
    hits = sum(p.divergence("general") > 0.35 for p in pairs)
    assert sum((p.similarity or 0) < rule.threshold for p in pairs) == hits > 5
    with pytest.raises(ConfigError, match="rise"):
        EmbeddingRule(0.95, 0.9, 0.92, "")


def test_switches_of_focus_come_first_and_few_of_each_clip():
    pairs = [pair(0.1, background=0.0), pair(0.8, background=-0.5), pair(0.9, background=0.9, clip="d")]
    assert focus_switches(pairs, "main_object", "background", count=2)[0] is pairs[1]
    assert len(spread([pair(i / 10) for i in range(9)], lambda p: p.divergence("general"), 5, 2)) == 2


@pytest.mark.parametrize("kind", ["embedding", "focus"])
def test_a_page_holds_its_pictures_and_fetches_nothing(video, tmp_path, kind):
    page = tmp_path / "page.html"
    more = ["--below", "0.99999"] if kind == "embedding" else []
    sampled = ["--set", "keyframes.sample_fps=4"]
    ran = CliRunner().invoke(app, ["cases", kind, str(video), "-o", str(page), "-q", *sampled, *more])
    assert ran.exit_code == 0, ran.output
    text = page.read_text("utf-8")
    assert "data:image/jpeg;base64," in text and "<script" not in text
    assert not re.search(r"(?:src|href)=['\"]?(?:https?:)?//", text) and "url(" not in text
    assert "walk &lt;b&gt;" in text and "walk <b>" not in text  # names of files are text, not markup
    assert "S_rel" in text and "P(No)" in text


def test_statistics_on_the_command_line(video, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    ran = CliRunner().invoke(app, ["keyframe-stats", str(video), str(broken), "-q"])
    assert ran.exit_code == 0 and "CV" in ran.stdout and "P(No) > 0.4" in ran.stdout and "1 clips" in ran.stdout
    assert CliRunner().invoke(app, ["keyframe-stats", str(tmp_path / "absent.mp4"), "-q"]).exit_code != 0
