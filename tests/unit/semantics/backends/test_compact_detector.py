from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lgvsc.errors import InputError
from lgvsc.nets.centernet import CenterNet
from lgvsc.semantics.backends.compact.detector import KINDS, CompactDetector
from lgvsc.semantics.backends.compact.detector_conversion import centernet_tensors, convert_detector


def test_boxes_are_fractions_of_the_picture_and_best_comes_first() -> None:
    detector = CompactDetector(CenterNet(), input_side=96)
    found = detector.detect(np.random.default_rng(0).integers(0, 256, (50, 90, 3), dtype=np.uint8), least_score=0.0)
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= edge <= 1.0 for one in found for edge in one.box)
    assert all(one.kind in KINDS for one in found)


def test_there_are_eighty_kinds() -> None:
    assert len(set(KINDS)) == 80


def test_other_weights_are_refused() -> None:
    with pytest.raises(InputError, match="not the weights"):
        CompactDetector.load(b"nothing")


def test_another_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not MobileNetV3-CenterNet"):
        centernet_tensors({})
    (tmp_path / "graph.json").write_text("{}")
    with pytest.raises(InputError, match="no whole"):
        convert_detector(tmp_path / "graph.json", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
