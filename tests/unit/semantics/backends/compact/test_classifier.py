"""The compact classifier: what a whole picture shows."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage import data

from lgvsc.errors import InputError
from lgvsc.models.catalog import load
from lgvsc.nets.efficientnet_lite import EfficientNetLite
from lgvsc.semantics.backends.compact import classifier_kinds
from lgvsc.semantics.backends.compact.classifier import CompactClassifier
from lgvsc.semantics.backends.compact.classifier_conversion import EPSILON, classifier_tensors, convert_classifier


@pytest.fixture(scope="module")
def shipped() -> CompactClassifier:
    return load("compact-classifier")


def test_a_cat_and_a_cup_are_told_apart(shipped) -> None:
    _, likely = shipped.look(data.chelsea())
    words = shipped.words(likely)
    assert words["cat"] > 0.4 and words["animal"] >= words["cat"]
    assert "cat" in classifier_kinds.shown(words)
    _, likely = shipped.look(cv2.resize(data.coffee(), (320, 200), interpolation=cv2.INTER_AREA))
    assert shipped.words(likely)["cup of coffee"] > 0.4


def test_summaries_have_their_size_whatever_the_picture_has(shipped) -> None:
    for size in ((40, 300), (256, 456), (720, 64)):
        summary, likely = shipped.look(np.full((*size, 3), 90, np.uint8))
        assert summary.shape == (shipped.summary_size,)
        assert likely.sum() == pytest.approx(1, abs=1e-4)


def test_narrow_words_come_before_wide_ones_and_one_class_is_named_once() -> None:
    likely = dict.fromkeys(classifier_kinds.CLASSES, 0.0)
    assert classifier_kinds.shown(likely | {"orangutan": 0.6, "ape": 0.7, "animal": 0.9}) == ("orangutan",)
    assert classifier_kinds.shown(likely | {"orangutan": 0.3, "ape": 0.6, "animal": 0.9}) == ("ape",)
    assert classifier_kinds.shown(likely | {"animal": 0.9, "valley": 0.6}) == ("animal", "valley")
    assert classifier_kinds.shown(likely | {"valley": 0.1}) == ()


def test_every_word_has_a_class_that_is_kept() -> None:
    kept = set(classifier_kinds.KEPT)
    assert all(kept & set(numbers) for numbers in classifier_kinds.CLASSES.values())
    assert kept <= set(range(classifier_kinds.PUBLISHED))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the weights of the compact classifier"):
        CompactClassifier.load(b"nothing")
    torch.save({"_conv_stem.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="is not the published EfficientNet-Lite0"):
        convert_classifier(tmp_path / "other.pth", tmp_path / "made.safetensors")
    assert not (tmp_path / "made.safetensors").exists()


def test_published_weights_become_ours(tmp_path: Path) -> None:
    torch.save(published := made_up(), tmp_path / "published.pth")
    convert_classifier(tmp_path / "published.pth", tmp_path / "made.safetensors")
    made = CompactClassifier.load(tmp_path / "made.safetensors")
    summary, likely = made.look(np.full((64, 64, 3), 90, np.uint8))
    assert summary.shape == (1280,) and len(likely) == len(classifier_kinds.KEPT)
    tensors = classifier_tensors(published)
    gain = published["_bn0.weight"] / (published["_bn0.running_var"] + EPSILON).sqrt()
    assert torch.allclose(tensors["stem.weight"][3], published["_conv_stem.weight"][3] * gain[3])


def made_up() -> dict[str, torch.Tensor]:
    """Random weights by the published names."""
    net, found = EfficientNetLite(), {}
    generator = torch.Generator().manual_seed(0)

    def put(convolution, normalisation, weight):
        found[f"{convolution}.weight"] = torch.randn(weight.shape, generator=generator) * 0.1
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{normalisation}.{part}"] = torch.rand(len(weight), generator=generator)

    put("_conv_stem", "_bn0", net.stem.weight)
    for index, block in enumerate(net.blocks):
        there = f"_blocks.{index}"
        if block.expand is not None:
            put(f"{there}._expand_conv", f"{there}._bn0", block.expand.weight)
        put(f"{there}._depthwise_conv", f"{there}._bn1", block.depthwise.weight)
        put(f"{there}._project_conv", f"{there}._bn2", block.project.weight)
    put("_conv_head", "_bn1", net.last.weight)
    found["_fc.weight"], found["_fc.bias"] = torch.randn(1000, 1280, generator=generator), torch.zeros(1000)
    return found
