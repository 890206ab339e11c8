"""The detector equals the published graph under TensorFlow.js, on stored results."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lgvsc.models.catalog import find
from lgvsc.models.weights import load_asset
from lgvsc.nets.centernet import CenterNet, read_maps

skimage_data = pytest.importorskip("skimage.data")
REFERENCE = json.loads((Path(__file__).parent / "detector_reference.json").read_text("utf-8"))["detections"]


@pytest.fixture(scope="module")
def net() -> CenterNet:
    from safetensors.torch import load

    net = CenterNet()
    net.load_state_dict({name: value.float() for name, value in load(load_asset(find("compact-detector"))).items()})
    return net.eval()


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_detections_are_those_of_tensorflow_js(net: CenterNet, name: str) -> None:
    try:
        photograph = getattr(skimage_data, name)()[..., :3]
    except OSError:
        pytest.skip(f"scikit-image has no {name} on this machine")
    pixels = cv2.resize(photograph, (512, 512), interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        found = read_maps(*net(torch.from_numpy(pixels).permute(2, 0, 1)[None].float()))[0]
    ours = np.array([[*one.box, one.score, one.kind] for one in found])
    expected = np.array(REFERENCE[name])
    assert (ours[: len(expected), 4] > 0.3).all()
    assert ours[len(expected), 4] <= 0.3
    np.testing.assert_allclose(ours[: len(expected)], expected, atol=1e-3, rtol=0)
