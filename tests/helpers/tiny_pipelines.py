"""Pipelines of diffusers with a few thousand weights, drawn so that every condition matters, saved as folders."""

from __future__ import annotations

import json
import math
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

WIDTH = 32  # of the text encoders' output
LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits + ".,:-"


def redrawn(network: nn.Module, gain: float) -> nn.Module:
    """Matrices with deviation ``gain / sqrt(inputs)``; as they are drawn, toy networks nearly ignore their inputs."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, value in network.named_parameters():
            drawn = torch.randn(value.shape, generator=generator)
            if value.ndim > 1:
                value.copy_(drawn * gain / math.sqrt(value[0].numel()))
            else:
                value.copy_(0.1 * drawn + float("norm" in name and name.endswith(("weight", "gamma"))))
    return network.eval()


def letters(length: int = 48) -> Any:
    """A tokenizer of letters."""
    from transformers import T5TokenizerFast

    marks = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces = marks + [(letter, -3.0) for letter in LETTERS]
    return T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=length)


def text_encoder(kind: str) -> Any:
    """T5 or UMT5, encoder only."""
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=4 + len(LETTERS), d_model=WIDTH, d_kv=8, d_ff=24, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    )  # fmt: skip
    return redrawn(getattr(transformers, f"{kind}EncoderModel")(config), 1.0)


def wan_vae(z_dim: int = 16, **changes: Any) -> Any:
    from diffusers import AutoencoderKLWan

    return redrawn(
        AutoencoderKLWan(
            base_dim=3, z_dim=z_dim, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
            temperal_downsample=[False, True, True], **changes,
        ),
        1.4,
    )  # fmt: skip


def wan_sampler() -> Any:
    from diffusers import UniPCMultistepScheduler

    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


SIZES: dict[str, Any] = {
    "num_attention_heads": 2, "attention_head_dim": 12, "text_dim": WIDTH, "freq_dim": 16, "ffn_dim": 24,
    "num_layers": 2, "rope_max_seq_len": 32,
}  # fmt: skip


def save_vace(folder: Path) -> Path:
    from diffusers import WanVACEPipeline, WanVACETransformer3DModel

    network = WanVACETransformer3DModel(**SIZES, vace_layers=[0, 1], vace_in_channels=96)
    WanVACEPipeline(
        tokenizer=letters(), text_encoder=text_encoder("UMT5"), vae=wan_vae(), scheduler=wan_sampler(),
        transformer=redrawn(network, 1.0),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_flf2v(folder: Path) -> Path:
    """First and last frame, both also through an image encoder."""
    from diffusers import WanImageToVideoPipeline, WanTransformer3DModel
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

    seen = CLIPVisionConfig(
        hidden_size=16, projection_dim=16, num_hidden_layers=2, num_attention_heads=2, image_size=32,
        intermediate_size=24, patch_size=16,
    )  # fmt: skip
    network = WanTransformer3DModel(
        **SIZES, in_channels=36, out_channels=16, image_dim=16, added_kv_proj_dim=24, pos_embed_seq_len=2 * 5
    )
    size = {"height": 32, "width": 32}
    WanImageToVideoPipeline(
        tokenizer=letters(), text_encoder=text_encoder("UMT5"), vae=wan_vae(), scheduler=wan_sampler(),
        image_encoder=redrawn(CLIPVisionModel(seen), 1.0),
        image_processor=CLIPImageProcessorPil(size=size, crop_size=size),
        transformer=redrawn(network, 1.0),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_a14b(folder: Path) -> Path:
    """Wan 2.2: two networks, no image encoder."""
    from diffusers import WanImageToVideoPipeline, WanTransformer3DModel

    networks = [redrawn(WanTransformer3DModel(**SIZES, in_channels=36, out_channels=16), 1.0) for _ in range(2)]
    WanImageToVideoPipeline(
        tokenizer=letters(), text_encoder=text_encoder("UMT5"), vae=wan_vae(), scheduler=wan_sampler(),
        transformer=networks[0], transformer_2=networks[1], boundary_ratio=0.9,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_ti2v(folder: Path) -> Path:
    """Wan 2.2 TI2V: a time step for each token, and a first picture at most. Its index names another class."""
    from diffusers import WanPipeline, WanTransformer3DModel

    network = WanTransformer3DModel(**SIZES, in_channels=16, out_channels=16)
    WanPipeline(
        tokenizer=letters(), text_encoder=text_encoder("UMT5"), vae=wan_vae(), scheduler=wan_sampler(),
        transformer=redrawn(network, 1.0), expand_timesteps=True,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_ltx(folder: Path, timestep_conditioning: bool = False) -> Path:
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXConditionPipeline,
        LTXVideoTransformer3DModel,
    )

    blocks: dict[str, Any] = {
        "block_out_channels": (8, 8, 8, 8), "decoder_block_out_channels": (8, 8, 8, 8),
        "layers_per_block": (1, 1, 1, 1, 1), "decoder_layers_per_block": (1, 1, 1, 1, 1),
    }  # fmt: skip
    vae = AutoencoderKLLTXVideo(latent_channels=8, timestep_conditioning=timestep_conditioning, **blocks)
    network = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
        num_layers=2, caption_channels=WIDTH,
    )  # fmt: skip
    LTXConditionPipeline(
        tokenizer=letters(), text_encoder=text_encoder("T5"), vae=redrawn(vae, 1.4),
        scheduler=FlowMatchEulerDiscreteScheduler(), transformer=redrawn(network, 1.0),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_distilled_ltx(folder: Path) -> Path:
    return save_ltx(folder, timestep_conditioning=True)


def save_sd3(folder: Path) -> Path:
    """Stable Diffusion 3.5 with its ControlNet inside, and no T5 encoder; the index speaks of the plain pipeline."""
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        SD3ControlNetModel,
        SD3Transformer2DModel,
        StableDiffusion3ControlNetPipeline,
    )
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

    pieces = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(letter + "</w>" for letter in LETTERS)]
    words = CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], model_max_length=48)
    spoken = CLIPTextConfig(
        hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, projection_dim=32,
        vocab_size=len(pieces), max_position_embeddings=48, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    size: dict[str, Any] = {
        "sample_size": 32, "patch_size": 2, "in_channels": 8, "out_channels": 8, "attention_head_dim": 8,
        "num_attention_heads": 4, "joint_attention_dim": 64, "caption_projection_dim": 32, "pooled_projection_dim": 64,
    }  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(4,), latent_channels=8, norm_num_groups=1, use_quant_conv=False, use_post_quant_conv=False,
        shift_factor=0.06, scaling_factor=1.5,
    )  # fmt: skip
    StableDiffusion3ControlNetPipeline(
        transformer=redrawn(SD3Transformer2DModel(**size, num_layers=2), 1.0),
        controlnet=redrawn(SD3ControlNetModel(**size, num_layers=1), 1.0),
        vae=redrawn(vae, 1.4), scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=redrawn(CLIPTextModelWithProjection(spoken), 1.0), tokenizer=words,
        text_encoder_2=redrawn(CLIPTextModelWithProjection(spoken), 1.0), tokenizer_2=words,
        text_encoder_3=None, tokenizer_3=None,
    ).save_pretrained(folder)  # fmt: skip
    index = json.loads((folder / "model_index.json").read_text())
    del index["controlnet"]
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusion3Pipeline"}))
    return folder


PIPELINES: dict[str, Callable[[Path], Path]] = {
    "wan-vace": save_vace,
    "wan-flf2v": save_flf2v,
    "wan-a14b": save_a14b,
    "wan-ti2v": save_ti2v,
    "ltx": save_ltx,
    "ltx-distilled": save_distilled_ltx,
}
