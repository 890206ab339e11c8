"""How different two pictures look, for the loss ``k MSE + (1 - k) distance`` of GVSC's Eq. (1).

GVSC takes LPIPS. Its features are a network's, whose weights this project does not ship; where the package ``lpips``
and those weights lie on the machine, they are used. Everywhere else ``ms_ssim_distance`` takes their place. It is
another measure, and is never called LPIPS.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from lgvsc.errors import ConfigError, MissingResourceError
from lgvsc.metrics.smooth_ssim import training_ms_ssim

Distance: TypeAlias = Callable[[Tensor, Tensor], Tensor]  # (B, C, H, W) in [0, 1] twice, to (B,)

DISTANCES = ("auto", "lpips", "ms_ssim_distance")
BACKBONE = "alexnet-owt-7be5be79.pth"  # the file of torchvision from which ``lpips`` takes its features


def choose_distance(name: str, device: str = "cpu") -> tuple[str, Distance]:
    """A distance and the name under which to report it.

    Args:
        name: ``lpips``, ``ms_ssim_distance``, or ``auto`` for the first of them that is at hand.

    Raises:
        ConfigError: No such name.
        MissingResourceError: LPIPS was asked for, and is not at hand.
    """
    if name not in DISTANCES:
        raise ConfigError(f"no distance is called {name!r}; there are {', '.join(DISTANCES)}")
    if name == "lpips" and not lpips_at_hand():
        raise MissingResourceError(
            f"LPIPS needs the packages lpips and torchvision, and {BACKBONE} in {backbone_folder()}; nothing is "
            "fetched here. Put them there, or use ms_ssim_distance"
        )
    if name == "lpips" or (name == "auto" and lpips_at_hand()):
        return "lpips", lpips_distance(device)
    return "ms_ssim_distance", ms_ssim_distance


def ms_ssim_distance(first: Tensor, second: Tensor) -> Tensor:
    """1 - MS-SSIM, on four scales; sides from 56 pixels. In [0, 1], 0 for equal pictures."""
    return 1 - training_ms_ssim(first.float(), second.float())


def lpips_at_hand() -> bool:
    """Whether LPIPS can be computed without fetching anything."""
    packages = all(find_spec(package) is not None for package in ("lpips", "torchvision"))
    return packages and (backbone_folder() / BACKBONE).is_file()


def backbone_folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def lpips_distance(device: str) -> Distance:
    """LPIPS with AlexNet's features (Zhang et al. 2018), as the package of its authors computes it."""
    measure = import_module("lpips").LPIPS(net="alex", verbose=False).to(device).eval().requires_grad_(False)

    def distance(first: Tensor, second: Tensor) -> Tensor:
        three = [2 * picture.float().expand(-1, 3, -1, -1) - 1 for picture in (first, second)]
        out: Tensor = measure(*three)
        return out.flatten()

    return distance
