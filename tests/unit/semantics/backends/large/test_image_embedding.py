"""CLIP, SigLIP and DINOv2 from folders: tiny, with random weights, against the library's own forward pass."""

import numpy as np
import pytest
import torch

from lgvsc.core.video import Frame
from lgvsc.errors import InputError
from lgvsc.semantics.backends.large.image_embedding import embedder

VISION = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip
TEXT = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 50,
    "max_position_embeddings": 8,
}  # fmt: skip


def clip_model(t):
    return t.CLIPModel(t.CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=16))


def siglip_model(t):
    return t.SiglipModel(t.SiglipConfig(vision_config=VISION, text_config=TEXT))


def dino_model(t):
    return t.Dinov2Model(
        t.Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8)
    )


@pytest.mark.parametrize("make", [clip_model, siglip_model, dino_model])
def test_vectors_are_the_librarys(make, transformers, tmp_path):
    torch.manual_seed(0)
    model = make(transformers).eval()
    model.save_pretrained(tmp_path)
    processor = transformers.CLIPImageProcessorPil(
        size={"height": 32, "width": 32}, do_center_crop=False, do_resize=True
    )
    processor.save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    frames = [Frame(i, rng.integers(0, 255, (40, 56, 3)).astype(np.uint8)) for i in range(3)]
    found = embedder(str(tmp_path)).embed(frames)
    pixels = processor([frame.pixels for frame in frames], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        if make is dino_model:
            expected = model(pixel_values=pixels).pooler_output
        else:
            expected = model.get_image_features(pixel_values=pixels)
            expected = expected if isinstance(expected, torch.Tensor) else expected.pooler_output
    expected = torch.nn.functional.normalize(expected, dim=-1).numpy()
    assert found == pytest.approx(expected, abs=1e-5)
    assert abs(float(found[0] @ found[1])) < 1 - 1e-6  # the picture matters


def test_a_language_model_is_no_image_embedding(transformers, internvl_folder):
    with pytest.raises((InputError, TypeError)):
        embedder(str(internvl_folder)).embed([Frame(0, np.zeros((32, 32, 3), np.uint8))])
