"""The text encoder of Open-Sora 1.2: T5 v1.1 XXL, of which only the encoder is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from lgvsc.errors import MissingResourceError

Placement: TypeAlias = Literal["cpu", "device", "offload"]

PLACEMENTS: tuple[Placement, ...] = ("cpu", "device", "offload")
MAX_TOKENS = 300


class T5Captions:
    """Puts a prompt into 300 rows.

    Args:
        model: A ``transformers.T5EncoderModel``.
        tokenizer: Its tokenizer.
        device: Where the rows are wanted.
        placement: ``"cpu"``: the encoder stays in main memory and runs there; ``"device"``: it lives beside the video
            model; ``"offload"``: it waits in main memory and visits the device for each prompt.
        max_tokens: Rows of every prompt, end token included; longer ones are cut, shorter ones filled up.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        device: torch.device | str = "cpu",
        placement: Placement = "cpu",
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        self.device = torch.device(device)
        self.placement = placement
        self.max_tokens = max_tokens
        self._tokenizer = tokenizer
        self._model = model.eval()
        if placement == "device":
            self._model.to(self.device)

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        placement: Placement = "cpu",
        max_tokens: int = MAX_TOKENS,
    ) -> T5Captions:
        """Load encoder and tokenizer, from the folder itself or from ``text_encoder`` and ``tokenizer`` in it.

        Raises:
            MissingResourceError: No weights, pickled weights, or weights that are not those of the configuration.
        """
        from transformers import AutoTokenizer, T5EncoderModel

        weights = inner(folder, "text_encoder")
        if not any(weights.glob("*.safetensors")):
            pickled = any(weights.glob("*.bin"))
            raise MissingResourceError(
                f"{weights} has no safetensors file"
                + (
                    ", only pickled weights, which lgvsc does not open; take a copy of T5 v1.1 XXL in safetensors"
                    if pickled
                    else "; opensora.text_encoder wants a folder with a T5 encoder, or a model of the hub"
                )
            )
        try:
            tokenizer = AutoTokenizer.from_pretrained(inner(folder, "tokenizer"), local_files_only=True)
            loaded: Any = T5EncoderModel.from_pretrained(
                weights, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
            model, found = loaded
        except (OSError, ValueError, RuntimeError) as error:
            raise MissingResourceError(f"the text encoder in {folder} cannot be loaded: {error}") from error
        # The file of the whole T5 holds a decoder too, which is not wanted here; but nothing of the encoder may lack.
        wrong = sorted(str(key) for kind in ("missing_keys", "mismatched_keys") for key in found.get(kind, ()))
        if wrong:
            raise MissingResourceError(f"the text encoder in {folder} lacks or misfits {', '.join(wrong[:3])}")
        return cls(model, tokenizer, device=device, placement=placement, max_tokens=max_tokens)

    @torch.inference_mode()
    def encode(self, prompt: str) -> tuple[Tensor, Tensor]:
        """Rows ``(1, 1, L, E)`` and, int64 ``(1, L)``, 1 where a row is a token of the prompt or its end."""
        tokens = self._tokenizer(
            [prompt], max_length=self.max_tokens, padding="max_length", truncation=True, return_tensors="pt"
        )
        where = self.device if self.placement != "cpu" else torch.device("cpu")
        if self.placement == "offload":
            self._model.to(where)
        rows = self._model(
            input_ids=tokens.input_ids.to(where), attention_mask=tokens.attention_mask.to(where)
        ).last_hidden_state
        if self.placement == "offload":
            self._model.to("cpu")
        return rows[:, None].to(self.device), tokens.attention_mask.to(self.device)


def inner(folder: Path, name: str) -> Path:
    """A folder inside a repository of several models, or the repository itself where it holds one."""
    return folder / name if (folder / name).is_dir() else folder
