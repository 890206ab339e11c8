"""The caption model's training: counts become predictions, fitting helps, held-out captions stay out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lgvsc.coding.words.text import decode_text, encode_text
from lgvsc.coding.words.text_model import TOTAL, TextModel
from lgvsc.errors import ConfigError
from lgvsc.training.language.caption_corpus import english_captions, grammar_captions
from lgvsc.training.language.text_model import (
    TextModelTraining,
    count_up,
    fit_discounts,
    information,
    start_discounts,
    train,
)

TINY = TextModelTraining(english_sentences=100, grammar_sentences=30, library_bytes=1000, held_out=4)


def test_a_trained_model_is_written_and_codes_what_it_has_not_seen(tmp_path: Path) -> None:
    captions = {f"{index}.mp4": line for index, line in enumerate(english_captions(30, seed=5))}
    captions["0.mp4"] = "Quetzalcoatlus zigzags."  # the first name is held out
    lines = tmp_path / "captions.json"
    lines.write_text(json.dumps(captions), encoding="utf-8")
    config = TextModelTraining(
        lines=(lines,), english_sentences=100, grammar_sentences=10, library_bytes=1000, held_out=3
    )
    path = train(config, tmp_path / "out")
    log = json.loads((tmp_path / "out" / "log.json").read_text(encoding="utf-8"))
    model = TextModel.from_bytes(path.read_bytes())
    assert log["held_out"][0] == "0.mp4"
    assert 2.0 < log["bits_per_character"]["written"] < 8.0
    assert information(model, "Quetzalcoatlus") > 5.0 * len("Quetzalcoatlus")  # neither word nor beginning was learned
    assert decode_text(encode_text("A horse.", model), model) == "A horse."


def test_what_was_counted_often_is_likely() -> None:
    model = count_up(["a cat sat"] * 30 + ["a cow sat"] * 10, start_discounts(), TINY)
    after = model.frequencies(b"a c") / TOTAL
    assert after[ord("a")] > 2 * after[ord("o")] > 0.2
    assert after[ord("a")] + after[ord("o")] > 0.9


def test_fitting_never_costs_bits_on_the_lines_it_fits() -> None:
    model = count_up(grammar_captions(20) + english_captions(40), start_discounts(), TINY)
    written, measured = english_captions(4, seed=7), grammar_captions(2, seed=7)
    fitted = fit_discounts(model, written, measured)
    before = sum(information(model, line) for line in written + measured)
    model.discounts = fitted
    after = sum(information(model, line) for line in written + measured)
    assert after < before
    assert (fitted >= 0).all()
    assert (fitted < 256 * np.array([1, 2, 3])).all()  # else a count could turn negative


def test_contexts_that_nothing_may_be_left_of_are_refused() -> None:
    with pytest.raises(ConfigError, match="least_count"):
        TextModelTraining(least_count=0)
