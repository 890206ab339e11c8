"""Captioners of whole clips: Video-LLaVA, from which GVSC takes its text, and PLLaVA, with which LGVSC evaluates."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from lgvsc.core.cost import Cost
from lgvsc.core.message import Motion
from lgvsc.core.video import Frame, Pixels
from lgvsc.errors import ConfigError, InputError
from lgvsc.semantics.backends.large.conversation import Picture, Prompt, Reader
from lgvsc.semantics.backends.large.internvl import vision_flops, weights
from lgvsc.semantics.backends.large.vision_language import LargeModelConfig, open_language_model, weights_name
from lgvsc.semantics.caption_text import clean_caption, clean_text
from lgvsc.semantics.prompts import caption_request

# What CLIP's towers expect, where the checkpoint does not say otherwise.
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PLLAVA_LONG_SIDE = 640
DESCRIBE_CLIP = "Describe the video in detail."


def load_video_llava(folder: Path, config: LargeModelConfig | None = None) -> VideoLlava:
    """From a folder in the layout of ``VideoLlavaForConditionalGeneration``.

    Raises:
        InputError: The folder holds something else.
    """
    return VideoLlava(folder, "VideoLlavaForConditionalGeneration", config or LargeModelConfig())


def load_pllava(folder: Path, config: LargeModelConfig | None = None) -> Pllava:
    """From a folder that ``lgvsc models convert`` has made.

    Raises:
        InputError: The folder holds something else, for example PLLaVA as it was published.
    """
    if weights_name(folder)[2] != "llava":
        raise InputError(f"{folder} is no converted PLLaVA; run: lgvsc models convert pllava-7b")
    return Pllava(folder, "LlavaForConditionalGeneration", config or LargeModelConfig())


class ClipCaptioner(ABC):
    """What both have in common: frames of a clip become one long picture, and the model writes about it.

    Args:
        folder: Of the weights.
        class_name: In the transformers library.
        config: How to run it.
    """

    frames: int  # how many a clip is looked at with

    def __init__(self, folder: Path, class_name: str, config: LargeModelConfig) -> None:
        self.name, self.revision, _ = weights_name(folder)
        self.config, self.cost = config, Cost()
        self._model, self._tokenizer = open_language_model(folder, class_name, config)
        self._model.eval()
        self._mean, self._std = read_normalisation(folder)
        text, decoder = self._model.config.text_config, self._model.model.language_model
        self._reader = Reader(
            decoder=decoder,
            head=self._model.lm_head,
            embedding=decoder.get_input_embeddings(),
            image_token=self.image_token,
            stops=frozenset({self._tokenizer.eos_token_id}),
            layers=decoder.layers,
            context_flops=4.0 * text.num_hidden_layers * text.hidden_size,
        )

    @property
    @abstractmethod
    def image_token(self) -> int:
        """The placeholder of a clip's tokens."""

    @abstractmethod
    def clip(self, pictures: Sequence[Pixels]) -> Tensor:
        """What the model sees of a clip, ``(tokens, hidden)``, from :attr:`frames` pictures."""

    def describe_video(
        self,
        frames: Sequence[Frame],
        request: str = DESCRIBE_CLIP,
        *,
        max_tokens: int = 400,
        generator: torch.Generator | None = None,
    ) -> str:
        """What happens in a clip.

        Args:
            frames: All of it, or what was sampled of it; as many as the model takes are chosen.
            request: What is asked.
            max_tokens: Length at most.
            generator: Draws words by their probability instead of taking the likeliest. GVSC averages over three draws.
        """
        with self.cost.timed():
            self.cost.descriptions += 1
            return clean_text(self._write(frames, request, max_tokens, generator))

    def caption(self, frames: Sequence[Frame], motion: Motion | None, max_bytes: int) -> str:
        """One caption for a segment; "" where the model has nothing usable to say."""
        with self.cost.timed():
            self.cost.descriptions += 1
            text = self._write(frames, caption_request(max_bytes, motion), self.config.caption_tokens, None)
            return clean_caption(text, max_bytes)

    def describe_pair(self, first: Frame, second: Frame) -> tuple[str, str]:
        """Not what these are made for.

        Raises:
            ConfigError: Always; the message names what to do.
        """
        raise ConfigError(f"{self.name} describes clips, not pairs of frames; name it as models.segment_captioner")

    def _write(self, frames: Sequence[Frame], request: str, limit: int, generator: torch.Generator | None) -> str:
        with torch.inference_mode():
            features = self.clip([frames[i].pixels for i in spread(len(frames), self.frames)])
        mark = self._tokenizer.convert_ids_to_tokens(self.image_token)
        text = f"USER: {mark * len(features)}\n{request} ASSISTANT:"
        ids = self._tokenizer(text, add_special_tokens=False).input_ids
        prompt = Prompt((self._tokenizer.bos_token_id, *ids), (Picture(mark, features, self.frames),))
        (written,) = self._reader.write([prompt], None, limit, self.cost, generator)
        return str(self._tokenizer.decode(written.ids, skip_special_tokens=True))

    def _seen(self, tower: Any, images: NDArray[np.float32]) -> Tensor:
        """Frames, counted and on the model's device, ``(frames, 3, side, side)``."""
        vision = self._model.config.vision_config
        patches = (vision.image_size // vision.patch_size) ** 2 + 1
        flops = vision_flops(tower, patches, vision) + 2.0 * patches * weights(self._model.model.multi_modal_projector)
        self.cost.vision_tiles += len(images)
        self.cost.model_calls += 1
        self.cost.flops += len(images) * flops
        normal = (images - np.asarray(self._mean, np.float32)) / np.asarray(self._std, np.float32)
        return torch.from_numpy(normal).permute(0, 3, 1, 2).to(self._model.device, self._model.dtype)


class VideoLlava(ClipCaptioner):
    """Eight frames of 224 pixels, each with its class token: 2056 tokens.

    Source: Yin et al. 2026 (arXiv:2502.13838), section II-A, name it as the source of descriptions.
    """

    frames = 8

    @property
    def image_token(self) -> int:
        return int(self._model.config.video_token_index)

    def clip(self, pictures: Sequence[Pixels]) -> Tensor:
        side = self._model.config.vision_config.image_size
        images = np.stack([centre_square(picture, side) for picture in pictures])
        seen = self._seen(self._model.model.video_tower, images)
        features = self._model.model.get_video_features(seen[None]).pooler_output
        return features.reshape(-1, features.shape[-1])


class Pllava(ClipCaptioner):
    """Sixteen frames of 336 pixels, pooled to 12x12 tokens each: 2304 tokens.

    Source: Xu et al. 2024 (arXiv:2404.16994); Ma et al. 2026 (arXiv:2606.12899), Table III, describe videos with it.
    """

    frames = 16
    pooled = (16, 12, 12)

    @property
    def image_token(self) -> int:
        return int(self._model.config.image_token_index)

    def clip(self, pictures: Sequence[Pixels]) -> Tensor:
        side = self._model.config.vision_config.image_size
        images = np.stack([centre_square(shrunk(picture, PLLAVA_LONG_SIDE), side) for picture in pictures])
        seen = self._seen(self._model.model.vision_tower, images)
        projected = torch.stack(list(self._model.model.get_image_features(seen).pooler_output))
        return pool_clip(projected, self.pooled)


def pool_clip(features: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Average the tokens of a clip, ``(frames, side * side, hidden)``, to ``(frames * rows * columns, hidden)``."""
    frames, tokens, hidden = features.shape
    side = math.isqrt(tokens)
    volume = features.view(frames, side, side, hidden).permute(3, 0, 1, 2)[None]
    rows, columns = (min(wanted, side) for wanted in shape[1:])
    pooled = torch.nn.functional.adaptive_avg_pool3d(volume, (shape[0], rows, columns))[0]
    return pooled.permute(1, 2, 3, 0).reshape(-1, hidden)


def spread(length: int, count: int) -> list[int]:
    """The middles of ``count`` equal parts of a clip; a short clip's frames are repeated."""
    return [min(length - 1, int((part + 0.5) * length / count)) for part in range(count)]


def shrunk(picture: Pixels, long_side: int) -> Pixels:
    """The picture with its longer side at most so long."""
    scale = min(1.0, long_side / max(picture.shape[:2]))
    if scale == 1.0:
        return picture
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def centre_square(picture: Pixels, side: int) -> NDArray[np.float32]:
    """CLIP's way: the short side to ``side``, bicubic, then the square in the middle, in [0, 1]."""
    height, width = picture.shape[:2]
    scale = side / min(height, width)
    size = max(side, int(width * scale)), max(side, int(height * scale))
    image = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
    top, left = (size[1] - side) // 2, (size[0] - side) // 2
    return image[top : top + side, left : left + side] / np.float32(255)


def read_normalisation(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, as the checkpoint states them."""
    try:
        found = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))
        mean, std = tuple(map(float, found["image_mean"])), tuple(map(float, found["image_std"]))
    except (OSError, ValueError, KeyError, TypeError):
        return MEAN, STD
    return (mean, std) if len(mean) == len(std) == 3 else (MEAN, STD)
