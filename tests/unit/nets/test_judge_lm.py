"""The judge's language model: causal, the same alone and in a batch, and honest about its labels."""

import pytest
import torch

from lgvsc.nets.judge_lm import SPECIALS, UNKNOWN_BUCKETS, JudgeLM, JudgeLMConfig, WordTokenizer, label_ids
from lgvsc.nets.word_senses import WordSenses

WORDS = ["a", "red", "ball", "yes", "no", "Yes", "No", ".", "?", "same"]


@pytest.fixture
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return JudgeLM.tiny(vocabulary=len(WordTokenizer(WORDS))).eval()


def test_labels_are_found_by_scanning():
    tokenizer = WordTokenizer(WORDS)
    names = {i: word for word, i in tokenizer.get_vocab().items()}
    assert {names[i] for i in label_ids(tokenizer, "yes")} == {"yes", "Yes"}
    assert {names[i] for i in label_ids(tokenizer, "no")} == {"no", "No"}


def test_labels_with_marks_of_other_tokenizers_are_found():
    class Marked:
        def get_vocab(self):
            return {"▁No": 0, "No": 1, "Ġno": 2, "not": 3, "Yes": 4}

    assert label_ids(Marked(), "no") == [0, 1, 2]


def test_a_vocabulary_without_a_label_is_refused():
    with pytest.raises(ValueError, match="yes"):
        label_ids(WordTokenizer(["a", "no"]), "yes")


def test_unknown_words_stay_themselves():
    tokenizer = WordTokenizer(WORDS)
    zebra, again, lynx = tokenizer.encode("zebra Zebra lynx")
    assert zebra == again != lynx
    assert len(SPECIALS) <= zebra < len(SPECIALS) + UNKNOWN_BUCKETS


def test_special_tokens_cannot_be_written_in_a_text():
    tokenizer = WordTokenizer(WORDS)
    assert not set(tokenizer.encode("<answer> <first> a")) & set(range(len(SPECIALS)))


def test_long_texts_are_cut_but_the_answer_mark_stays():
    tokenizer = WordTokenizer(WORDS)
    prompt = tokenizer.prompt("same ?", "a ball . " * 400, "red ball . " * 400, max_tokens=128)
    assert len(prompt) <= 128
    assert prompt[-1] == tokenizer.get_vocab()["<answer>"]
    assert tokenizer.get_vocab()["<second>"] in prompt and tokenizer.get_vocab()["red"] in prompt


def test_no_position_sees_what_comes_after_it(model):
    tokens = torch.randint(0, 100, (1, 30), generator=torch.Generator().manual_seed(1))
    other = tokens.clone()
    other[0, 20:] = 5
    with torch.no_grad():
        before, after = model(tokens), model(other)
    torch.testing.assert_close(before[:, :20], after[:, :20])
    assert (before[:, 20:] - after[:, 20:]).abs().max() > 1e-4


def test_probabilities_do_not_depend_on_the_batch(model):
    generator = torch.Generator().manual_seed(2)
    prompts = [torch.randint(0, 100, (n,), generator=generator).tolist() for n in (40, 7, 101)]
    with torch.no_grad():
        together = model.answer_probabilities(prompts)
        alone = torch.cat([model.answer_probabilities([prompt]) for prompt in prompts])
    torch.testing.assert_close(together.sum(dim=1), torch.ones(3))
    assert (together - alone).abs().max() < 1e-6


def test_questions_in_threads_are_answered_as_if_alone(model):
    """Two questions in one row share the descriptions and nothing else."""
    generator = torch.Generator().manual_seed(3)
    told = torch.randint(0, 100, (20,), generator=generator).tolist()
    asked = [[1, *torch.randint(0, 100, (n,), generator=generator).tolist()] for n in (9, 12)]
    row = torch.tensor([told + asked[0] + asked[1]])
    threads = torch.tensor([[0] * 20 + [1] * 10 + [2] * 13])
    with torch.no_grad():
        both = model.logits(model.hidden(row, threads))
        first = model(torch.tensor([told + asked[0]]))
    torch.testing.assert_close(both[0, 29], first[0, -1], atol=1e-5, rtol=1e-4)
    hidden_from_second = row.clone()
    hidden_from_second[0, 22] = (row[0, 22] + 1) % 100
    with torch.no_grad():
        seen = model.logits(model.hidden(hidden_from_second, threads))[0, 33:] - both[0, 33:]
        plain = model(hidden_from_second)[0, 33:] - model(row)[0, 33:]
    assert seen.abs().max() < 0.2 * plain.abs().max()  # only through the one word in front of the thread


def test_sizes_that_cannot_be_split_are_refused():
    with pytest.raises(ValueError, match="heads"):
        JudgeLMConfig(vocabulary=100, width=30, heads=4)


def test_too_long_an_input_is_refused(model):
    with pytest.raises(ValueError, match="128"):
        model(torch.zeros(1, 129, dtype=torch.long))


def test_likeness_changes_the_answer_and_nothing_before_it_is_learned():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = JudgeLMConfig(vocabulary=200, width=32, layers=2, heads=2, max_tokens=128, sense_size=8)
        model = JudgeLM(config, WordSenses.tiny()).eval()
    prompts = [[5, 6, 7, 4], [8, 9, 4]]
    alike = model.likeness([("a red dog", "a puppy"), ("a car", "a car")])
    with torch.no_grad():
        plain = model.answer_probabilities(prompts)
        assert torch.equal(plain, model.answer_probabilities(prompts, alike))
        model.head.outside.weight.normal_(generator=torch.Generator().manual_seed(2))
        told = model.answer_probabilities(prompts, alike)
        assert (told - plain).abs().max() > 1e-4
        assert torch.equal(plain, model.answer_probabilities(prompts))
        alone = torch.cat([model.answer_probabilities([p], alike[i : i + 1]) for i, p in enumerate(prompts)])
    torch.testing.assert_close(told, alone)
    assert JudgeLM.tiny().head is None and JudgeLM.tiny().likeness([("a", "b")]) is None
    with pytest.raises(ValueError, match="size 8"):
        JudgeLM(config)
