"""Tiny checkpoints of the large models: config, tokenizer, image processor and random weights, each in a folder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_tokenizer import tokenizer_with

from lgvsc.core.video import Frame


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tiny models are slower on many threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def transformers():
    return pytest.importorskip("transformers", reason="large models are an optional extra: pip install 'lgvsc[paper]'")


def spread_out(model, seed=0):
    """Weights of such size that every input matters; as they are drawn, toy models nearly ignore their pictures."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.ndim > 1:
            fan_in = weight.shape[1:].numel() if "embed" not in name else 1
            weight.data.copy_(torch.randn(weight.shape, generator=generator) / fan_in**0.5)
    model.get_output_embeddings().weight.data.mul_(2.0)
    return model


@pytest.fixture(scope="session")
def internvl_folder(transformers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-internvl")
    tokenizer = tokenizer_with(
        ["<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>", "<pad>"],
        eos_token="<|im_end|>",
        pad_token="<pad>",
        extra_special_tokens={
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": "<IMG_CONTEXT>",
            "video_token": "<video>",
        },
    )
    config = transformers.InternVLConfig(
        vision_config={
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
            "image_size": (56, 56), "patch_size": (14, 14),
        },
        text_config={
            "model_type": "qwen2", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "intermediate_size": 64, "vocab_size": len(tokenizer) + 5,
            "max_position_embeddings": 4096,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )  # fmt: skip
    spread_out(transformers.InternVLForConditionalGeneration(config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    transformers.GotOcr2ImageProcessorPil(size={"height": 56, "width": 56}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def qwen_folder(transformers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-qwen")
    tokenizer = tokenizer_with(
        ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<pad>"],
        eos_token="<|im_end|>",
        pad_token="<pad>",
    )
    config = transformers.Qwen3VLConfig(
        vision_config={
            "hidden_size": 32, "depth": 3, "num_heads": 2, "intermediate_size": 64, "out_hidden_size": 32,
            "patch_size": 8, "spatial_merge_size": 2, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1],
        },
        text_config={
            "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
            "head_dim": 8, "intermediate_size": 64, "vocab_size": len(tokenizer) + 5,
            "rope_parameters": {
                "rope_type": "default", "mrope_section": [2, 1, 1], "mrope_interleaved": True, "rope_theta": 1e4,
            },
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        tie_word_embeddings=False,
    )  # fmt: skip
    spread_out(transformers.Qwen3VLForConditionalGeneration(config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    transformers.Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, temporal_patch_size=2, size={"shortest_edge": 256, "longest_edge": 65536}
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def smolvlm_folder(transformers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-smolvlm")
    grid = [f"<row_{r}_col_{c}>" for r in range(1, 4) for c in range(1, 4)]
    tokenizer = tokenizer_with(
        ["<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<global-img>", "<image>", "<pad>", *grid],
        eos_token="<end_of_utterance>",
        pad_token="<pad>",
    )
    config = transformers.SmolVLMConfig(
        vision_config={
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
            "image_size": 64, "patch_size": 16,
        },
        text_config={
            "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "intermediate_size": 64, "vocab_size": len(tokenizer) + 5, "pad_token_id": 0,
            "max_position_embeddings": 4096,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        tie_word_embeddings=False,
        pad_token_id=0,
    )  # fmt: skip
    spread_out(transformers.SmolVLMForConditionalGeneration(config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    transformers.SmolVLMImageProcessorPil(
        size={"longest_edge": 128}, max_image_size={"longest_edge": 64}
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clip():
    """Twelve frames of 48x64: two scenes of drifting blobs."""
    rng = np.random.default_rng(5)
    frames = []
    for index in range(12):
        if index % 6 == 0:
            base, spot = rng.integers(0, 255, (48, 64, 3)), rng.integers(0, 255, 3)
        picture = base.copy()
        picture[10:30, 4 * (index % 6) : 4 * (index % 6) + 16] = spot
        frames.append(Frame(index, picture.astype(np.uint8)))
    return frames
