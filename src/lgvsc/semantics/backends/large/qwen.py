"""Qwen3-VL: pictures of any shape, positions in time, height and width, features that enter several layers."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from lgvsc.core.video import Frame
from lgvsc.semantics.backends.large.conversation import Picture, Prompt, Reader
from lgvsc.semantics.backends.large.internvl import weights
from lgvsc.semantics.backends.large.vision_language import (
    ChatFormat,
    LargeModelConfig,
    VisionLanguageModel,
    read_checkpoint,
)

TILE_TOKENS = 256  # what counts as one tile here, so that the setting means about the same for every family


def load(folder: Path, config: LargeModelConfig | None = None) -> Qwen3VL:
    """From a folder in the layout of ``Qwen3VLForConditionalGeneration``. Take Instruct: Thinking opens with thoughts.

    Raises:
        InputError: The folder holds something else.
    """
    return read_checkpoint(Qwen3VL, folder, "Qwen3VLForConditionalGeneration", config)


class Qwen3VL(VisionLanguageModel):
    """Qwen3-VL, dense. A frame is scaled down to at most ``256 * tiles`` tokens and never cut into tiles."""

    chat = ChatFormat("", "<|im_start|>user\n", "<|im_end|>", "<|im_start|>assistant\n")

    def make_reader(self) -> Reader:
        model, text = self._model, self._model.config.text_config
        decoder = model.model.language_model
        stops = {self._tokenizer.convert_tokens_to_ids(self.chat.stop), self._tokenizer.eos_token_id}
        return Reader(
            decoder=decoder,
            head=model.lm_head,
            embedding=decoder.get_input_embeddings(),
            image_token=model.config.image_token_id,
            stops=frozenset(s for s in stops if s is not None),
            layers=decoder.layers,
            context_flops=4.0 * text.num_hidden_layers * text.num_attention_heads * text.head_dim,
            positions=self._positions,
        )

    @torch.inference_mode()
    def picture(self, frame: Frame, tiles: int) -> Picture:
        processor, model = self._image_processor, self._model
        pixels_per_token = (processor.patch_size * processor.merge_size) ** 2
        least = min(processor.size["shortest_edge"], TILE_TOKENS * pixels_per_token)
        seen = processor(
            [frame.pixels],
            size={"shortest_edge": least, "longest_edge": TILE_TOKENS * tiles * pixels_per_token},
            return_tensors="pt",
        )
        out = model.model.get_image_features(
            seen.pixel_values.to(model.device, model.dtype), seen.image_grid_thw.to(model.device)
        )
        _, height, width = seen.image_grid_thw[0].tolist()
        grid = (height // processor.merge_size, width // processor.merge_size)
        self._charge_vision(height * width)
        marks = "<|vision_start|>", "<|image_pad|>" * (grid[0] * grid[1]), "<|vision_end|>"
        deep = torch.stack([features[0] for features in out.deepstack_features])
        return Picture("".join(marks), out.pooler_output[0], 1, deep, grid)

    def _positions(self, prompt: Prompt) -> Tensor:
        """Time, height and width of each token, ``(3, tokens)``: a picture of 8x8 tokens takes eight steps, not 64."""
        image_token, position, at = self._model.config.image_token_id, 0, 0
        places: list[tuple[int, int, int]] = []
        pictures = iter(prompt.pictures)
        while at < len(prompt.ids):
            rows, columns = 1, 1
            if prompt.ids[at] == image_token:
                rows, columns = next(pictures).grid or (1, 1)
            places += [
                (position, position + row, position + column) for row in range(rows) for column in range(columns)
            ]
            at += rows * columns
            position += max(rows, columns)
        return torch.tensor(places[: len(prompt.ids)]).T

    def _charge_vision(self, patches: int) -> None:
        vision, tower = self._model.config.vision_config, self._model.model.visual
        flops = 2.0 * patches * weights(tower.blocks) + 4.0 * patches**2 * vision.hidden_size * vision.depth
        flops += 2.0 * patches * weights(tower.patch_embed)
        tokens = patches / vision.spatial_merge_size**2
        flops += 2.0 * tokens * (weights(tower.merger) + weights(tower.deepstack_merger_list))
        self.cost.vision_tiles += 1
        self.cost.model_calls += 1
        self.cost.flops += flops
