"""What the transmitter of the learned picture code can still do for one picture: try it on the receiver it knows.

The networks were trained for pictures in general. The transmitter has the receiver's network too, and the SNR that it
believes in, so it can send the picture to itself: of several rate maps it takes the one that is seen best, and then it
moves the reals to be sent down the gradient of the error that it expects, or, where the receiver is to look right, of
LPIPS and DISTS beside it. The receiver does what it always does.

Source: Wang et al. 2023 (arXiv:2303.14637), online latent editing; Campos et al. 2019, content adaptive optimisation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from lgvsc.channel.common import child_generator, noise_power
from lgvsc.core.processor import native_bfloat16
from lgvsc.metrics.dists import dists
from lgvsc.metrics.lpips import lpips_distance
from lgvsc.metrics.smooth_ssim import MIN_TRAINING_SIDE, training_ms_ssim
from lgvsc.nets.ntscc import BLOCK, Ntscc
from lgvsc.nets.picture_features import MIN_ALEXNET_SIDE

SIMILARITY_WEIGHT = 1.5  # of 1 - MS-SSIM beside the log of the squared error, which alone blurs; times 1 + N0
LPIPS_WEIGHT, DISTS_WEIGHT = 10.0, 80.0  # times N0, beside the log of the squared error, at any look but the faithful
LEAST_N0, MOST_N0 = 0.1, 1.0  # as it counts there: the less noise, the less it takes to move what is seen
STEP = 0.07  # of the first step, against the root mean square of the reals; falls to a tenth along half a cosine
VIVID_STEP = 0.06  # the same, at any look but the faithful
DECAY = (0.8, 0.95)  # of the averages of the gradient and of its square (Kingma and Ba 2015)


class RefinementTrial:
    """Both directions of one picture's way, as its transmitter imagines them.

    Args:
        net: The network of both ends, at the look in which the picture will be shown.
        picture: ``(1, 3, H, W)`` in [0, 1], whole map entries.
        height, width: What of it will be seen.
        snr_db: Es/N0 that the transmitter believes in.
    """

    def __init__(self, net: Ntscc, picture: Tensor, height: int, width: int, snr_db: float) -> None:
        self._net = net
        self._shown = picture[:, :, :height, :width].contiguous()
        self._n0 = noise_power(snr_db)
        self._snr = torch.tensor([snr_db])
        self._bfloat16 = native_bfloat16()
        self._looks = net.finish is not None and min(height, width) >= MIN_ALEXNET_SIDE
        self._features: list[Tensor] = []  # of the picture, as DISTS compares them
        if self._looks:
            with self._autocast(), torch.no_grad():
                self._features = dists("cpu").seen(self._shown)

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16)

    def loss(self, reals: Tensor, indices: Tensor, noise: torch.Generator) -> Tensor:
        """How far what is seen will be from the picture; lower is better.

        Noise is drawn once and taken with both signs: then what it does to first order cancels, and the gradient
        is steady enough for a handful of steps. Looks are dear, and taken with one sign.

        Args:
            reals: ``(1, n, h, w)``, zero where nothing is sent, of any power.
            indices: Rate map, ``(1, h, w)``.
        """
        net, sent = self._net, self._net.sent(indices)
        gain = (reals.square().sum() / sent.sum()).clamp(min=1e-18).sqrt()
        drawn = torch.randn(reals.shape, generator=noise) * sent
        signed = drawn if self._looks else torch.cat([drawn, -drawn])
        # An energy of one for two reals: N0 / 2 beside a power of one half is N0 beside one.
        arrived = reals + math.sqrt(self._n0) * gain * signed
        count = len(signed)
        state = net.state(self._snr, net.rates[indices].float().mean((1, 2)), gain[None]).expand(count, -1)
        power = (self._n0 * gain.square()).expand(count, 1, 1, 1)
        with self._autocast():
            seen = net.synthesise(net.decode(arrived, indices.expand(count, -1, -1), state, power), state)
        height, width = self._shown.shape[2:]
        seen = seen.float()[:, :, :height, :width].contiguous()
        shown = self._shown.expand_as(seen)
        loss = (255**2 * (seen - shown).square().mean()).clamp(min=1e-3).log()
        if self._looks:
            return loss + self._apart(seen, shown)
        if min(height, width) >= 2 * MIN_TRAINING_SIDE:  # the finest scale weighs least and costs most
            shown, seen = F.avg_pool2d(shown, 2), F.avg_pool2d(seen, 2)
        if min(height, width) >= MIN_TRAINING_SIDE:
            loss = loss + SIMILARITY_WEIGHT * (1 + self._n0) * (1 - training_ms_ssim(shown, seen)).mean()
        return loss

    def _apart(self, seen: Tensor, shown: Tensor) -> Tensor:
        """How different pictures look, both distances by their weight."""
        clipped = seen + (seen.detach().clamp(0, 1) - seen.detach())  # as it is shown; gradients are not clipped
        with self._autocast():
            texture = dists("cpu").apart(dists("cpu").seen(clipped), self._features)
            look = lpips_distance(clipped, shown)
        apart = LPIPS_WEIGHT * look.float().mean() + DISTS_WEIGHT * texture.float().mean()
        return min(max(self._n0, LEAST_N0), MOST_N0) * apart

    def score(self, reals: Tensor, indices: Tensor) -> float:
        """The loss under one noise, the same for all that are compared, and none of those that steps are taken by."""
        with torch.no_grad():
            return float(self.loss(reals, indices, child_generator(0, "ntscc", "compare")))

    def best(self, tried: Iterable[tuple[Tensor, Tensor]]) -> int:
        """Which of some pairs of reals and rate map will be seen best; the first of equals."""
        scores = [self.score(reals, indices) for reals, indices in tried]
        return scores.index(min(scores))

    def refine(self, reals: Tensor, indices: Tensor, steps: int) -> Tensor:
        """Reals that will be seen better, by so many steps of Adam; those given where none are.

        The power is no constraint: what is sent is brought to unit power whatever it was, and noise grows with it.
        Blocks that only fill the picture up to whole map entries begin silent, which leaves their power to the others.
        """
        sent = self._net.sent(indices)
        with torch.no_grad():
            scale = (reals.square().sum() / sent.sum()).clamp(min=1e-18).sqrt()
            moved = self._visible(reals)
            mean, square = torch.zeros_like(moved), torch.zeros_like(moved)
        noise = child_generator(0, "ntscc", "refine")
        largest = VIVID_STEP if self._looks else STEP
        for step in range(steps):
            with torch.enable_grad():
                moved.requires_grad_(True)
                (gradient,) = torch.autograd.grad(self.loss(moved * sent, indices, noise), moved)
            with torch.no_grad():
                mean = DECAY[0] * mean + (1 - DECAY[0]) * gradient
                square = DECAY[1] * square + (1 - DECAY[1]) * gradient.square()
                first, second = (1 - decay ** (step + 1) for decay in DECAY)
                size = largest * (0.1 + 0.45 * (1 + math.cos(math.pi * step / steps)))
                moved = moved - size * scale * (mean / first) / ((square / second).sqrt() + 1e-12)
        moved = moved.detach() * sent
        return (reals, moved)[self.best([(reals, indices), (moved, indices)])]

    def _visible(self, reals: Tensor) -> Tensor:
        """A copy that is zero in the blocks of which nothing will be seen."""
        height, width = self._shown.shape[2:]
        copy = torch.zeros_like(reals)
        rows, columns = -(-height // BLOCK), -(-width // BLOCK)
        copy[:, :, :rows, :columns] = reals[:, :, :rows, :columns]
        return copy
