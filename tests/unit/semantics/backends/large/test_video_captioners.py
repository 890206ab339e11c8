"""Captioners of whole clips, tiny: PLLaVA from its published layout, Video-LLaVA against the library's own pass."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_tokenizer import tokenizer_with

from lgvsc.errors import ConfigError, InputError
from lgvsc.models.catalog import load
from lgvsc.semantics.backends.large.conversation import Picture, Prompt
from lgvsc.semantics.backends.large.conversion import convert
from lgvsc.semantics.backends.large.video_captioners import (
    MEAN,
    STD,
    centre_square,
    load_pllava,
    pool_clip,
    shrunk,
    spread,
)
from lgvsc.semantics.backends.large.vision_language import LargeModelConfig

CONFIG = LargeModelConfig(device="cpu", dtype="float32", description_tokens=6, caption_tokens=12)
SHAPE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}


def drawn(make, config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(config)


@pytest.fixture(scope="module")
def pllava(transformers, tmp_path_factory):
    """A tiny Llava, the same weights in PLLaVA's published layout with LoRA parts, and what they should add up to."""
    folder = tmp_path_factory.mktemp("published-pllava")
    tokenizer = tokenizer_with(
        ["<unk>", "<s>", "</s>", "<image>", "<pad>"], bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    tokenizer.save_pretrained(folder)
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **SHAPE, "image_size": 56, "patch_size": 14},
        text_config={"model_type": "llama", **SHAPE, "vocab_size": len(tokenizer), "max_position_embeddings": 4096},
        image_token_index=image,
        tie_word_embeddings=False,
    )  # fmt: skip
    model = drawn(transformers.LlavaForConditionalGeneration, config)
    plain = {k: v.clone() for k, v in model.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    stored, merged = {}, dict(plain)
    for name, value in plain.items():
        if name.startswith("model.language_model."):
            old = "language_model.base_model.model.model." + name.removeprefix("model.language_model.")
        elif name == "lm_head.weight":
            old = "language_model.base_model.model.lm_head.weight"
        else:
            old = name.removeprefix("model.")
        if any(part in name for part in ("q_proj", "v_proj")) and "language_model" in name:
            stem = old.removesuffix(".weight")
            down, up = (torch.randn(s, generator=generator) for s in ((8, 32), (32, 8)))
            stored |= {f"{stem}.base_layer.weight": value, f"{stem}.lora_A.default.weight": down}
            stored[f"{stem}.lora_B.default.weight"] = up
            merged[name] = value + 4 / 8 * up @ down
        else:
            stored[old] = value
    save_file(stored, folder / "model.safetensors")
    (folder / "config.json").write_text(
        json.dumps({"model_type": "llava", "image_token_index": image, **{
            key: getattr(config, key).to_dict() for key in ("text_config", "vision_config")
        }})
    )  # fmt: skip
    return folder, merged


def test_pllavas_lora_parts_are_merged_with_the_factor_of_its_evaluation(pllava, tmp_path, clip):
    folder, merged = pllava
    convert(folder, tmp_path / "pllava")
    model = load(str(tmp_path / "pllava"), CONFIG)
    state = model._model.state_dict()
    assert state.keys() == merged.keys()
    for name, value in merged.items():
        assert torch.allclose(state[name], value, atol=1e-6), name
    assert not any("lora" in name for name in load_file(tmp_path / "pllava" / "model.safetensors"))
    caption = model.caption(clip, None, 60)
    assert len(caption.encode()) <= 60
    sixteen = [frame.pixels for frame in (clip * 2)[:16]]
    with torch.inference_mode():
        assert model.clip(sixteen).shape == (16 * 4 * 4, 32)  # 4x4 patches are fewer than the 12x12 that it pools to


def test_pooling_is_an_average_over_neighbouring_patches():
    features = torch.arange(16 * 24 * 24, dtype=torch.float32).view(16, 576, 1)
    pooled = pool_clip(features, (16, 12, 12))
    assert pooled.shape == (2304, 1)
    by_hand = features.view(16, 12, 2, 12, 2).mean(dim=(2, 4)).reshape(-1, 1)
    assert torch.equal(pooled, by_hand)


def test_frames_of_a_clip_are_taken_from_the_middle_of_equal_parts():
    assert spread(160, 16) == list(range(5, 160, 10)) and spread(2, 4) == [0, 0, 1, 1] and spread(1, 3) == [0, 0, 0]
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 100:200] = 255
    square = centre_square(picture, 50)
    assert square.shape == (50, 50, 3) and square.min() > 0.9
    assert shrunk(np.zeros((400, 1280, 3), np.uint8), 640).shape == (200, 640, 3)


def test_video_llava_sees_eight_frames_and_draws_words_reproducibly(transformers, tmp_path, clip):
    tokenizer = tokenizer_with(
        ["<unk>", "<s>", "</s>", "<image>", "<video>", "<pad>"], bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    config = transformers.VideoLlavaConfig(
        vision_config={"model_type": "clip_vision_model", **SHAPE, "image_size": 28, "patch_size": 14},
        text_config={"model_type": "llama", **SHAPE, "vocab_size": len(tokenizer), "max_position_embeddings": 4096},
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        video_seq_length=8 * 5,
        tie_word_embeddings=False,
    )  # fmt: skip
    net = drawn(transformers.VideoLlavaForConditionalGeneration, config)
    net.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = load(str(tmp_path), CONFIG)
    with torch.inference_mode():
        features = model.clip([frame.pixels for frame in clip[:8]])
    assert features.shape == (8 * 5, 32)
    draws = [model.describe_video(clip, max_tokens=12, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(f"USER: {'<video>' * 40}\nWhat? ASSISTANT:").input_ids]])
    pixels = np.stack(
        [(centre_square(f, 28) - np.float32(MEAN)) / np.float32(STD) for f in (frame.pixels for frame in clip[:8])]
    )
    with torch.inference_mode():
        expected = net.eval()(
            input_ids=ids, pixel_values_videos=torch.from_numpy(pixels).permute(0, 3, 1, 2)[None]
        ).logits
    _, logits = model._reader.read([Prompt(tuple(ids[0].tolist()), (Picture("", features, 8),))], None, model.cost)
    assert torch.allclose(logits[0], expected[0, -1], atol=1e-5)


def test_they_describe_clips_and_nothing_else(pllava, tmp_path, clip):
    with pytest.raises(InputError, match=r"cannot be read|lacks"):
        load_pllava(pllava[0], CONFIG)  # as it was published
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="models convert pllava-7b"):
        load_pllava(tmp_path, CONFIG)
    convert(pllava[0], tmp_path / "pllava")
    with pytest.raises(ConfigError, match="segment_captioner"):
        load(str(tmp_path / "pllava"), CONFIG).describe_pair(clip[0], clip[1])
