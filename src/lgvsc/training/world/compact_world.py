"""Train the compact world model: ``lgvsc train world --data FOLDER --out FOLDER``.

Every step has single frames and whole windows. On single frames, the painter learns to make them from candidates, with
the observer's latent and without one. On windows, the dreamer learns to draw such latents from what was received, and
the painter what to make of its dreams.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from lgvsc.errors import ConfigError
from lgvsc.metrics.smooth_ssim import training_ms_ssim, window_matrix
from lgvsc.models.weights import read_tensors
from lgvsc.nets.compact_world import WORDS, CompactWorld, Scene
from lgvsc.training.arguments import DataFolder, FromWeights, OutFolder, Resume, Trainer
from lgvsc.training.loop import LoopConfig, TrainingRun
from lgvsc.training.pictures import find_sources, read_still
from lgvsc.training.world.windows import (
    FRAMES,
    WindowPool,
    WindowTools,
    load_windows,
    save_windows,
    window_of_still,
    windows_of,
)
from lgvsc.world.backends.compact.compact_world import DREAM_STEPS

logger = logging.getLogger(__name__)

VALIDATED = 24  # held-out windows
WORDS_FORGOTTEN = 0.15  # share of the windows whose dreamer hears nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldTraining(LoopConfig):
    """The recipe.

    Attributes:
        batch: Single frames in a batch.
        windows_per_batch: Windows in a batch, five frames each.
        guessing: Share of the single frames that the painter makes without a latent.
        latent_weight: Price of a nat in the latent.
        sharpness_weight: Of the squared log ratio of gradient energies, where the painter has the observer's latent.
        guess_sharpness_weight: The same where it has not, but both keyframes. What is made from less may be as soft as
            it likes.
        similarity_weights: Of 1 - SSIM and of 1 - MS-SSIM.
        clips: Clips, at most, the first by name.
        windows_per_clip: Drawn from each clip at the beginning.
        stills: Still pictures, at most, evenly spread, that a window each is made of.
        halfway: Write the mean of the weights at the beginning and at the end, which know less by heart and more in
            general than either (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
    """

    minutes: float = 60.0
    batch: int = 8
    windows_per_batch: int = 1
    guessing: float = 0.5
    latent_weight: float = 0.004
    sharpness_weight: float = 0.03
    guess_sharpness_weight: float = 0.004
    similarity_weights: tuple[float, float] = (1.0, 0.5)
    clips: int = 1000
    windows_per_clip: int = 4
    stills: int = 160
    halfway: bool = False
    learning_rate: float = 5e-4
    average: float = 0.9985

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        if min(self.windows_per_batch, self.batch) < 1:
            raise ConfigError(f"a batch takes frames and windows; got {self.batch} and {self.windows_per_batch}")


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
        config, rng = self.config, self.choice(step)
        noise = torch.Generator().manual_seed(self.noise(step).initial_seed())
        truth, scene, _ = self._pool.draw(config.batch, rng, whole=False)
        told = torch.from_numpy(rng.random(len(truth)) >= config.guessing)
        windows, dreamt_scene, words = self._pool.draw(config.windows_per_batch, rng)
        truth, scene = torch.cat([truth, windows]), joined(scene, dreamt_scene)
        told = torch.cat([told, torch.zeros(len(windows), dtype=torch.bool)])
        net = self.net
        with self.autocast():
            seen = net.painter.look(scene)
            mean, log_variance = net.observer(truth, scene)
            target, deepest = (x[-len(windows) :].detach().float() for x in (mean, seen[-1]))
            situation = dreamt_scene.situation
            dreaming, dreamt = dreaming_loss(net, target, deepest, situation, words, noise)
            latents = dreams(net, deepest, situation, words, noise)
            latent = told[:, None, None, None] * drawn_from(mean, log_variance, noise)
            latent = torch.cat([latent[: -len(windows)], latents])
            frames = net.painter.paint(scene, seen, latent)
            with torch.autocast("cpu", enabled=False):
                painting, painted = painting_loss(frames, truth, scene, (mean, log_variance), told, config)
        return painting + dreaming, painted | dreamt

    def measure(self) -> object:
        """Means over held-out windows: the mixture, the painter's guess, what it makes of the observer's latent and of
        a dream; beside keyframes and where there are none.
        """
        if self._held_out is None:
            return None
        rows: dict[str, list[dict[str, float]]] = {"keyframes": [], "no_keyframe": []}
        for number in range(VALIDATED):
            truth, scene, words = self._held_out.draw(1, np.random.default_rng((1, number)))
            mean, _ = self.net.observer(truth, scene)
            deepest, noise = self.net.painter.look(scene)[-1], torch.Generator().manual_seed(number)
            made = {
                "mixture": scene.candidates[:, 12:],
                "guess": self.net.painter(scene, torch.zeros_like(mean)),
                "told": self.net.painter(scene, mean),
                "dreamt": self.net.painter(scene, dreams(self.net, deepest, scene.situation, words, noise)),
            }
            row = {f"{name}_ssim": float(training_ssim(truth, frames).mean()) for name, frames in made.items()}
            energy = gradient_energy(truth).mean()
            row |= {f"{name}_sharpness": float(gradient_energy(x).mean() / energy) for name, x in made.items()}
            rows["keyframes" if float(scene.situation[0, 7:9].sum()) else "no_keyframe"].append(row)
        return {kind: means(group) | {"n": len(group)} for kind, group in rows.items() if group}


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each figure."""
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}


def joined(one: Scene, other: Scene) -> Scene:
    """Two batches as one."""
    return Scene(*(torch.cat(pair) for pair in zip(one, other, strict=True)))


def drawn_from(mean: Tensor, log_variance: Tensor, noise: torch.Generator) -> Tensor:
    """Latents as the observer writes them."""
    return mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=noise)


@torch.no_grad()
def dreams(net: CompactWorld, deepest: Tensor, situation: Tensor, words: Tensor, noise: torch.Generator) -> Tensor:
    """Latents of windows as a receiver draws them, ``(windows * FRAMES, latent, h, w)``, each at a temperature below 1.

    Args:
        deepest: What the painter saw, ``(windows * FRAMES, widths[3], h, w)``.
        situation: ``(windows * FRAMES, 11)``.
        words: ``(windows, n)``.
        noise: Where the dreams begin.
    """
    count, (height, width) = len(words), deepest.shape[2:]
    latent = torch.randn(count, FRAMES, net.config.latent, height, width, generator=noise)
    latent = latent * torch.rand(count, 1, 1, 1, 1, generator=noise)
    deepest, situation = (x.unflatten(0, (-1, FRAMES)) for x in (deepest, situation))
    for step in range(DREAM_STEPS):
        level = torch.full((count,), step / DREAM_STEPS)
        latent = latent + net.dreamer(latent, level, deepest, situation, words).float() / DREAM_STEPS
    return latent.flatten(0, 1)


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
    beginning = {name: value.detach().clone() for name, value in net.named_parameters()}
    run = WorldRun(config, net, pool, held_out, out, resume)
    run.run(windows=len(pool))
    if config.halfway:
        for name, value in run.average.tensors.items():
            value.lerp_(beginning[name].to(value), 0.5)
    return run.write_weights(out / "compact-world.safetensors", config=net.config.to_json())


def painting_loss(
    frames: Tensor,
    truth: Tensor,
    scene: Scene,
    observed: tuple[Tensor, Tensor],
    told: Tensor,
    config: WorldTraining,
) -> tuple[Tensor, dict[str, float]]:
    """Frames as they should be, and no more in the latent than it is worth.

    Args:
        frames, truth: ``(B, 3, H, W)``.
        scene: What was known of them.
        observed: Mean and log variance of the latent.
        told: Which frames were made with the observer's latent, bool ``(B,)``.
        config: The weights of the parts.
    """
    mean, log_variance = (x.float() for x in observed)
    error = (frames - truth).abs().mean()
    similarity = training_ssim(truth, frames).mean()
    multi_scale = training_ms_ssim(truth, frames).mean()
    sharpness = (gradient_energy(frames) / gradient_energy(truth)).log()
    between_keyframes = scene.situation[:, 7:9].amin(1)
    sharpness_weight = torch.where(told, config.sharpness_weight, config.guess_sharpness_weight * between_keyframes)
    nats = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
    fine, coarse = config.similarity_weights
    total = 4 * error + fine * (1 - similarity) + coarse * (1 - multi_scale)
    total = total + (sharpness_weight * sharpness.square()).mean()
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
    net: CompactWorld, target: Tensor, deepest: Tensor, situation: Tensor, words: Tensor, noise: torch.Generator
) -> tuple[Tensor, dict[str, float]]:
    """Squared error of the velocity, Liu et al. 2023, Eq. (1).

    Args:
        target: The observer's latents, ``(windows * FRAMES, latent, h, w)``.
        deepest: What the painter saw, ``(windows * FRAMES, widths[3], h, w)``.
        situation: ``(windows * FRAMES, 11)``.
        words: ``(windows, n)``.
        noise: Where the flow begins, how far it is, and whose words are forgotten.
    """
    target, deepest, situation = (x.unflatten(0, (-1, FRAMES)) for x in (target, deepest, situation))
    start = torch.randn(target.shape, generator=noise)
    level = torch.rand(len(target), generator=noise)
    place = level[:, None, None, None, None]
    noisy = (1 - place) * start + place * target
    forget = torch.rand(len(words), generator=noise) < WORDS_FORGOTTEN
    words = words.masked_fill(forget[:, None], WORDS)
    velocity = net.dreamer(noisy, level, deepest, situation, words)
    with torch.autocast("cpu", enabled=False):
        loss = (velocity.float() - (target - start)).square().mean()
    power = (target - start).square().mean()
    return loss, {"velocity_error": float(loss.detach()), "velocity_power": float(power)}


def begin_with(net: CompactWorld, tensors: Mapping[str, Tensor]) -> None:
    """Weights to begin from, also of a network that was told less: what it was not told keeps its own beginning."""
    with torch.no_grad():
        for name, own in net.state_dict().items():
            given = tensors[name]
            own[tuple(slice(size) for size in given.shape)] = given.to(own.dtype)


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


def train_on_folder(
    config: WorldTraining,
    *,
    data: DataFolder,
    out: OutFolder,
    windows_folder: Annotated[
        Path | None,
        typer.Option("--windows", help="Folder for the windows; taken from there where they are already."),
    ] = None,
    only_windows: Annotated[bool, typer.Option("--only-windows", help="Make the windows, and stop.")] = False,
    resume: Resume = None,
    from_weights: FromWeights = None,
) -> None:
    """Train on the clips and stills of a folder."""
    sources = find_sources(data)
    stills = sources.stills[:: max(1, -(-len(sources.stills) // config.stills))] if config.stills else ()
    folder = windows_folder or out
    held_out = pool_of(sources.held_out_clips, (), replace(config, windows_per_clip=1), folder / "windows-held-out")
    pool = pool_of(sources.clips[: config.clips], stills, config, folder / "windows")
    if only_windows:
        return
    net = None
    if from_weights is not None:
        net = CompactWorld()
        begin_with(net, read_tensors(from_weights.read_bytes())[0])
    train(config, pool, out, net=net, held_out=held_out, resume=resume)


def pool_of(clips: Sequence[Path], stills: Sequence[Path], config: WorldTraining, folder: Path) -> WindowPool:
    """Windows of all clips and stills, the same for the same seed; those that the folder has are taken from there."""
    folder.mkdir(parents=True, exist_ok=True)
    tools, windows = WindowTools.shipped(), []
    for number, source in enumerate([*clips, *stills]):
        file = folder / f"{source.stem}-{config.seed}.npz"
        if not file.exists():
            rng = np.random.default_rng((config.seed, 3, number))
            if number < len(clips):
                made = list(windows_of(source, config.windows_per_clip, tools, rng))
            else:
                made = [window_of_still(read_still(source), tools, rng)]
            save_windows(made, file)
        windows += load_windows(file)
        logger.info("%d of %d sources, %d windows", number + 1, len(clips) + len(stills), len(windows))
    return WindowPool(windows, config.crop)


main = Trainer("world", train_on_folder, WorldTraining(), __doc__)

if __name__ == "__main__":
    main()
