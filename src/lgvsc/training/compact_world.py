"""Train the compact world model: ``lgvsc train world --data FOLDER --out FOLDER``.

Every step has two batches. On frames, the painter learns to make them from candidates, with the observer's latent and
without one. On windows, the dreamer learns to draw such latents from what was received.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from lgvsc.errors import ConfigError
from lgvsc.models.catalog import load
from lgvsc.nets.compact_world import WORDS, CompactWorld, Scene
from lgvsc.training.loop import LoopConfig, TrainingRun
from lgvsc.training.ntscc_batch import training_ms_ssim, window_matrix
from lgvsc.training.pictures import find_sources
from lgvsc.training.world_windows import FRAMES, WindowPool, windows_of

logger = logging.getLogger(__name__)

VALIDATED = 24  # held-out windows
WORDS_FORGOTTEN = 0.15  # share of the windows whose dreamer hears nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldTraining(LoopConfig):
    """The recipe.

    Attributes:
        batch: Frames of the painter's batch.
        windows: Of the dreamer's batch, five frames each.
        guessing: Share of the frames that the painter makes without a latent.
        latent_weight: Price of a nat in the latent.
        sharpness_weight: Of the squared log ratio of gradient energies.
        windows_per_clip: Drawn from each clip at the beginning.
    """

    batch: int = 10
    windows: int = 2
    guessing: float = 0.4
    latent_weight: float = 0.004
    sharpness_weight: float = 0.03
    windows_per_clip: int = 8
    learning_rate: float = 6e-4
    average: float = 0.9985

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        if min(self.windows, self.batch) < 1:
            raise ConfigError(f"a batch takes frames and windows; got {self.batch} and {self.windows}")


class WorldRun(TrainingRun[WorldTraining]):
    """Training in progress."""

    net: CompactWorld

    def __init__(
        self,
        config: WorldTraining,
        net: CompactWorld,
        pool: WindowPool,
        held_out: WindowPool | None,
        out: Path,
        resume: Path | None = None,
    ) -> None:
        super().__init__(config, net, out, resume)
        self._pool, self._held_out = pool, held_out

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        rng, noise = self.choice(step), torch.Generator().manual_seed(self.noise(step).initial_seed())
        truth, scene, _ = self._pool.draw(self.config.batch, rng, whole=False)
        told = torch.from_numpy(rng.random(len(truth)) >= self.config.guessing)
        windows = self._pool.draw(self.config.windows, rng)
        with self.autocast():
            painting, painted = painting_loss(self.net, truth, scene, told, self.config, noise)
            dreaming, dreamt = dreaming_loss(self.net, *windows, noise)
        return painting + dreaming, painted | dreamt

    def measure(self) -> object:
        """Means over held-out windows: the mixture, the painter's guess, and what it makes of the observer's latent."""
        if self._held_out is None:
            return None
        rows = []
        for number in range(VALIDATED):
            truth, scene, _ = self._held_out.draw(1, np.random.default_rng((1, number)))
            mean, _ = self.net.observer(truth, scene)
            made = {
                "mixture": scene.candidates[:, 12:],
                "guess": self.net.painter(scene, torch.zeros_like(mean)),
                "told": self.net.painter(scene, mean),
            }
            row = {f"{name}_ssim": float(training_ssim(truth, frames).mean()) for name, frames in made.items()}
            energy = gradient_energy(truth).mean()
            row |= {f"{name}_sharpness": float(gradient_energy(x).mean() / energy) for name, x in made.items()}
            rows.append(row)
        return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]} | {"n": len(rows)}


def train(
    config: WorldTraining,
    pool: WindowPool,
    out: Path,
    *,
    net: CompactWorld | None = None,
    held_out: WindowPool | None = None,
    resume: Path | None = None,
) -> Path:
    """Train, and write ``checkpoint.pt``, ``log.jsonl`` and at the end the averaged weights to ``out``.

    Returns:
        Path of the weights, float16.
    """
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net = net or CompactWorld()
    run = WorldRun(config, net, pool, held_out, out, resume)
    run.run(windows=len(pool))
    return run.write_weights(out / "compact-world.safetensors", config=net.config.to_json())


def painting_loss(
    net: CompactWorld,
    truth: Tensor,
    scene: Scene,
    told: Tensor,
    config: WorldTraining,
    noise: torch.Generator,
) -> tuple[Tensor, dict[str, float]]:
    """Frames as they should be, and no more in the latent than it is worth.

    Args:
        truth: ``(B, 3, H, W)``.
        scene: What is known of them.
        told: Which frames the painter makes with a latent, bool ``(B,)``.
        config: The weights of the parts.
        noise: Of the latent.
    """
    mean, log_variance = net.observer(truth, scene)
    latent = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=noise)
    frames = net.painter(scene, latent * told[:, None, None, None])
    with torch.autocast("cpu", enabled=False):
        error = (frames - truth).abs().mean()
        similarity = training_ssim(truth, frames).mean()
        multi_scale = training_ms_ssim(truth, frames).mean()
        sharpness = (gradient_energy(frames) / gradient_energy(truth)).log() * told
        nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        total = 4 * error + 0.7 * (1 - similarity) + 0.7 * (1 - multi_scale)
        total = total + config.sharpness_weight * sharpness.square().mean()  # a guess may be as soft as it likes
        total = total + config.latent_weight * (nats * told[:, None, None]).mean()
    parts = {
        "error": error,
        "ssim": similarity,
        "ms_ssim": multi_scale,
        "nats": nats.mean(),
        "sharpness": sharpness.exp().mean(),
    }
    return total, {name: float(value.detach()) for name, value in parts.items()}


def dreaming_loss(
    net: CompactWorld, truth: Tensor, scene: Scene, words: Tensor, noise: torch.Generator
) -> tuple[Tensor, dict[str, float]]:
    """Squared error of the velocity, Liu et al. 2023, Eq. (1)."""
    with torch.no_grad():
        mean, _ = net.observer(truth, scene)
        seen = net.painter.look(scene)[-1]
        target = mean.float().unflatten(0, (-1, FRAMES))
        start = torch.randn(target.shape, generator=noise)
        level = torch.rand(len(target), generator=noise)
        place = level[:, None, None, None, None]
        noisy = (1 - place) * start + place * target
        forget = torch.rand(len(words), generator=noise) < WORDS_FORGOTTEN
    words = words.masked_fill(forget[:, None], WORDS)
    situation = scene.situation.unflatten(0, (-1, FRAMES))
    velocity = net.dreamer(noisy, level, seen.float().unflatten(0, (-1, FRAMES)), situation, words)
    with torch.autocast("cpu", enabled=False):
        loss = (velocity.float() - (target - start)).square().mean()
    power = (target - start).square().mean()
    return loss, {"velocity_error": float(loss.detach()), "velocity_power": float(power)}


def training_ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity with a window of 7, ``(B,)``. Not the figure that is reported: see ``lgvsc.metrics``."""
    rows, columns = window_matrix(first.shape[2]), window_matrix(first.shape[3])
    blurred = [rows @ x @ columns.T for x in (first, second, first * first, second * second, first * second)]
    a, b, aa, bb, ab = blurred
    c1, c2 = 0.01**2, 0.03**2
    value = (2 * a * b + c1) * (2 * (ab - a * b) + c2) / ((a * a + b * b + c1) * (aa - a * a + bb - b * b + c2))
    return value.mean((1, 2, 3))


def gradient_energy(frames: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, ``(B,)``."""
    down = (frames[:, :, 1:] - frames[:, :, :-1]).square().mean((1, 2, 3))
    across = (frames[:, :, :, 1:] - frames[:, :, :, :-1]).square().mean((1, 2, 3))
    return down + across + 1e-5


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="lgvsc train world", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of clips")
    parser.add_argument("--out", type=Path, required=True, help="folder for log, checkpoint and weights")
    parser.add_argument("--minutes", type=float, default=60.0, help="wall clock of the whole run")
    parser.add_argument("--steps", type=int, help="length of the whole run in batches, in place of --minutes")
    parser.add_argument("--resume", type=Path, help="checkpoint.pt of this run, to go on exactly")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    config = WorldTraining(minutes=chosen.minutes, steps=chosen.steps, seed=chosen.seed, threads=chosen.threads)
    cv2.setNumThreads(config.threads)
    torch.set_num_threads(config.threads)
    sources = find_sources(chosen.data)
    pools = [pool_of(clips, config) for clips in (sources.clips, sources.held_out_clips)]
    train(config, pools[0], chosen.out, held_out=pools[1], resume=chosen.resume)


def pool_of(clips: Sequence[Path], config: WorldTraining) -> WindowPool:
    """Windows of all clips, the same for the same seed."""
    codec = load("compact-ntscc")
    windows = []
    for number, clip in enumerate(clips):
        rng = np.random.default_rng((config.seed, 3, number))
        windows += list(windows_of(clip, config.windows_per_clip, codec, rng))
        logger.info("%d of %d clips, %d windows", number + 1, len(clips), len(windows))
    return WindowPool(windows, config.crop)


if __name__ == "__main__":
    main()
