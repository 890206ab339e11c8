"""Open-Sora 1.2 with a few thousand weights, drawn so that every condition matters: in memory, and as folders."""

from __future__ import annotations

import json
import math
import string
from pathlib import Path

import torch
from torch import Tensor, nn

from lgvsc.nets.opensora_vae import OpenSoraVAE
from lgvsc.nets.stdit3 import STDiT3
from lgvsc.world.backends.opensora.opensora import OpenSora, OpenSoraConfig, OpenSoraNetworks

TEMPORAL = {"filters": 8, "num_res_blocks": 1, "num_groups": 4}
SPATIAL = {"block_out_channels": [4, 4, 4, 4], "layers_per_block": 1, "norm_num_groups": 2}
WIDTH, ROWS = 16, 96  # of the text encoder's output


class Letters:
    """A text encoder that knows letters: each has a row of its own."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def encode(self, prompt: str) -> tuple[Tensor, Tensor]:
        self.prompts.append(prompt)
        letters = [ord(letter) % 64 for letter in prompt[:ROWS]]
        table = torch.randn(64, WIDTH, generator=torch.Generator().manual_seed(1))
        rows, mask = torch.zeros(1, 1, ROWS, WIDTH), torch.zeros(1, ROWS, dtype=torch.long)
        rows[0, 0, : len(letters)] = table[letters]
        mask[0, : len(letters)] = 1
        return rows, mask


def networks() -> OpenSoraNetworks:
    transformer = redrawn(STDiT3.tiny(caption_channels=WIDTH, model_max_length=ROWS), 1.0)
    vae = redrawn(OpenSoraVAE(SPATIAL, TEMPORAL, micro_batch_size=17), 1.4)
    return OpenSoraNetworks(transformer, vae, Letters(), torch.device("cpu"), torch.float32)


def tiny_world(**settings: object) -> OpenSora:
    """The world model; two steps and small pictures unless told otherwise."""
    given = {"steps": 2, "resolution": "144p", "precision": "float32"} | settings
    loaded = networks()
    return OpenSora(lambda: loaded, OpenSoraConfig(**given))


def redrawn(module: nn.Module, gain: float) -> nn.Module:
    generator = torch.Generator().manual_seed(5)
    for name, value in module.state_dict().items():
        if name not in ("rope.freqs", "scale", "shift"):
            drawn = torch.randn(value.shape, generator=generator)
            if value.ndim > 1:
                drawn *= gain / math.sqrt(value[0].numel())
            else:
                drawn = 0.1 * drawn + float("norm" in name and name.endswith("weight"))
            value.copy_(drawn)
    return module.eval().requires_grad_(False)


def save_transformer(folder: Path, **changes: object) -> Path:
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    model = redrawn(STDiT3.tiny(**({"caption_channels": WIDTH, "model_max_length": ROWS} | changes)), 1.0)
    save_file(model.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "STDiT3", "input_sq_size": 512}))
    return folder


def save_vae(folder: Path) -> Path:
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    vae = redrawn(OpenSoraVAE(SPATIAL, TEMPORAL), 1.4)
    save_file(vae.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"spatial": SPATIAL, "temporal": TEMPORAL}))
    return folder


def save_text_encoder(folder: Path) -> Path:
    """A T5 encoder with random weights and a tokenizer of letters, as two folders in one."""
    from transformers import T5Config, T5EncoderModel, T5TokenizerFast

    marks = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces = marks + [(letter, -3.0) for letter in string.ascii_lowercase + string.digits + ".,:-"]
    torch.manual_seed(3)
    config = T5Config(
        vocab_size=len(pieces), d_model=WIDTH, d_kv=8, d_ff=24, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False,
    )  # fmt: skip
    T5EncoderModel(config).save_pretrained(folder / "text_encoder")
    T5TokenizerFast(vocab=pieces, extra_ids=0).save_pretrained(folder / "tokenizer")
    return folder
