"""SmolVLM2: small models that run on a processor."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from lgvsc.core.video import Frame
from lgvsc.semantics.backends.large.conversation import Picture, Reader
from lgvsc.semantics.backends.large.internvl import vision_flops, weights
from lgvsc.semantics.backends.large.vision_language import (
    ChatFormat,
    LargeModelConfig,
    VisionLanguageModel,
    read_checkpoint,
)

AROUND, WHOLE, SLOT = "<fake_token_around_image>", "<global-img>", "<image>"


def load(folder: Path, config: LargeModelConfig | None = None) -> SmolVLM:
    """From a folder in the layout of ``SmolVLMForConditionalGeneration``.

    Raises:
        InputError: The folder holds something else.
    """
    return read_checkpoint(SmolVLM, folder, "SmolVLMForConditionalGeneration", config)


class SmolVLM(VisionLanguageModel):
    """SmolVLM2. With one tile a frame is seen as a whole; with more it is also cut into a grid."""

    chat = ChatFormat("<|im_start|>", "User: ", "<end_of_utterance>", "Assistant:", user_picture="User:")

    def make_reader(self) -> Reader:
        model, text = self._model, self._model.config.text_config
        decoder = model.model.text_model
        stops = {self._tokenizer.convert_tokens_to_ids(self.chat.stop), self._tokenizer.eos_token_id}
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
        processor, model = self._image_processor, self._model
        side = processor.max_image_size["longest_edge"]
        grid = {"size": {"longest_edge": side * math.isqrt(tiles)}} if tiles > 1 else {}
        seen = processor(
            [[frame.pixels]], do_image_splitting=tiles > 1, return_row_col_info=True, return_tensors="pt", **grid
        )
        pixels = seen.pixel_values.to(model.device, model.dtype)
        features = model.get_image_features(pixels, seen.pixel_attention_mask.to(model.device)).pooler_output
        rows, columns = int(seen["rows"][0][0]), int(seen["cols"][0][0])
        slots = SLOT * model.model.image_seq_len
        text = "".join(
            "".join(f"{AROUND}<row_{r + 1}_col_{c + 1}>{slots}" for c in range(columns)) + "\n" for r in range(rows)
        )
        text += ("\n" if rows else "") + AROUND + WHOLE + slots + AROUND
        count = pixels.shape[1]
        self._charge_vision(count)
        return Picture(text, torch.cat(list(features)), count)

    def _charge_vision(self, tiles: int) -> None:
        vision, tower = self._model.config.vision_config, self._model.model.vision_model
        patches = (vision.image_size // vision.patch_size) ** 2
        flops = vision_flops(tower.encoder, patches, vision) + 2.0 * patches * weights(tower.embeddings.patch_embedding)
        flops += 2.0 * self._model.model.image_seq_len * weights(self._model.model.connector)
        self.cost.vision_tiles += tiles
        self.cost.model_calls += 1
        self.cost.flops += tiles * flops
