"""BERT score: the package of its authors gives the same on the same encoder, and what has no words has no score."""

import pytest
from tiny_bert import tiny_bert

PAIRS = (  # reference, candidate, and what bert-score 0.3.13 says with this encoder at its last layer, without idf
    ("a red dog runs", "a blue cat sleeps on the grass", 0.2461102),
    ("a red dog runs", "a red dog runs", 1.0),
    ("the sky", "a green dog on the sky", 0.7968808),
    ("unseen words here", "a dog", 0.8699973),
)


@pytest.mark.parametrize("reference, candidate, golden", PAIRS)
def test_it_equals_the_authors_package(tmp_path, reference, candidate, golden):
    assert tiny_bert(tmp_path)(reference, candidate) == pytest.approx(golden, abs=2e-5)


def test_a_text_without_words_is_refused(tmp_path):
    with pytest.raises(ValueError, match="without words"):
        tiny_bert(tmp_path)("a dog", "  ")
