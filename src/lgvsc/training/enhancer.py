"""Train the compact enhancer: ``lgvsc train enhancer --data FOLDER --out FOLDER``.

First the faithful end, by Charbonnier's loss and structural similarity; then, with ``--look vivid --from-weights
FAITHFUL``, the vivid one, by how different two pictures look to a network, and both ends as the one file that ships.
From that file the end that is asked for goes on.
What is trained on is made first (``enhancer_data``); ``--only-data`` stops there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
import typer
from safetensors.torch import save
from torch import Tensor

from lgvsc.core.files import atomic_write
from lgvsc.core.video import VideoReader
from lgvsc.errors import ConfigError, InputError
from lgvsc.metrics.smooth_ssim import training_ms_ssim
from lgvsc.models.weights import read_network, read_tensors
from lgvsc.nets.enhancer import Enhancer, Known
from lgvsc.training.arguments import DataFolder, FromWeights, OutFolder, Resume, Trainer
from lgvsc.training.enhancer_data import ScenePool, Scenes, is_held_out, load_take, make_takes, scenes_of
from lgvsc.training.loop import LoopConfig, TrainingRun
from lgvsc.training.perceptual import Distance, choose_distance
from lgvsc.training.pictures import find_sources
from lgvsc.training.world.compact_world import training_ssim

logger = logging.getLogger(__name__)

ENDS = {"faithful": 0.0, "vivid": 1.0}  # the look at which each end's keyframes are sent and shown
RUN = 3  # small frames in a row that the network sees its own output of
VALIDATED = 24  # held-out runs
WITHOUT_KEYFRAMES = 0.35  # share of the runs
SOFT = 0.02  # of Charbonnier's loss: below this error it is squared


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancerTraining(LoopConfig):
    """The recipe.

    Attributes:
        batch: Runs of small frames in a batch.
        look: Which end is trained.
        takes: Of each clip.
        clips: At most, the first by name.
        worse_weight: Of what is farther from the truth than the plain enlargement is.
        distance: Of the vivid end, see :mod:`lgvsc.training.perceptual`.
        distance_weight: Of that distance.
    """

    minutes: float = 60.0
    batch: int = 4
    look: Literal["faithful", "vivid"] = "faithful"
    takes: int = 2
    clips: int = 1000
    worse_weight: float = 1.0
    distance: str = "lpips"
    distance_weight: float = 1.0
    learning_rate: float = 7e-4
    average: float = 0.998

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        if self.look not in ENDS:
            raise ConfigError(f"look is {self.look!r}; an end is faithful or vivid")


class EnhancerRun(TrainingRun[EnhancerTraining]):
    """Training in progress."""

    net: Enhancer

    def __init__(
        self,
        config: EnhancerTraining,
        net: Enhancer,
        pool: ScenePool,
        held_out: ScenePool | None,
        out: Path,
        resume: Path | None = None,
    ) -> None:
        super().__init__(config, net, out, resume)
        self._pool, self._held_out = pool, held_out
        self._distance: Distance | None = None
        if config.look == "vivid":
            self._distance = choose_distance(config.distance)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        rng = self.choice(step)
        drawn = self._pool.draw(self.config.batch, RUN, rng)
        with_keys = torch.from_numpy(rng.random(self.config.batch) >= WITHOUT_KEYFRAMES)
        with self.autocast():
            frames = unrolled(self.net, drawn, with_keys)
        truth, plain = drawn[0].flatten(0, 1), drawn[1].flatten(0, 1)
        with torch.autocast("cpu", enabled=False):
            total, figures = faithful_loss(frames.flatten(0, 1).float(), truth, plain, self.config.worse_weight)
        if self._distance is not None:
            with self.autocast():
                apart = self._distance(frames[-1].float().clamp(0, 1), drawn[0][-1]).mean()
            total = total + self.config.distance_weight * apart
            figures["distance"] = float(apart.detach())
        return total, figures

    def measure(self) -> object:
        """Held-out runs: plain enlargement, moved keyframes, the network without and with them."""
        if self._held_out is None:
            return None
        rows = []
        for number in range(VALIDATED):
            drawn = self._held_out.draw(1, RUN, np.random.default_rng((1, number)))
            truth = drawn[0][-1]
            made = {
                "plain": drawn[1][-1],
                "texture": drawn[3][-1],
                "alone": unrolled(self.net, drawn, torch.tensor([False]))[-1],
                "with_keyframes": unrolled(self.net, drawn, torch.tensor([True]))[-1],
            }
            row: dict[str, float] = {}
            for name, frame in made.items():
                frame = frame.float().clamp(0, 1)
                row[f"{name}_psnr_db"] = float(-10 * torch.log10((frame - truth).square().mean() + 1e-6))
                row[f"{name}_ms_ssim"] = float(training_ms_ssim(truth, frame).mean())
                if self._distance is not None:
                    row[f"{name}_distance"] = float(self._distance(frame, truth).mean())
            rows.append(row)
        return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]} | {"n": len(rows)}


def unrolled(net: Enhancer, drawn: tuple[Tensor, ...], with_keys: Tensor) -> Tensor:
    """The network over runs of small frames, its own output moved on; ``(run, count, 3, h, w)``.

    Args:
        net: The network.
        drawn: From :meth:`ScenePool.draw`.
        with_keys: Which runs have keyframes, bool ``(count,)``.
    """
    _, plain, following, texture, texture_trust, previous_trust, flow, told = drawn
    there = with_keys.float()[:, None, None, None]
    situation = torch.cat([told, with_keys.float()[:, None]], 1)
    frames: list[Tensor] = []
    for number in range(len(plain)):
        before = moved(frames[-1].float(), flow[number]) if frames else plain[number]
        trust = previous_trust[number] if frames else torch.zeros_like(previous_trust[number])
        seen = Known(
            plain[number], following[number], before, trust, texture[number], texture_trust[number] * there, situation
        )
        frames.append(net(seen))
    return torch.stack(frames)


def moved(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures ``(B, 3, H, W)`` seen from where ``flow`` (B, 2, H, W), in pixels, points."""
    height, width = pictures.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    across = (2 * (x + flow[:, 0]) + 1) / width - 1
    down = (2 * (y + flow[:, 1]) + 1) / height - 1
    at = torch.stack([across, down], -1).to(pictures)
    return F.grid_sample(pictures, at, mode="bilinear", padding_mode="border", align_corners=False)


def faithful_loss(frames: Tensor, truth: Tensor, plain: Tensor, worse_weight: float) -> tuple[Tensor, dict[str, float]]:
    """Charbonnier's loss, structural similarity, and what is worse than plain enlargement; ``(B, 3, H, W)`` each."""
    error = ((frames - truth).square() + SOFT**2).sqrt().mean() - SOFT
    worse = F.relu((frames - truth).abs() - (plain - truth).abs()).mean()
    similarity = training_ssim(truth, frames).mean()
    multi_scale = training_ms_ssim(truth, frames).mean()
    total = 10 * error + worse_weight * worse + 0.5 * (1 - similarity) + 0.5 * (1 - multi_scale)
    figures = {"error": error, "worse": worse, "ssim": similarity, "ms_ssim": multi_scale}
    return total, {name: float(value.detach()) for name, value in figures.items()}


def train(
    config: EnhancerTraining,
    pool: ScenePool,
    out: Path,
    *,
    net: Enhancer | None = None,
    held_out: ScenePool | None = None,
    resume: Path | None = None,
) -> Path:
    """Train, and write ``checkpoint.pt``, ``log.jsonl`` and at the end the averaged weights, float16, to ``out``.

    Returns:
        Path of the weights.
    """
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net = net or Enhancer()
    run = EnhancerRun(config, net, pool, held_out, out, resume)
    run.run(scenes=len(pool))
    return run.write_weights(
        out / f"compact-enhancer-{config.look}.safetensors", config=net.config.to_json(), look=config.look
    )


def join_ends(faithful: Path, vivid: Path, out: Path) -> Path:
    """Both ends as the one asset that ships, float16, with the configuration that they share.

    Raises:
        InputError: They are not two ends of one network.
    """
    ends: dict[str, Tensor] = {}
    configs: list[str] = []
    for look, path in zip(ENDS, (faithful, vivid), strict=True):
        tensors, config = read_end(path, look)
        configs.append(config)
        ends |= {f"{look}.{name}": value.to(torch.float16) for name, value in tensors.items()}
    if configs[0] != configs[1] or not configs[0]:
        raise InputError(f"{faithful} and {vivid} are not two ends of one network")
    with atomic_write(out) as written:
        written.write(save(ends, {"config": configs[0]}))
    return out


def read_end(path: Path, look: str) -> tuple[dict[str, Tensor], str]:
    """Weights and configuration of one end, from a file of its own or from the one with both that ships.

    Raises:
        MissingResourceError: It is not a safetensors file.
    """
    tensors, stated = read_tensors(path.read_bytes())
    mine = {name.removeprefix(f"{look}."): value for name, value in tensors.items() if name.startswith(f"{look}.")}
    return mine or tensors, stated.get("config", "")


def pool_of(clips: Sequence[Path], files: Sequence[Path], crop: int, seed: int) -> ScenePool:
    """Scenes of all takes; clips are read once each."""
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_name.setdefault(file.name.rsplit("-", 3)[0], []).append(file)
    scenes: list[Scenes] = []
    for number, clip in enumerate(clips):
        with VideoReader(clip) as reader:
            frames = [frame.pixels for frame in reader]
        for file in by_name[clip.stem]:
            take = load_take(file)
            rng = np.random.default_rng((seed, 6, *file.name.encode()))
            found = scenes_of(take, frames[take.start : take.start + take.length], rng)
            scenes += [found] if found is not None else []
        logger.info("%d of %d clips, %d scenes", number + 1, len(clips), len(scenes))
    return ScenePool(scenes, crop)


def train_on_folder(
    config: EnhancerTraining,
    *,
    data: DataFolder,
    out: OutFolder,
    takes_folder: Annotated[
        Path | None, typer.Option(help="Folder of coded clips; taken from there where they are.")
    ] = None,
    only_data: Annotated[bool, typer.Option("--only-data", help="Make the coded clips, and stop.")] = False,
    workers: Annotated[int, typer.Option(help="Processes that make them.")] = 1,
    resume: Resume = None,
    from_weights: FromWeights = None,
) -> None:
    """Train on the clips of a folder, coded first; a vivid end is joined with the faithful one that it began from."""
    sources = find_sources(data)
    every = sorted([*sources.clips, *sources.held_out_clips])
    clips = [clip for clip in every if not is_held_out(clip)][: config.clips]
    kept_back = [clip for clip in every if is_held_out(clip)]
    if not clips:
        raise InputError(f"{data} holds no clips to train on")
    folder = takes_folder or out / "takes"
    held_out_files = make_takes(kept_back, folder / "held-out", 1, config.seed, workers, ENDS[config.look])
    files = make_takes(clips, folder, config.takes, config.seed, workers, ENDS[config.look])
    if only_data:
        return
    net = None
    if from_weights is not None:
        tensors, _ = read_end(from_weights, config.look)
        net = read_network(save(tensors), "an enhancer", lambda _: Enhancer())
    held_out = pool_of(kept_back, held_out_files, config.crop, config.seed) if kept_back else None
    pool = pool_of(clips, files, config.crop, config.seed)
    written = train(config, pool, out, net=net, held_out=held_out, resume=resume)
    if config.look == "vivid" and from_weights is not None:
        join_ends(from_weights, written, out / "compact-enhancer.safetensors")


main = Trainer("enhancer", train_on_folder, EnhancerTraining(), __doc__)


if __name__ == "__main__":
    main()
