from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lgvsc.core.interfaces import Detection
from lgvsc.errors import InputError
from lgvsc.models.catalog import find, load
from lgvsc.models.weights import load_asset
from lgvsc.nets.centernet import CenterNet
from lgvsc.semantics.backends.compact.detector import KINDS, CompactDetector, without_duplicates
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


def test_a_thing_is_named_once() -> None:
    def seen(kind: str, score: float, *box: float) -> Detection:
        return Detection(kind, score, (box[0], box[1], box[2], box[3]))

    found = [
        seen("person", 0.9, 0.1, 0.1, 0.9, 0.5),
        seen("person", 0.8, 0.12, 0.1, 0.9, 0.52),  # nearly the same box
        seen("person", 0.6, 0.1, 0.15, 0.5, 0.45),  # the upper half of the same
        seen("person", 0.5, 0.5, 0.2, 0.6, 0.25),  # a small one before the large one
        seen("person", 0.5, 0.1, 0.6, 0.9, 0.95),  # beside it
        seen("truck", 0.5, 0.1, 0.1, 0.9, 0.5),  # the same box under another name
        seen("dog", 0.4, 0.5, 0.2, 0.9, 0.5),
    ]
    assert without_duplicates(found) == (found[0], found[3], found[4], found[6])


def test_a_folder_takes_the_place_of_the_shipped_network(tmp_path: Path) -> None:
    data = load_asset(find("compact-detector"))
    (tmp_path / "model.safetensors").write_bytes(data)
    (tmp_path / "config.json").write_text('{"model_type": "centernet", "input_side": 128}')
    detector = load(str(tmp_path))
    assert isinstance(detector, CompactDetector)
    assert detector.input_side == 128
    assert detector.revision == load("compact-detector").revision
    (tmp_path / "config.json").write_text('{"model_type": "centernet", "input_side": "wide"}')
    with pytest.raises(InputError, match="input_side 'wide'"):
        load(str(tmp_path))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no folder of a detector"):
        load(str(tmp_path))
