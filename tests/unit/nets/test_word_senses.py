"""How alike two texts are by the senses of their words."""

import pytest
import torch

from lgvsc.nets.word_senses import MEASURES, STEPS, WordSenses, spread


@pytest.fixture
def senses():
    return WordSenses.tiny()


def words(senses, text):
    return [senses.pieces[i] for i in senses.find(text)]


def test_words_are_cut_into_the_longest_pieces(senses):
    assert words(senses, "A Red dog!") == ["a", "red", "dog"]
    assert words(senses, "dogs") == ["dog", "##s"]
    assert words(senses, "Dög, ČAR") == ["dog", "car"]
    assert words(senses, "犬 and 7") == ["a", "##n", "##d"]
    assert words(senses, "") == []


def test_likeness_is_one_for_equal_texts_and_ordered_for_others(senses):
    assert senses.likeness("a red dog", "a red dog") == pytest.approx((1.0, 1.0, 1.0), abs=1e-5)
    near, far = senses.likeness("red dog", "red puppy"), senses.likeness("red dog", "red car")
    assert all(a > b for a, b in zip(near, far, strict=True))
    assert senses.likeness("red dog", "car") == pytest.approx(senses.likeness("car", "red dog"), abs=1e-6)


def test_the_worse_way_counts_what_only_one_text_has(senses):
    _, mean, worse = senses.likeness("dog", "dog car red")
    assert worse < mean < 1.0


def test_texts_without_a_known_word(senses):
    assert senses.likeness("", "犬") == (1.0, 1.0, 1.0)
    assert senses.likeness("", "dog") == (0.0, 0.0, 0.0)


def test_measures_are_spread_over_steps():
    found = spread([(0.0, 0.1, 1.0), (0.55, 0.55, 0.55)])
    assert found.shape == (2, MEASURES * STEPS)
    parts = found.reshape(2, MEASURES, STEPS)
    assert parts[0, 0].sum() == 0 and parts[0, 1].sum() == 0 and parts[0, 2].sum() == pytest.approx(STEPS, abs=1e-4)
    assert torch.all(parts[1].diff(dim=1) <= 0)
    assert parts[1, 0].sum() == pytest.approx(4.5, abs=1e-4)  # four marks behind it, the fifth step half done


def test_pieces_and_vectors_belong_together():
    with pytest.raises(ValueError, match="2 pieces"):
        WordSenses(["a", "b"], torch.zeros(3, 4, dtype=torch.int8))
