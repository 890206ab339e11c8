"""LTX-Video for a clip: pictures at any frame; its distilled weights need eight steps and no guidance."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lgvsc.world.backends.diffusers.clip import PlannedClip, made_by
from lgvsc.world.backends.diffusers.video import DiffusersConfig, DiffusersWorld
from lgvsc.world.backends.diffusers.weights import check_folder, open_pipeline, placed, precision_of

NEGATIVE = "worst quality, inconsistent motion, blurry, jittery, distorted"
CLASSES = ("LTXConditionPipeline", "LTXPipeline", "LTXImageToVideoPipeline")  # of one and the same parts
# What the distilled weights were made for.
DISTILLED_TIMES = (1000.0, 993.0, 987.0, 981.0, 975.0, 909.0, 725.0, 0.03)
DISTILLED: dict[str, Any] = {"decode_timestep": 0.05, "decode_noise_scale": 0.025, "image_cond_noise_scale": 0.025}


class Ltx:
    """LTX-Video. A known picture stands at its own frame, a small frame as well, but held to less firmly.

    What is made beyond the last place is cut off.
    """

    step: ClassVar[int] = 8
    overlap: ClassVar[int] = 9
    max_frames: ClassVar[int] = 161
    takes_sketches: ClassVar[bool] = False
    takes_small_frames: ClassVar[bool] = True
    needs_first: ClassVar[bool] = False

    def __init__(self, folder: Path, config: DiffusersConfig) -> None:
        self.config = config.filled(steps=40, guidance_scale=3.0, negative_prompt=NEGATIVE)
        self.pipeline = open_ltx(folder, config)

    @property
    def multiple(self) -> int:
        return int(self.pipeline.vae_spatial_compression_ratio * self.pipeline.transformer_spatial_patch_size)

    def make(self, clip: PlannedClip) -> list[NDArray[np.float32]]:
        made = made_by(
            self.pipeline,
            clip,
            conditions=self._conditions(clip) or None,
            frame_rate=clip.fps,
            negative_prompt=self.config.negative_prompt,
            guidance_scale=self.config.guidance_scale,
            **self._schedule(),
        )
        return made[: clip.places]

    def _schedule(self) -> dict[str, Any]:
        return {"num_inference_steps": self.config.steps}

    def _conditions(self, clip: PlannedClip) -> list[Any]:
        """Pictures, each for itself but for those that begin a round, which are one piece of video."""
        from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

        opening = [clip.known[place] for place in range(self.overlap) if place in clip.known]
        whole = len(opening) == self.overlap
        begun = self.overlap if whole else 0
        pieces = [LTXVideoCondition(video=opening, frame_index=0)] if whole else []
        for given, strength in ((clip.known, 1.0), (clip.small_frames, self.config.small_frame_strength)):
            pieces += [
                LTXVideoCondition(image=image, frame_index=place, strength=strength)
                for place, image in sorted(given.items())
                if place >= begun and (given is clip.known or place not in clip.known)
            ]
        return pieces


class DistilledLtx(Ltx):
    """LTX-Video's distilled weights."""

    def __init__(self, folder: Path, config: DiffusersConfig) -> None:
        super().__init__(folder, config)
        self.config = config.filled(steps=len(DISTILLED_TIMES), guidance_scale=1.0, negative_prompt="")

    def _schedule(self) -> dict[str, Any]:
        return {"timesteps": list(DISTILLED_TIMES), **DISTILLED}


def open_ltx(folder: Path, config: DiffusersConfig) -> Any:
    """LTX-Video's pipeline on its device."""
    pipeline = open_pipeline(folder, "LTXConditionPipeline", {"default": precision_of(config.precision)})
    if config.vae_tiling:
        pipeline.vae.enable_tiling()
    return placed(pipeline, config.device, config.offload)


def load_ltx(folder: Path, config: DiffusersConfig) -> DiffusersWorld:
    """LTX-Video; its weights are read when the first clip is made.

    Raises:
        MissingResourceError: The folder holds another pipeline, or none.
    """
    check_folder(folder, *CLASSES)
    return DiffusersWorld("ltx-video", Ltx, lambda: Ltx(folder, config), config)


def load_distilled(folder: Path, config: DiffusersConfig) -> DiffusersWorld:
    """LTX-Video's distilled weights, as :func:`load_ltx`."""
    check_folder(folder, *CLASSES)
    return DiffusersWorld("ltx-video-distilled", DistilledLtx, lambda: DistilledLtx(folder, config), config)
