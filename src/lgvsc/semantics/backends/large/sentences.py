"""Sentence encoders in the layout of sentence-transformers, run by the transformers library: a text to a vector."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lgvsc.errors import InputError
from lgvsc.semantics.backends.large.vision_language import readable, without_progress_bars

POOLING = "1_Pooling/config.json"
MAX_TOKENS = 256  # the models were trained on less; what is longer loses its end


class SentenceModel:
    """Texts to unit vectors: the mean of the last layer's states over a text's tokens.

    Args:
        folder: ``config.json``, ``model.safetensors``, ``tokenizer.json``, and ``1_Pooling`` where pooling is stated.

    Raises:
        InputError: The folder holds something else, or pools in another way.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        check_pooling(folder)
        with readable(folder, "a sentence encoder"), without_progress_bars():
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any
            model, report = AutoModel.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
        absent = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
        if absent:  # the library would go on with random numbers in their place
            raise InputError(f"{folder} lacks {len(absent)} tensors of its encoder, for example {absent[0]}")
        self.model = model.eval()
        self.revision = digest(folder / "model.safetensors")
        limit = int(getattr(model.config, "max_position_embeddings", MAX_TOKENS))
        self.max_tokens = min(MAX_TOKENS, limit)
        self.weights = sum(p.numel() for name, p in model.named_parameters() if p.ndim > 1 and "embed" not in name)

    def ids(self, text: str) -> list[int]:
        """A text's token ids, marks included."""
        return list(self.tokenizer(text, truncation=True, max_length=self.max_tokens).input_ids)

    @torch.inference_mode()
    def vectors(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """Unit vectors, ``(len(rows), size)``, one forward pass."""
        length = max(map(len, rows))
        tokens = torch.zeros(len(rows), length, dtype=torch.long)
        seen = torch.zeros_like(tokens)
        for i, row in enumerate(rows):
            tokens[i, : len(row)], seen[i, : len(row)] = torch.tensor(row), 1
        states = self.model(input_ids=tokens, attention_mask=seen).last_hidden_state
        means = (states * seen[..., None]).sum(1) / seen.sum(1, keepdim=True)
        return torch.nn.functional.normalize(means, dim=1)


def check_pooling(folder: Path) -> None:
    """Refuse a folder whose vectors are not means."""
    try:
        stated = json.loads((folder / POOLING).read_text("utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{folder / POOLING} cannot be read: {error}") from error
    others = sorted(key for key, value in stated.items() if key.startswith("pooling_mode_") and value is True)
    if others and others != ["pooling_mode_mean_tokens"]:
        raise InputError(f"{folder} pools by {', '.join(others)}; lgvsc reads encoders that pool by the mean")


def digest(path: Path) -> str:
    """The beginning of a file's SHA-256."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                found.update(block)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return found.hexdigest()[:12]
