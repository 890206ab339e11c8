"""InternVL in the transformers library's own layout: tiles of 448 pixels, 256 tokens each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lgvsc.core.video import Frame
from lgvsc.errors import InputError
from lgvsc.semantics.backends.large.conversation import Picture, Reader
from lgvsc.semantics.backends.large.vision_language import (
    ChatFormat,
    LargeModelConfig,
    VisionLanguageModel,
    read_checkpoint,
    weights_name,
)

CHAT = ChatFormat("", "<|im_start|>user\n", "<|im_end|>", "<|im_start|>assistant\n")


def load(folder: Path, config: LargeModelConfig | None = None) -> InternVL:
    """From a folder in the layout of ``InternVLForConditionalGeneration``.

    Raises:
        InputError: The folder holds something else, for example the layout in which InternVL2 was published.
    """
    name, _, kind = weights_name(folder)
    if kind == "internvl_chat":
        raise InputError(f"{folder} is in the published layout of remote code; run: lgvsc models convert {name}")
    return read_checkpoint(InternVL, folder, "InternVLForConditionalGeneration", config)


class InternVL(VisionLanguageModel):
    """InternVL 2 (converted), 2.5, 3 and 3.5."""

    @property
    def chat(self) -> ChatFormat:  # type: ignore[override]
        """ChatML; a Llama text part, as in InternVL2-8B, wants its beginning mark in front."""
        llama = self._model.config.text_config.model_type == "llama"
        return ChatFormat(self._tokenizer.bos_token or "", CHAT.user, CHAT.stop, CHAT.assistant) if llama else CHAT

    def make_reader(self) -> Reader:
        model, text = self._model, self._model.config.text_config
        decoder = model.model.language_model
        stops = {self._tokenizer.convert_tokens_to_ids(CHAT.stop), self._tokenizer.eos_token_id}
        head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        return Reader(
            decoder=decoder,
            head=model.lm_head,
            embedding=decoder.get_input_embeddings(),
            image_token=model.config.image_token_id,
            stops=frozenset(s for s in stops if s is not None),
            layers=decoder.layers,
            context_flops=4.0 * text.num_hidden_layers * text.num_attention_heads * head_size,
        )

    @torch.inference_mode()
    def picture(self, frame: Frame, tiles: int) -> Picture:
        pixels = self._image_processor(
            [frame.pixels], crop_to_patches=tiles > 1, max_patches=tiles, return_tensors="pt"
        ).pixel_values
        model, tokenizer = self._model, self._tokenizer
        seen = model.get_image_features(pixel_values=pixels.to(model.device, model.dtype)).pooler_output
        self._charge_vision(len(pixels))
        slots = tokenizer.context_image_token * (model.config.image_seq_length * len(pixels))
        text = f"{tokenizer.start_image_token}{slots}{tokenizer.end_image_token}"
        return Picture(text, seen.reshape(-1, seen.shape[-1]), len(pixels))

    def _charge_vision(self, tiles: int) -> None:
        vision, tower = self._model.config.vision_config, self._model.model.vision_tower
        side = vision.image_size[0] // vision.patch_size[0]
        patches = side * side + 1  # and the class token
        flops = vision_flops(tower.encoder, patches, vision) + 2.0 * patches * weights(tower.embeddings)
        flops += 2.0 * self._model.config.image_seq_length * weights(self._model.model.multi_modal_projector)
        self.cost.vision_tiles += tiles
        self.cost.model_calls += 1
        self.cost.flops += tiles * flops


def weights(module: Any) -> float:
    """Numbers in the matrices of a module that are multiplied with every token; tables of positions are not."""
    return float(sum(p.numel() for m in module.modules() if hasattr(m, "weight") for p in [m.weight] if p.ndim > 1))


def vision_flops(encoder: Any, patches: int, vision: Any) -> float:
    """Operations of a vision transformer's layers for one tile of so many patches."""
    return 2.0 * patches * weights(encoder) + 4.0 * patches**2 * vision.hidden_size * vision.num_hidden_layers
