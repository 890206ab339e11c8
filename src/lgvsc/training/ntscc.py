"""Train the compact keyframe code: ``python -m lgvsc.training.ntscc --data FOLDER --minutes 180 --out FOLDER``.

One network learns all bandwidths and all SNRs at once: every crop of a batch has its own. Two crops in eight take the
digital path, where the latent is rounded (by noise) and its entropy counted; that keeps the entropy model honest,
from which the rates of the other six are computed. Their symbols pass the same channel as in every measurement.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from lgvsc.channel.common import child_generator
from lgvsc.core.files import atomic_write
from lgvsc.core.video import Pixels
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.ssim import ms_ssim_and_ssim
from lgvsc.nets.ntscc import BLOCK, Ntscc, NtsccConfig, allocate, pool, start_from_patches, unpool
from lgvsc.training.checkpoints import Progress, WeightAverage, load_checkpoint, save_checkpoint
from lgvsc.training.ntscc_batch import (
    BLOCK_VALUES,
    Losses,
    NtsccTraining,
    batch_loss,
    draw_conditions,
    mean_losses,
    through_channel,
)
from lgvsc.training.pictures import PicturePool, as_batch, find_sources, read_still, square, training_pictures

logger = logging.getLogger(__name__)

VALIDATED = ((0.01, 10.0), (0.02, 10.0), (0.04, 10.0), (0.02, 5.0), (0.02, 0.0))  # CBR, SNR in dB


def train(
    config: NtsccTraining,
    pictures: PicturePool,
    out: Path,
    *,
    net: Ntscc | None = None,
    validation: Sequence[Pixels] = (),
    resume: Path | None = None,
) -> Path:
    """Train, and write ``checkpoint.pt``, ``log.jsonl`` and at the end the averaged weights to ``out``.

    Args:
        config: The recipe.
        pictures: What to train on.
        net: Network to train; ``None``: the compact one, begun from the principal components of the pictures.
        validation: Square pictures that are not trained on.
        resume: Checkpoint to go on from; the log is appended to.

    Returns:
        Path of the weights, float16.
    """
    torch.set_num_threads(config.threads)
    torch.set_flush_denormal(True)  # tiny values take a hundred times longer
    out.mkdir(parents=True, exist_ok=True)
    net = net or fresh(config.seed, pictures)
    channels_last(net)
    average = WeightAverage(net, config.average)
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=1e-4, fused=True
    )
    progress = Progress(0, 0.0, 0.0, config.seed)
    if resume is not None:
        progress = load_checkpoint(resume, net, average, optimiser)
    run = Run(config, net, average, optimiser, pictures, validation, out, progress)
    run.log(
        event="resume" if resume else "start", recipe=asdict(config), pictures=len(pictures), **run.choose_precision()
    )
    while not run.finished():
        run.step()
    run.finish()
    return write_weights(out / "compact-ntscc.safetensors", net, average, run.progress())


def fresh(seed: int, pictures: PicturePool) -> Ntscc:
    """A network that starts as a transform code fitted to the pictures."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Ntscc()
    crops = pictures.draw(1500, np.random.default_rng((seed, 1)))
    start_from_patches(net, F.pixel_unshuffle(crops, BLOCK).permute(0, 2, 3, 1).reshape(-1, BLOCK_VALUES))
    return net


class Run:
    """A training run in progress."""

    def __init__(
        self,
        config: NtsccTraining,
        net: Ntscc,
        average: WeightAverage,
        optimiser: torch.optim.Optimizer,
        pictures: PicturePool,
        validation: Sequence[Pixels],
        out: Path,
        start: Progress,
    ) -> None:
        self.config = replace(config, seed=start.seed)
        self.net, self.average, self.optimiser = net, average, optimiser
        self.pictures, self.validation, self.out = pictures, validation, out
        self.steps = start.step
        self._wall = time.monotonic() - start.wall_s
        self._cpu = time.process_time() - start.cpu_s
        self._saved = self._validated = time.monotonic()
        self._losses: list[Losses] = []
        self.bfloat16 = config.precision == "bfloat16"

    def step(self) -> None:
        """One batch."""
        rate = self.config.learning_rate * learning_rate(self.done(), self.steps, self.config.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        total, losses = self.loss(self.steps)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.net, self.steps)
        self.steps += 1
        self._losses.append(losses)
        if self.steps % 100 == 0:
            self.log(event="step", lr=rate, **mean_losses(self._losses))
            self._losses.clear()
        now = time.monotonic()
        if self.validation and now - self._validated > 60 * self.config.validate_minutes:
            self.validate()
            self._validated = time.monotonic()
        if now - self._saved > 60 * self.config.save_minutes:
            self.save()
            self._saved = time.monotonic()

    def loss(self, step: int) -> tuple[Tensor, Losses]:
        """Loss of the batch that belongs to a step, whatever came before."""
        config = self.config
        generator = np.random.default_rng((config.seed, 2, step))
        noise = child_generator(config.seed, "training noise", step)
        batch = self.pictures.draw(config.batch, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            return batch_loss(self.net, batch, draw_conditions(config, generator), config, noise)

    def choose_precision(self) -> dict[str, object]:
        """Time a step with and without bfloat16, and take the faster; the network is left as it was."""
        if self.config.precision != "auto":
            return {"precision": self.config.precision}
        seconds = {}
        for self.bfloat16 in (False, True):
            best = math.inf
            for step in range(4):
                start = time.process_time()
                self.loss(step)[0].backward()
                best = min(best, time.process_time() - start)
            seconds["bfloat16" if self.bfloat16 else "float32"] = round(best, 4)
        self.optimiser.zero_grad(set_to_none=True)
        self.bfloat16 = seconds["bfloat16"] < seconds["float32"]
        return {"precision": "bfloat16" if self.bfloat16 else "float32", "cpu_s_of_loss": seconds}

    def done(self) -> float:
        """Share of the run that lies behind, 0..1."""
        if self.config.steps is not None:
            return min(1.0, self.steps / self.config.steps)
        return min(1.0, (time.monotonic() - self._wall) / (60 * self.config.minutes))

    def finished(self) -> bool:
        return self.done() >= 1.0

    def validate(self) -> None:
        """Measure the averaged weights, and log it."""
        with averaged(self.net, self.average):
            self.log(event="validation", results=measure(self.net, self.validation, VALIDATED))

    def progress(self) -> Progress:
        return Progress(self.steps, time.monotonic() - self._wall, time.process_time() - self._cpu, self.config.seed)

    def save(self) -> None:
        save_checkpoint(self.out / "checkpoint.pt", self.net, self.average, self.optimiser, self.progress())

    def finish(self) -> None:
        if self.validation:
            self.validate()
        self.save()
        self.log(event="end")

    def log(self, **entry: object) -> None:
        """One line of JSON, and the same to whoever listens."""
        progress = self.progress()
        head = {"step": progress.step, "wall_s": round(progress.wall_s, 1), "cpu_s": round(progress.cpu_s, 1)}
        line = json.dumps(head | entry)
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        logger.info(line)


def learning_rate(done: float, step: int, warmup: int) -> float:
    """Factor on the learning rate: up over the first steps, level for half of the run, down to a hundredth."""
    return min(1.0, (step + 1) / warmup) * (1.0 if done < 0.5 else 0.01 + 0.99 * 2 * (1 - done))


@contextlib.contextmanager
def averaged(net: Ntscc, average: WeightAverage) -> Iterator[None]:
    """The network with its averaged weights, for a while."""
    own = {name: value.detach().clone() for name, value in net.named_parameters()}
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(average.tensors[name])
        try:
            yield
        finally:
            for name, value in net.named_parameters():
                value.copy_(own[name])


@torch.inference_mode()
def measure(net: Ntscc, pictures: Sequence[Pixels], points: Sequence[tuple[float, float]]) -> list[dict[str, float]]:
    """Mean PSNR and MS-SSIM at pairs of (CBR, SNR), in float32. The rate map and the gain are not charged here."""
    results = []
    for cbr, snr_db in points:
        quality = [measure_one(net, picture, cbr, snr_db, index) for index, picture in enumerate(pictures)]
        psnr, similarity, spent = (float(np.mean(column)) for column in zip(*quality, strict=True))
        results.append(
            {
                "cbr": cbr,
                "snr_db": snr_db,
                "psnr_db": round(psnr, 3),
                "ms_ssim": round(similarity, 4),
                "cbr_spent": round(spent, 5),
                "n": len(pictures),
            }
        )
    return results


def measure_one(net: Ntscc, picture: Pixels, cbr: float, snr_db: float, index: int) -> tuple[float, float, float]:
    """PSNR, MS-SSIM and the CBR spent on symbols, of one picture."""
    batch = as_batch([picture]).contiguous(memory_format=torch.channels_last)
    snr = torch.tensor([snr_db])
    blocks = batch.shape[2] * batch.shape[3] // BLOCK**2
    sender = net.state(snr, torch.tensor([cbr * BLOCK_VALUES]), torch.ones(1))
    latent = net.analyse(batch, sender)
    entries = allocate(pool(net.information(latent)[0])[0], int(cbr * batch.numel()), net.config.rates)
    indices = unpool(entries)[None]
    reals = net.encode(latent, indices, sender)
    noise = child_generator(0, "validation", index, cbr, snr_db)
    arrived, gain = through_channel(reals, net.sent(indices), [snr_db], noise)
    receiver = net.state(snr, net.rates[indices].float().mean((1, 2)), gain)
    power = gain.square() * 10 ** (-snr / 10)
    rebuilt = net.synthesise(net.decode(arrived, indices, receiver, power[:, None, None, None]), receiver)
    pixels = (rebuilt[0].permute(1, 2, 0) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    similarity, _ = ms_ssim_and_ssim(picture, pixels)
    return psnr_db(picture, pixels) or 99.0, similarity, float(net.rates[indices].sum()) / (blocks * BLOCK_VALUES)


def write_weights(path: Path, net: Ntscc, average: WeightAverage, progress: Progress) -> Path:
    """The averaged weights as float16, with the network's sizes and the time spent in the file's metadata."""
    tensors = {name: value.to(torch.float16).contiguous() for name, value in average.tensors.items()}
    metadata = {
        "config": net.config.to_json(),
        "steps": str(progress.step),
        "cpu_s": f"{progress.cpu_s:.0f}",
        "seed": str(progress.seed),
    }
    with atomic_write(path) as file:
        file.write(save(tensors, metadata))
    return path


def load_net(path: Path) -> Ntscc:
    """A network from a weights file that :func:`write_weights` made, to train on from there."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        config = NtsccConfig.from_json(file.metadata()["config"])
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    net = Ntscc(config)
    net.load_state_dict(tensors)
    return net


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lgvsc.training.ntscc", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures and clips")
    parser.add_argument("--out", type=Path, required=True, help="folder for log, checkpoint and weights")
    parser.add_argument("--minutes", type=float, default=180.0, help="wall clock of the whole run")
    parser.add_argument("--steps", type=int, help="length of the whole run in batches, in place of --minutes")
    parser.add_argument("--resume", type=Path, help="checkpoint.pt of this run, to go on exactly")
    parser.add_argument("--from-weights", type=Path, help="weights (.safetensors) to begin a new run from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    config = NtsccTraining(minutes=chosen.minutes, steps=chosen.steps, seed=chosen.seed, threads=chosen.threads)
    train_on_folder(config, chosen.data, chosen.out, resume=chosen.resume, weights=chosen.from_weights)


def train_on_folder(
    config: NtsccTraining, data: Path, out: Path, *, resume: Path | None = None, weights: Path | None = None
) -> Path:
    """Train on what lies under a folder; ``bsds_test``, where it is there, gives 24 pictures for validation."""
    torch.set_num_threads(config.threads)
    cv2.setNumThreads(config.threads)
    sources = find_sources(data)
    pictures = PicturePool(training_pictures(sources, config.frames_per_clip), config.crop)
    return train(
        config,
        pictures,
        out,
        net=load_net(weights) if weights else None,
        validation=validation_pictures(data),
        resume=resume,
    )


def validation_pictures(data: Path) -> list[Pixels]:
    """Centres of the first 24 pictures, by name, of a ``bsds_test`` folder: short side scaled to 256, 256 x 256."""
    found = sorted(path for path in data.rglob("bsds_test/*") if path.suffix.lower() == ".jpg")
    return [square(read_still(path), 256) for path in found[:24]]


def channels_last(net: nn.Module) -> None:
    """Convolutions on a CPU like their weights that way."""
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


if __name__ == "__main__":
    main()
