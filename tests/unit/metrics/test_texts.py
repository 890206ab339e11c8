"""BLEU and ROUGE-L against values worked out by hand from their definitions."""

from __future__ import annotations

import math

import pytest

from lgvsc.metrics.texts import bleu, rouge_l


def test_bleu_is_the_geometric_mean_of_precisions_with_a_penalty_for_brevity():
    pytest.importorskip("sacrebleu")
    reference = "the cat sat on the mat today"
    assert bleu(reference, [reference]) == pytest.approx(1.0)
    # "the cat sat on a mat": 5 of 6 words, 3 of 5 pairs, 2 of 4 triples, 1 of 3 quadruples; 6 words against 7
    by_hand = math.exp(1 - 7 / 6) * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    assert bleu("the cat sat on a mat", [reference]) == pytest.approx(by_hand, abs=1e-6)
    assert bleu("the cat sat on a mat", ["a dog", "the cat sat on a mat"]) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no"):
        bleu("a", [])


def test_rouge_l_is_the_f_measure_of_the_longest_common_subsequence():
    pytest.importorskip("rouge_score")
    # the police killed the gunman: common with "police kill the gunman" is police, the, gunman
    precision, recall = 3 / 4, 3 / 5
    by_hand = 2 * precision * recall / (precision + recall)
    assert rouge_l("police kill the gunman", ["the police killed the gunman"]) == pytest.approx(by_hand)
    assert rouge_l("police kill the gunman", ["nothing here", "Police kill the gunman."]) == pytest.approx(1.0)
    assert rouge_l("gunman the kill police", ["police kill the gunman"]) == pytest.approx(1 / 4)
