"""The compact enhancer: frames of a small video, with the texture of a few good pictures put back.

A video sent at a few kbit/s knows where things are and what colour they have; a keyframe knows what they look like.
Everything the network is given has the size of the output: the small frame enlarged; moved onto it the one after it,
the network's own last output and the keyframe, the last two with how far the move is to be trusted. So one network
serves every size that the small frames may have. It works on blocks of 4 x 4 pixels; what it returns is the enlarged
frame, changed. Untrained it changes nothing.

Working on the residual of a plain enlargement, at a quarter of each side, and telling the network the quantiser are
as in Ghost Stream and RTSR (arXiv:2411.13362); its own output as an input is as in Sajjadi et al. 2018,
"Frame-recurrent video super-resolution".
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 4  # pixels a side that are taken together
SITUATION = 4  # numbers that describe how the small frames were coded: see ``Known.situation``
STATE = 32
SHOWN = 14  # channels of what the network sees


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancerConfig:
    """Sizes.

    Attributes:
        width: Channels, at a quarter of the output's sides.
        blocks: Residual blocks.
    """

    width: int = 48
    blocks: int = 8

    def to_json(self) -> str:
        """As text, for the metadata of a weights file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From :meth:`to_json`. Raises TypeError or ValueError on anything else."""
        return cls(**json.loads(text))


class Known(NamedTuple):
    """What is known of frames, one batch entry each. Pictures are float in [0, 1], of any size.

    Attributes:
        plain: The small frame, enlarged, ``(B, 3, H, W)``.
        following: The next one, moved onto it.
        previous: The network's output for the frame before, moved onto it.
        previous_trust: How far that move is to be trusted, in [0, 1], ``(B, 1, H, W)``; 0 where there is none.
        texture: Keyframes, moved onto it.
        texture_trust: As for the previous output; 0 everywhere: no keyframe.
        situation: ``(B, 4)``: quantiser over 70, eighths of each side over 8, the time between small frames in
            seconds (1 at most), and whether there is a keyframe.
    """

    plain: Tensor
    following: Tensor
    previous: Tensor
    previous_trust: Tensor
    texture: Tensor
    texture_trust: Tensor
    situation: Tensor


class Enhancer(nn.Module):
    """The network; 0.49 million parameters at its usual size."""

    def __init__(self, config: EnhancerConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or EnhancerConfig()
        self.situation = nn.Sequential(
            nn.Linear(SITUATION, STATE), nn.LeakyReLU(0.1), nn.Linear(STATE, STATE), nn.LeakyReLU(0.1)
        )
        self.enter = nn.Conv2d(BLOCK**2 * SHOWN, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(EnhancerResidual(config.width) for _ in range(config.blocks))
        self.leave = nn.Conv2d(config.width, BLOCK**2 * 5, 3, padding=1)  # three colours and two shares
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    @classmethod
    def tiny(cls) -> Self:
        """A network of a few thousand parameters, for tests."""
        return cls(EnhancerConfig(width=4, blocks=1))

    def forward(self, known: Known) -> Tensor:
        """Frames ``(B, 3, H, W)``, about in [0, 1]."""
        height, width = known.plain.shape[2:]
        seen = torch.cat(
            [
                known.plain - 0.5,
                known.following - known.plain,
                (known.previous - known.plain) * known.previous_trust,
                known.previous_trust,
                (known.texture - known.plain) * known.texture_trust,
                known.texture_trust,
            ],
            1,
        )
        seen = F.pad(seen, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
        state = self.situation(known.situation)
        x = self.enter(F.pixel_unshuffle(seen.contiguous(), BLOCK).contiguous(memory_format=torch.channels_last))
        entered = x
        for block in self.blocks:
            x = block(x, state)
        out = F.pixel_shuffle(self.leave(F.leaky_relu(x + entered, 0.1)).contiguous(), BLOCK).float()
        out = out[:, :, :height, :width]
        made: Tensor = known.plain + out[:, :3]
        made = made + out[:, 3:4] * known.texture_trust * (known.texture - known.plain)
        return made + out[:, 4:5] * known.previous_trust * (known.previous - known.plain)


class EnhancerResidual(nn.Module):
    """Two convolutions beside the identity; the state scales and shifts what lies between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.steer = nn.Linear(STATE, 2 * width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.steer.weight.zero_()
            self.steer.bias.zero_()
            self.second.weight.mul_(0.1)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        scale, shift = self.steer(state)[:, :, None, None].chunk(2, 1)
        inner = F.leaky_relu(self.first(x) * (1 + scale) + shift, 0.1)
        made: Tensor = x + self.second(inner)
        return made


def blended(faithful: dict[str, Tensor], vivid: dict[str, Tensor], look: float) -> dict[str, Tensor]:
    """Weights between two ends of one training: 0 is the first, 1 the second (Wang et al. 2018, ESRGAN, section 3.4).

    Raises:
        KeyError: They are not of one network.
    """
    if faithful.keys() != vivid.keys():
        raise KeyError("the two ends have weights of other names")
    return {name: torch.lerp(value.float(), vivid[name].float(), look) for name, value in faithful.items()}
