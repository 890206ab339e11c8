"""Train the compact world model: ``lgvsc train world --data FOLDER --out FOLDER``.

First the painter and the observer: the painter learns to make frames from candidates, with the observer's latent and
without one. Then the dreamer learns to draw such latents from what was received. At the end the painter sees dreams.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from lgvsc.core.files import atomic_write
from lgvsc.errors import ConfigError
from lgvsc.models.catalog import load
from lgvsc.nets.compact_world import CompactWorld, Scene
from lgvsc.training.checkpoints import Progress, WeightAverage, load_checkpoint, save_checkpoint
from lgvsc.training.ntscc_batch import training_ms_ssim, window_matrix
from lgvsc.training.pictures import find_sources
from lgvsc.training.world_windows import FRAMES, WindowPool, windows_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldTraining:
    """The recipe.

    Attributes:
        steps: Batches of the whole run.
        frames: In a batch of the painter's.
        windows: In a batch of the dreamer's, of five frames each.
        painting: Share of the run in which the painter learns; the dreamer has the rest.
        guessing: Share of the frames that the painter makes without a latent.
        latent_weight: Price of a nat in the latent.
        sharpness_weight: Of the squared log ratio of gradient energies.
        crop: Side of the crops in pixels.
        windows_per_clip: Drawn from each clip at the beginning.
    """

    steps: int = 12000
    frames: int = 10
    windows: int = 4
    painting: float = 0.65
    guessing: float = 0.4
    latent_weight: float = 0.004
    sharpness_weight: float = 0.03
    crop: int = 128
    windows_per_clip: int = 8
    learning_rate: float = 6e-4
    warmup: int = 200
    average: float = 0.9985
    seed: int = 0
    threads: int = 1
    save_minutes: float = 3.0

    def __post_init__(self) -> None:
        if min(self.steps, self.windows, self.frames) < 1:
            raise ConfigError(f"training takes steps, frames, windows; got {self.steps}, {self.frames}, {self.windows}")


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
        Path of the weights, float16, without the observer.
    """
    torch.set_num_threads(config.threads)
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net = net or CompactWorld()
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    average = WeightAverage(net, config.average)
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=1e-4)
    progress = Progress(0, 0.0, 0.0, config.seed)
    if resume is not None:
        progress = load_checkpoint(resume, net, average, optimiser)
    wall, cpu = time.monotonic() - progress.wall_s, time.process_time() - progress.cpu_s
    log = Log(out / "log.jsonl", wall, cpu)
    log(progress.step, event="resume" if resume else "start", recipe=asdict(config), windows=len(pool))
    recent: list[dict[str, float]] = []
    saved = time.monotonic()
    for step in range(progress.step, config.steps):
        rate = config.learning_rate * learning_rate(step, config)
        for group in optimiser.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng((config.seed, 2, step))
        with torch.autocast("cpu", torch.bfloat16):
            total, parts = batch_loss(net, pool, config, step, rng)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        average.update(net, step)
        recent.append(parts)
        if (step + 1) % 100 == 0:
            log(step + 1, event="step", lr=rate, **mean_of(recent))
            recent.clear()
        ends = step + 1 in (config.steps, int(config.painting * config.steps))
        if held_out is not None and ((step + 1) % 1000 == 0 or ends):
            log(step + 1, event="validation", **validate(net, average, held_out))
        if time.monotonic() - saved > 60 * config.save_minutes or ends:
            now = Progress(step + 1, time.monotonic() - wall, time.process_time() - cpu, config.seed)
            save_checkpoint(out / "checkpoint.pt", net, average, optimiser, now)
            saved = time.monotonic()
    log(config.steps, event="end")
    done = Progress(config.steps, time.monotonic() - wall, time.process_time() - cpu, config.seed)
    return write_weights(out / "compact-world.safetensors", net, average, done)


def batch_loss(
    net: CompactWorld, pool: WindowPool, config: WorldTraining, step: int, rng: np.random.Generator
) -> tuple[Tensor, dict[str, float]]:
    """Loss of the batch that belongs to a step."""
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    if step < config.painting * config.steps:
        truth, scene, _ = pool.draw(config.frames, rng, whole=False)
        return painting_loss(net, truth, scene, config, rng, noise)
    truth, scene, words = pool.draw(config.windows, rng)
    return dreaming_loss(net, truth, scene, words, noise)


def painting_loss(
    net: CompactWorld,
    truth: Tensor,
    scene: Scene,
    config: WorldTraining,
    rng: np.random.Generator,
    noise: torch.Generator,
) -> tuple[Tensor, dict[str, float]]:
    """Frames as they should be, and no more in the latent than it is worth."""
    mean, log_variance = net.observer(truth, scene)
    latent = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=noise)
    told = torch.from_numpy(rng.random(len(truth)) >= config.guessing)[:, None, None, None]
    frames = net.painter(scene, latent * told)
    with torch.autocast("cpu", enabled=False):
        error = (frames - truth).abs().mean()
        similarity = training_ssim(truth, frames).mean()
        multi_scale = training_ms_ssim(truth, frames).mean()
        sharpness = (gradient_energy(frames) / gradient_energy(truth)).log() * told.flatten()
        nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        total = 4 * error + 0.7 * (1 - similarity) + 0.7 * (1 - multi_scale)
        total = total + config.sharpness_weight * sharpness.square().mean()  # a guess may be as soft as it likes
        total = total + config.latent_weight * (nats * told[:, 0]).mean()
    guessed = ~told.flatten()
    parts = {
        "error": error,
        "ssim": similarity,
        "ms_ssim": multi_scale,
        "nats": nats.mean(),
        "sharpness": sharpness.exp().mean(),
    }
    parts["guessed"] = (frames - truth).abs().mean((1, 2, 3))[guessed].mean() if guessed.any() else error
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
        forget = torch.rand(len(words), generator=noise) < 0.15
    words = words.masked_fill(forget[:, None], net.dreamer.words.num_embeddings - 1)
    situation = scene.situation.unflatten(0, (-1, FRAMES))
    velocity = net.dreamer(noisy, level, seen.float().unflatten(0, (-1, FRAMES)), situation, words)
    with torch.autocast("cpu", enabled=False):
        loss = (velocity.float() - (target - start)).square().mean()
    power = (target - start).square().mean()
    return loss, {"velocity_error": float(loss.detach()), "velocity_power": float(power)}


@torch.no_grad()
def validate(net: CompactWorld, average: WeightAverage, pool: WindowPool) -> dict[str, float]:
    """Mean over held-out windows: the mixture, the painter's guess, and what it makes of the observer's latent."""
    own = {name: value.detach().clone() for name, value in net.named_parameters()}
    for name, value in net.named_parameters():
        value.copy_(average.tensors[name])
    rows = []
    for number in range(24):
        truth, scene, _ = pool.draw(1, np.random.default_rng((1, number)))
        mean, _ = net.observer(truth, scene)
        made = {
            "mixture": scene.candidates[:, 12:],
            "guess": net.painter(scene, torch.zeros_like(mean)),
            "told": net.painter(scene, mean),
        }
        row = {}
        for name, frames in made.items():
            row[f"{name}_ssim"] = float(training_ssim(truth, frames).mean())
            row[f"{name}_sharpness"] = float((gradient_energy(frames) / gradient_energy(truth)).mean())
        rows.append(row)
    for name, value in net.named_parameters():
        value.copy_(own[name])
    return mean_of(rows)


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


def learning_rate(step: int, config: WorldTraining) -> float:
    """Factor: each of the two parts warms up, stays, and comes down to a fiftieth over its second half."""
    painting = int(config.painting * config.steps)
    begin, length = (0, painting) if step < painting else (painting, config.steps - painting)
    done = (step - begin) / max(1, length)
    return min(1.0, (step - begin + 1) / config.warmup) * min(1.0, 0.02 + 0.98 * 2 * (1 - done))


class Log:
    """One line of JSON for each event, and the same to whoever listens."""

    def __init__(self, path: Path, wall: float, cpu: float) -> None:
        self._path, self._wall, self._cpu = path, wall, cpu

    def __call__(self, step: int, **entry: object) -> None:
        head = {
            "step": step,
            "wall_s": round(time.monotonic() - self._wall, 1),
            "cpu_s": round(time.process_time() - self._cpu, 1),
        }
        line = json.dumps(head | entry)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        logger.info(line)


def mean_of(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in rows])), 5) for name in rows[0]}


def write_weights(path: Path, net: CompactWorld, average: WeightAverage, progress: Progress) -> Path:
    """The averaged weights as float16, without the observer, with sizes and time spent in the file's metadata."""
    tensors = {
        name: value.to(torch.float16).contiguous()
        for name, value in average.tensors.items()
        if not name.startswith("observer.")
    }
    metadata = {
        "config": net.config.to_json(),
        "steps": str(progress.step),
        "cpu_s": f"{progress.cpu_s:.0f}",
        "seed": str(progress.seed),
    }
    with atomic_write(path) as file:
        file.write(save(tensors, metadata))
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="lgvsc train world", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of clips")
    parser.add_argument("--out", type=Path, required=True, help="folder for log, checkpoint and weights")
    parser.add_argument("--steps", type=int, default=12000, help="length of the whole run in batches")
    parser.add_argument("--resume", type=Path, help="checkpoint.pt of this run, to go on exactly")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    config = WorldTraining(steps=chosen.steps, seed=chosen.seed, threads=chosen.threads)
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
