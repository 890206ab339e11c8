"""Depth: how near the depth seen in a rebuilt frame comes to the depth seen in its source.

D1 to D3 are the shares of pixels whose ratio to the truth, the larger over the smaller, is below 1.25, 1.25^2, 1.25^3;
AbsRel the mean of |d - d*| / d*; RMSE the root of the mean of (d - d*)^2. Pixels where the truth d* is zero do not
count. Depth is relative: each frame's map is scaled to 0 to 255 levels by its own least and greatest, as the release's
own script does, so RMSE is in these levels. Ma et al. 2026 (arXiv:2606.12899), section III-C, give the formulas and no
scale.

Any depth estimator of the transformers library: Depth-Anything-V2 (Yang et al. 2024) is the paper's. The weights do not
ship.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lgvsc.core.video import Pixels
from lgvsc.errors import ShapeError
from lgvsc.metrics.network_input import NetworkInput, load_network

SIDE = 518  # where a checkpoint does not say
LEVELS = 255.0

DepthMap = NDArray[np.float32]


def depth_errors(rebuilt: DepthMap, source: DepthMap) -> dict[str, float]:
    """``d1``, ``d2``, ``d3``, ``abs_rel``, ``rmse`` of a map against the true one, in whatever unit both have.

    Raises:
        ShapeError: The maps differ in size.
        ValueError: The truth is zero everywhere.
    """
    if rebuilt.shape != source.shape:
        raise ShapeError(f"depth maps of one size are compared, got {rebuilt.shape} and {source.shape}")
    known = source > 0
    if not known.any():
        raise ValueError("the true depth is zero everywhere")
    ours, truth = rebuilt[known].astype(np.float64), source[known].astype(np.float64)
    with np.errstate(divide="ignore"):
        ratio = np.maximum(ours / truth, truth / ours)  # infinite where ours is zero: outside every bound
    apart = np.abs(ours - truth)
    return {
        **{f"d{power}": float((ratio < 1.25**power).mean()) for power in (1, 2, 3)},
        "abs_rel": float((apart / truth).mean()),
        "rmse": float(np.sqrt((apart**2).mean())),
    }


def as_levels(depth: DepthMap) -> DepthMap:
    """A map from 0, its least value, to 255, its greatest; a flat one is 0."""
    low, high = float(depth.min()), float(depth.max())
    spread = high - low
    return np.asarray((depth - low) / spread * LEVELS if spread > 0 else np.zeros_like(depth), dtype=np.float32)


class DepthEstimator:
    """Depth of a picture, relative, in levels from 0 to 255.

    Args:
        model: A depth estimator of the transformers library, in evaluation mode.
        how: What it wants to see.
    """

    def __init__(self, model: Any, how: NetworkInput) -> None:
        self.model, self.how = model, how

    def __call__(self, pixels: Pixels) -> DepthMap:
        """``(height, width)`` of the picture itself."""
        with torch.inference_mode():
            seen = self.model(pixel_values=self.how.prepare(pixels)[None].to(self.model.device)).predicted_depth
            sized = torch.nn.functional.interpolate(
                seen[:, None].float(), size=pixels.shape[:2], mode="bilinear", align_corners=True
            )
        return as_levels(sized[0, 0].cpu().numpy())


@cache
def load_depth(folder: Path) -> DepthEstimator:
    """An estimator from a folder, safetensors only.

    Raises:
        MissingResourceError: transformers is not installed.
        InputError: The folder holds no depth estimator.
    """
    model = load_network(folder, "AutoModelForDepthEstimation", "depth", "depth estimator")
    return DepthEstimator(model, NetworkInput.read(folder, side=SIDE, square=False))
