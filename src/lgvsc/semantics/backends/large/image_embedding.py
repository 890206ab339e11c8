"""Image embeddings of the transformers library: CLIP, SigLIP, DINOv2, whatever else gives one vector for a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lgvsc.core.video import Frame
from lgvsc.errors import InputError, MissingResourceError
from lgvsc.models.card import HUB_ID
from lgvsc.models.hub import snapshot
from lgvsc.semantics.backends.large.vision_language import readable, weights_name, without_progress_bars
from lgvsc.semantics.embedding import ColourGradient, ImageEmbedder

BATCH = 16


class LearnedEmbedding:
    """One vector for a picture from a network with an image tower.

    Args:
        folder: Of the weights, with ``config.json`` and ``preprocessor_config.json``.

    Raises:
        MissingResourceError: The transformers library is not installed.
        InputError: The folder holds something else.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import transformers
        except ImportError as error:
            raise MissingResourceError("image embeddings need more libraries: pip install 'lgvsc[paper]'") from error
        self.name, self.revision, self.kind = weights_name(folder)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with readable(folder, "an image embedding"), without_progress_bars():
            self._processor = transformers.AutoImageProcessor.from_pretrained(
                folder, backend="pil", local_files_only=True
            )
            self._model: Any = transformers.AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
        self._model = self._model.eval().to(device)

    @torch.inference_mode()
    def embed(self, frames: Sequence[Frame]) -> NDArray[np.float32]:
        """Unit vectors, ``(frames, size)``: the projected image features where there is a projection."""
        made = []
        for start in range(0, len(frames), BATCH):
            pictures = [frame.pixels for frame in frames[start : start + BATCH]]
            pixels = self._processor(pictures, return_tensors="pt")["pixel_values"].to(self._model.device)
            features = getattr(self._model, "get_image_features", self._model)(pixel_values=pixels)
            if not isinstance(features, torch.Tensor):
                features = getattr(features, "image_embeds", None) or features.pooler_output
            if features is None or features.ndim != 2:
                raise InputError(f"{self.name} is a {self.kind} and gives no vector for a picture")
            made.append(torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy())
        return np.concatenate(made).astype(np.float32)


def embedder(name: str) -> ImageEmbedder:
    """An embedding by name: ``colour-gradient``, a folder, or a hub id whose files are on this machine.

    Raises:
        MissingResourceError: The hub id was never fetched.
        InputError: It is none of the three.
    """
    if name == ColourGradient.name:
        return ColourGradient()
    if Path(name).is_dir():
        return LearnedEmbedding(Path(name))
    if HUB_ID.fullmatch(name):
        folder = snapshot(name)
        if folder is None:
            raise MissingResourceError(f"{name} is not on this machine; fetch it with: hf download {name}")
        return LearnedEmbedding(folder)
    raise InputError(f"{name!r} is no image embedding; give {ColourGradient.name}, a folder, or a hub id")
