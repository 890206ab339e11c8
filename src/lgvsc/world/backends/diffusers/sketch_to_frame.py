"""A picture from its sketch and a caption: Stable Diffusion 3.5 with a ControlNet, as GVSC makes its first frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lgvsc.core.video import Pixels, VideoFormat
from lgvsc.errors import LgvscError, MissingResourceError
from lgvsc.world.backends.diffusers.clip import to_image, to_pixels
from lgvsc.world.backends.diffusers.plan import internal_size
from lgvsc.world.backends.diffusers.video import DiffusersConfig
from lgvsc.world.backends.diffusers.weights import (
    check_folder,
    open_network,
    open_pipeline,
    placed,
    precision_of,
    quietly,
)

CLASSES = ("StableDiffusion3Pipeline", "StableDiffusion3ControlNetPipeline")
CONTROL = "controlnet"  # the ControlNet's folder, in that of the pipeline or named by the catalogue
AREA = 1024 * 1024  # pixels that the model was made for
WITHOUT = ("text_encoder_3", "tokenizer_3", "image_encoder", "feature_extractor")  # the T5 encoder alone is 9 GB


class SketchToFrame:
    """Makes a picture from a sketch and words.

    Args:
        load: Loads the pipeline; called when the first picture is made.

    Source: Yin et al. 2025 (arXiv:2502.13838), section III-A: the first frame of a sketch scheme. The ControlNet
    nearest to its sketches is the one for Canny edges, light lines on black.
    """

    name = "sketch-to-frame"

    def __init__(self, load: Callable[[], Any], config: DiffusersConfig | None = None, area: int = AREA) -> None:
        self.config = (config or DiffusersConfig()).filled(steps=28, guidance_scale=3.5, negative_prompt="")
        self.area = area
        self._load = load
        self._loaded: Any = None

    @property
    def pipeline(self) -> Any:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def make(self, sketch: Pixels, caption: str | None, video: VideoFormat, seed: int) -> Pixels:
        """A picture of the video's size.

        Args:
            sketch: uint8 ``(H, W)``, 255 on a contour.
            caption: ``None`` where it was lost.
            seed: Equal seeds make equal pictures.

        Raises:
            LgvscError: What came out is no picture.
        """
        pipeline = self.pipeline
        multiple = math.lcm(8, pipeline.vae_scale_factor * pipeline.transformer.config.patch_size)  # it insists on 8
        height, width = internal_size(video, self.area, multiple)
        with quietly():
            made = pipeline(
                prompt=caption or "",
                negative_prompt=self.config.negative_prompt,
                control_image=to_image(sketch, height, width),
                height=height,
                width=width,
                num_inference_steps=self.config.steps,
                guidance_scale=self.config.guidance_scale,
                generator=torch.Generator().manual_seed(seed),
                output_type="np",
            ).images[0]
        if not np.isfinite(made).all():
            raise LgvscError("the pipeline's numbers left the range of its precision; take diffusers.precision=float32")
        return to_pixels(made, video)


def load(folder: Path, config: DiffusersConfig) -> SketchToFrame:
    """The generator of a folder: the pipeline, and in it or fetched beside it the ControlNet.

    Raises:
        MissingResourceError: The folder holds another pipeline, or there is no ControlNet.
    """
    check_folder(folder, *CLASSES)
    control = control_folder(folder)
    return SketchToFrame(lambda: open_sd3(folder, control, config), config)


def control_folder(folder: Path) -> Path:
    """Where the ControlNet lies."""
    from lgvsc.models.catalog import find
    from lgvsc.models.hub import weights_folder

    inner = folder / CONTROL
    return inner if (inner / "config.json").is_file() else weights_folder(find("sd3.5-large-canny"))


def open_sd3(folder: Path, control: Path, config: DiffusersConfig) -> Any:
    """The pipeline, without its largest text encoder."""
    from diffusers import SD3ControlNetModel

    dtype = precision_of(config.precision)
    network = open_network(SD3ControlNetModel, control, dtype)
    pipeline = open_pipeline(
        folder, "StableDiffusion3ControlNetPipeline", {"default": dtype}, WITHOUT, controlnet=network
    )
    if network.config.in_channels != pipeline.vae.config.latent_channels:
        raise MissingResourceError(f"{control} is a ControlNet for another autoencoder than that of {folder}")
    encode_to_mean(pipeline.vae)
    return placed(pipeline, config.device, config.offload)


def encode_to_mean(vae: Any) -> None:
    """Let an autoencoder give the mean of its posterior, where the pipeline would draw from it.

    It would draw from the global generator, whatever generator it is given, so equal seeds would make other pictures.
    """
    encode = vae.encode

    def encoded(picture: Any) -> Any:
        found = encode(picture)
        found.latent_dist.sample = found.latent_dist.mode
        return found

    vae.encode = encoded
