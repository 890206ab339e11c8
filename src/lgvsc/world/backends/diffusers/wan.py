"""Wan for a clip: VACE, which keeps any frames and follows sketches, and the pipelines that start from a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lgvsc.errors import MissingResourceError
from lgvsc.world.backends.diffusers.clip import PlannedClip, made_by
from lgvsc.world.backends.diffusers.plan import stretched
from lgvsc.world.backends.diffusers.video import GREY, DiffusersConfig, DiffusersWorld
from lgvsc.world.backends.diffusers.weights import check_folder, open_pipeline, placed, precision_of, read_json
from lgvsc.world.backends.opensora.opensora import AREAS

NEGATIVE = "overexposed, static, blurred details, subtitles, worst quality, jpeg artifacts, deformed, extra fingers"
FRAMES = 81  # that Wan was trained on


class WanVace:
    """Wan VACE. Known frames are kept, sketched ones follow their sketch, the others the small frame that is nearest.

    Beyond the clip's last place, where only the pipeline's length wants frames, a known last picture is held.
    """

    step: ClassVar[int] = 4
    overlap: ClassVar[int] = 5
    max_frames: ClassVar[int] = FRAMES
    takes_sketches: ClassVar[bool] = True
    takes_small_frames: ClassVar[bool] = True
    needs_first: ClassVar[bool] = False

    def __init__(self, folder: Path, config: DiffusersConfig) -> None:
        self.config = config.filled(steps=30, guidance_scale=5.0, negative_prompt=NEGATIVE)
        self.pipeline = open_wan(folder, "WanVACEPipeline", config)

    @property
    def multiple(self) -> int:
        return multiple_of(self.pipeline)

    def make(self, clip: PlannedClip) -> list[NDArray[np.float32]]:
        grey = Image.new("RGB", clip.size, (GREY,) * 3)
        keep, free = Image.new("L", clip.size, 0), Image.new("L", clip.size, 255)
        video = [clip.known.get(place) or self._followed(clip, place) or grey for place in range(clip.places)]
        mask = [keep if place in clip.known else free for place in range(clip.places)]
        spare = clip.made - clip.places
        held = clip.places - 1 in clip.known
        made = made_by(
            self.pipeline,
            clip,
            video=video + [video[-1] if held else grey] * spare,
            mask=mask + [mask[-1] if held else free] * spare,
            negative_prompt=self.config.negative_prompt,
            num_inference_steps=self.config.steps,
            guidance_scale=self.config.guidance_scale,
        )
        return made[: clip.places]

    def _followed(self, clip: PlannedClip, place: int) -> Image.Image | None:
        sketch = clip.sketches.get(place)
        if sketch is None and clip.small_frames:
            return clip.small_frames[min(clip.small_frames, key=lambda other: abs(other - place))]
        return ImageOps.invert(sketch) if sketch and self.config.contours == "dark" else sketch


class WanImages:
    """Wan 2.1 FLF2V and Wan 2.2: a first picture, and a last one, which is the last frame that is made.

    So a clip of another length than the pipeline's is made a little slower and thinned out. Wan 2.2 TI2V-5B knows no
    last picture and is given none.
    """

    step: ClassVar[int] = 4
    overlap: ClassVar[int] = 1
    max_frames: ClassVar[int] = FRAMES
    takes_sketches: ClassVar[bool] = False
    takes_small_frames: ClassVar[bool] = False
    needs_first: ClassVar[bool] = True

    def __init__(self, folder: Path, config: DiffusersConfig) -> None:
        self.pipeline = open_wan(folder, "WanImageToVideoPipeline", config)
        facts = self.pipeline.config
        self.knows_last = not facts.expand_timesteps
        steps, guidance = (
            (50, 5.0) if facts.expand_timesteps else (50, 5.5) if facts.boundary_ratio is None else (40, 3.5)
        )
        self.config = config.filled(steps=steps, guidance_scale=guidance, negative_prompt=NEGATIVE)
        if self._sees_pairs:
            self._encode_image = self.pipeline.encode_image
            self.pipeline.encode_image = self._encode_pair

    @property
    def multiple(self) -> int:
        return multiple_of(self.pipeline)

    def make(self, clip: PlannedClip) -> list[NDArray[np.float32]]:
        last = clip.known.get(clip.places - 1) if self.knows_last and clip.places > 1 else None
        made = made_by(
            self.pipeline,
            clip,
            image=clip.known[0],
            last_image=last,
            negative_prompt=self.config.negative_prompt,
            num_inference_steps=self.config.steps,
            guidance_scale=self.config.guidance_scale,
        )
        return [made[place] for place in stretched(clip.places, clip.made)] if last else made[: clip.places]

    @property
    def _sees_pairs(self) -> bool:
        network = self.pipeline.transformer
        return network is not None and network.config.get("pos_embed_seq_len") is not None

    def _encode_pair(self, image: Any, device: Any = None) -> Any:
        """FLF2V's transformer reads two pictures at a time; where there is one, it is shown twice."""
        return self._encode_image(image if isinstance(image, list) else [image, image], device)


def open_wan(folder: Path, class_name: str, config: DiffusersConfig) -> Any:
    """A pipeline of Wan: autoencoder and image encoder in float32, the sampler shifted as the size wants it."""
    dtypes = {"default": precision_of(config.precision), "vae": torch.float32, "image_encoder": torch.float32}
    pipeline = open_pipeline(folder, class_name, dtypes)
    if "flow_shift" in pipeline.scheduler.config:
        shift = 5.0 if AREAS[config.resolution] >= AREAS["720p"] else 3.0
        pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, flow_shift=shift)
    if config.vae_tiling:
        pipeline.vae.enable_tiling()
    return placed(pipeline, config.device, config.offload)


def multiple_of(pipeline: Any) -> int:
    """What the sides of a picture must be multiples of: the autoencoder's cells times the transformer's patches."""
    network = pipeline.transformer or pipeline.transformer_2
    return int(pipeline.vae_scale_factor_spatial * network.config.patch_size[1])


def load_vace(folder: Path, config: DiffusersConfig) -> DiffusersWorld:
    """Wan VACE; its weights are read when the first clip is made.

    Raises:
        MissingResourceError: The folder holds another pipeline, or none.
    """
    check_folder(folder, "WanVACEPipeline")
    return DiffusersWorld("wan-vace", WanVace, lambda: WanVace(folder, config), config)


def load_images(folder: Path, config: DiffusersConfig) -> DiffusersWorld:
    """Wan 2.1 FLF2V, Wan 2.2 I2V-A14B or TI2V-5B, as the folder says.

    Raises:
        MissingResourceError: The folder holds another pipeline, or none.
    """
    check_folder(folder, "WanImageToVideoPipeline", "WanPipeline")
    index = read_json(folder)
    if index["_class_name"] == "WanPipeline" and not index.get("expand_timesteps"):  # the one of TI2V-5B has them
        raise MissingResourceError(
            f"{folder} holds a Wan that knows words alone; keyframes need VACE, FLF2V or Wan 2.2"
        )
    return DiffusersWorld("wan-images", WanImages, lambda: WanImages(folder, config), config)
