"""Training of the compact judge: pairs with right answers, and runs that change what they should."""

import json
import random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from lgvsc.core.interfaces import FOCUSES
from lgvsc.errors import ConfigError, InputError
from lgvsc.nets.word_senses import WordSenses
from lgvsc.semantics.backends.compact.judge import CompactJudge
from lgvsc.training.language.judge import SENSES, JudgeTraining, train, vocabulary
from lgvsc.training.language.judge_english import COMMON_WORDS, EnglishPairs
from lgvsc.training.language.judge_scenes import CHANGES, NAMED, SAID, TAGS, draw


@pytest.fixture(scope="module")
def senses():
    """The common words, each with a sense of its own."""
    pieces = sorted({word for word in COMMON_WORDS if len(word) > 2} | set("abcdefghijklmnopqrstuvwxyz"))
    pieces += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    vectors = torch.randint(-90, 90, (len(pieces), 16), generator=torch.Generator().manual_seed(0))
    return WordSenses(pieces, vectors.to(torch.int8))


@pytest.mark.parametrize("change", CHANGES)
def test_answers_are_probabilities_and_follow_the_change(change):
    drawn = [draw(random.Random(i), change) for i in range(30)]
    for example in drawn:
        for p_yes, p_no in example.answers.values():
            assert 0 < p_yes < 1 and 0 < p_no < 1 and p_yes + p_no <= SAID + 1e-9
    divergences = {focus: [e.answers[focus][1] - e.answers[focus][0] for e in drawn] for focus in FOCUSES}
    if change in ("same", "jitter"):
        assert max(divergences["general"]) < 0
    if change == "foreground":
        assert max(divergences["background"]) < 0.35 < max(divergences["main_object"])
    if change == "other scene":
        assert min(divergences["general"]) > 0.35


def test_the_grammar_speaks_of_recognised_things_and_places():
    texts = " ".join(draw(random.Random(i)).first for i in range(300))
    assert any(f" {kind} at " in texts for kind in NAMED if kind not in ("person", "cat"))
    assert any(f", {tag}, " in texts for tag in TAGS)
    assert {"zebra", "underwater"} <= set(vocabulary())


def test_english_pairs_agree_as_far_as_their_words_do(senses):
    pairs, rng = EnglishPairs(senses), random.Random(0)
    drawn = [pairs.draw(rng) for _ in range(300)]
    likeness = torch.tensor([senses.likeness(e.first, e.second)[1] for e in drawn])
    p_no = torch.tensor([e.answers["general"][1] for e in drawn])
    assert torch.corrcoef(torch.stack((likeness, p_no)))[0, 1] < -0.5
    assert all(len(set(e.answers.values())) == 1 for e in drawn)
    equal = [e for e in drawn if e.first.rstrip(".") == e.second.rstrip(".")]
    assert equal and all(e.answers["general"][0] > 0.9 for e in equal)


def short(senses, folder, **more):
    folder.mkdir(exist_ok=True)
    save_file({SENSES: senses.vectors}, str(folder / "senses.safetensors"), {"pieces": "\n".join(senses.pieces)})
    return train(JudgeTraining(seed=1, batch=4, log_every=1, save_every=1000, **more), folder)


@pytest.mark.slow
def test_a_run_makes_a_judge_and_a_head_goes_on_from_it(senses, tmp_path, monkeypatch):
    monkeypatch.setattr("lgvsc.training.language.judge.HELD_BACK", 2)
    first = short(senses, tmp_path / "a", steps=2)
    assert CompactJudge.load(first).answer("Same?", [("a dog", "a dog")])[0].p_yes > 0
    second = short(senses, tmp_path / "b", head_only=32, start=first)
    with safe_open(str(first), "pt") as a, safe_open(str(second), "pt") as b:
        changed = {name for name in a.keys() if not torch.equal(a.get_tensor(name), b.get_tensor(name))}  # noqa: SIM118
        assert changed and all(name.startswith("head.") for name in changed)
    rows = [json.loads(line) for line in (tmp_path / "b" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["head_pairs"] == 32 and "accuracy/free text/general" in rows[-1]["held_back"]


def test_a_run_without_end_is_refused():
    with pytest.raises(ConfigError, match="number of steps"):
        JudgeTraining(minutes=0.0)


def test_a_foreign_checkpoint_is_refused(senses, tmp_path):
    for state in ({"model": {}}, {"model": print}):
        torch.save(state, tmp_path / "checkpoint.pt")
        with pytest.raises(InputError, match="not a checkpoint"):
            short(senses, tmp_path, steps=1)
