"""Pictures as networks take them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lgvsc.core.frames import Pixels


def as_batch(picture: Pixels) -> Tensor:
    """One 8-bit picture ``(H, W, colours)`` as float ``(1, colours, H, W)`` in [0, 1], in memory of its own."""
    return torch.from_numpy(np.array(picture, order="C")).permute(2, 0, 1)[None].float() / 255
