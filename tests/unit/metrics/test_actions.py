"""Top-1 and Top-5, and a classifier of random weights as a folder that transformers reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_lookers import tiny_timesformer

from lgvsc.errors import InputError
from lgvsc.metrics.actions import hit, load_classifier


def test_a_label_is_hit_where_it_is_among_the_first():
    ranked = ["juggling balls", "Riding_Bike", "golf", "yoga", "surfing", "archery"]
    assert hit(ranked, "juggling_balls", 1) and not hit(ranked, "riding bike", 1)
    assert hit(ranked, "riding bike", 5) and not hit(ranked, "archery", 5)
    with pytest.raises(InputError, match="no label 'sleeping'"):
        hit(ranked, "sleeping", 5)


def test_a_folder_is_read_and_its_labels_are_ranked_as_the_network_itself_ranks_them(tmp_path):
    classifier = load_classifier(tiny_timesformer(tmp_path))
    transformers = pytest.importorskip("transformers")
    rng = np.random.default_rng(1)
    clip = [rng.integers(0, 256, (32, 32, 3), np.uint8) for _ in range(4)]
    ranked = classifier(clip)
    assert sorted(ranked) == [f"action {i}" for i in range(7)] and classifier.frames == 4
    network = transformers.TimesformerForVideoClassification.from_pretrained(tmp_path).eval()
    seen = torch.from_numpy(np.stack(clip)).permute(0, 3, 1, 2)[None].float() / 255
    with torch.no_grad():
        scores = network(pixel_values=(seen - 0.45) / 0.2).logits[0]
    assert ranked[0] == f"action {int(scores.argmax())}" and ranked[-1] == f"action {int(scores.argmin())}"
    wide = [np.pad(picture, ((0, 0), (9, 9), (0, 0))) for picture in clip]  # the square in the middle is looked at
    assert classifier(wide) == ranked


def test_another_kind_of_folder_is_refused(tmp_path):
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    with pytest.raises(InputError, match="holds no video classifier"):
        load_classifier(tmp_path)
