"""What every training of a network does besides its loss: schedule, average, checkpoints, log, precision."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import resource
import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TextIO, TypeVar

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from lgvsc.channel.common import child_generator
from lgvsc.core.files import atomic_write
from lgvsc.errors import ConfigError, MissingResourceError
from lgvsc.training.checkpoints import Progress, WeightAverage, load_checkpoint, save_checkpoint

logger = logging.getLogger(__name__)

LOG_EVERY = 100  # steps


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """What all recipes have in common.

    Attributes:
        minutes: Wall clock of the whole run, all its pieces together; sets the schedule unless ``steps`` is given.
        steps: Number of steps instead; only this, or ``epochs``, makes a run repeatable to the last bit.
        epochs: Steps by another count: as many crops for each epoch as there are pictures (or runs of frames).
        batch: Crops in a batch.
        crop: Side of a crop in pixels.
        optimiser: ``adamw``, with betas .9 and .98 and a little weight decay, or the papers' ``adam`` as published.
        learning_rate: At its highest.
        schedule: ``decay``: level for half of the run, then down to a hundredth; ``constant``: as the papers train.
        warmup: Steps until it is at its highest.
        average: Share of the weight average that a step keeps.
        seed: Of weights, crops and noise.
        threads: Of PyTorch. Two compete badly with other processes on small machines.
        precision: Autocast to bfloat16 or not; ``auto`` times both at the start.
        save_minutes: Wall clock between checkpoints.
        validate_minutes: Wall clock between validations.
        device: ``cpu`` or ``cuda``.
        dry_run: Time a few steps, print steps, hours and memory of the run, and train nothing.
    """

    minutes: float = 20.0
    steps: int | None = None
    epochs: int | None = None
    batch: int = 8
    crop: int = 128
    optimiser: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = 1e-3
    schedule: Literal["decay", "constant"] = "decay"
    warmup: int = 200
    average: float = 0.998
    seed: int = 0
    threads: int = 1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    save_minutes: float = 3.0
    validate_minutes: float = 5.0
    device: str = "cpu"
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.steps is not None and self.epochs is not None:
            raise ConfigError(f"steps is {self.steps} and epochs {self.epochs}; give one of them")
        if self.epochs is not None and self.epochs < 1:
            raise ConfigError(f"epochs is {self.epochs}; train for at least one")
        if self.steps is None and self.minutes <= 0:
            raise ConfigError("training needs a number of steps or a number of minutes above zero")
        if self.device not in ("cpu", "cuda"):
            raise ConfigError(f"device is {self.device!r}; train on cpu or cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise MissingResourceError("there is no CUDA device here; train with --device cpu")


Recipe = TypeVar("Recipe", bound=LoopConfig)
COUNTED = ("pictures", "windows", "scenes")  # what an epoch goes over, as trainers call it


class DryRunEnd(Exception):  # noqa: N818 - nothing went wrong
    """A dry run has said what it had to say: the plan, in words."""


def steps_of(config: LoopConfig, facts: Mapping[str, object]) -> int:
    """How many steps so many epochs are.

    Raises:
        ConfigError: Nothing that an epoch could go over is counted.
    """
    count = next((facts[name] for name in COUNTED if isinstance(facts.get(name), int)), None)
    if not isinstance(count, int) or config.epochs is None:
        raise ConfigError("this training knows no epochs; give --steps or --minutes")
    return config.epochs * math.ceil(count / config.batch)


def at_whole(points: list[tuple[int, float]], batch: int) -> float:
    """A line through one or two points (batch, value), at a batch; through one, what is there."""
    (first, low), (last, high) = points[0], points[-1]
    return high if first == last else high + (high - low) / (last - first) * (batch - last)


class TrainingRun(ABC, Generic[Recipe]):
    """A training run in progress. A network's own run says what its loss and its validation are.

    Args:
        config: The recipe.
        net: On the recipe's device.
        out: Folder for ``checkpoint.pt`` and ``log.jsonl``.
        resume: Checkpoint to go on from; the log is appended to.
    """

    def __init__(self, config: Recipe, net: nn.Module, out: Path, resume: Path | None = None) -> None:
        torch.set_num_threads(config.threads)
        torch.set_flush_denormal(True)  # tiny values take a hundred times longer
        if not config.dry_run:
            out.mkdir(parents=True, exist_ok=True)
        channels_last(net.to(config.device))
        self.net, self.out = net, out
        self.average = WeightAverage(net, config.average)
        self.optimiser: torch.optim.Optimizer
        if config.optimiser == "adam":
            self.optimiser = torch.optim.Adam(net.parameters(), lr=config.learning_rate, fused=True)
        else:
            self.optimiser = torch.optim.AdamW(
                net.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=1e-4, fused=True
            )
        start = Progress(0, 0.0, 0.0, config.seed)
        if resume is not None:
            start = load_checkpoint(resume, net, self.average, self.optimiser)
        self.config = replace(config, seed=start.seed)
        self.steps = start.step
        self._resumed = resume is not None
        self._wall = time.monotonic() - start.wall_s
        self._cpu = time.process_time() - start.cpu_s
        self._saved = self._validated = time.monotonic()
        self._figures: list[Mapping[str, float]] = []
        self.bfloat16 = config.precision == "bfloat16"
        self._bar = ProgressBar(sys.stderr)

    @abstractmethod
    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Loss of the batch that belongs to a step, whatever came before, and figures for the log."""

    @abstractmethod
    def measure(self) -> object:
        """Results on pictures that are not trained on, in plain JSON types; ``None`` where there are none."""

    def run(self, **facts: object) -> Progress:
        """From start to end. ``facts`` go into the log's first line; one of them counts what an epoch goes over.

        Raises:
            DryRunEnd: The recipe asked for a dry run; it carries the plan, and nothing was written.
            ConfigError: Epochs of nothing that is counted.
        """
        if self.config.epochs is not None:
            self.config = replace(self.config, steps=steps_of(self.config, facts), epochs=None)
        if self.config.dry_run:
            raise DryRunEnd(self.plan())
        event = "resume" if self._resumed else "start"
        self.log(event=event, recipe=asdict(self.config), **facts, **self.choose_precision())
        while not self.finished():
            self.step()
        self.validate()
        self.save()
        self.log(event="end")
        return self.progress()

    def plan(self) -> str:
        """What the run would take here, from a few steps: how many, how long, how much memory.

        Large batches are not tried whole: two small ones are, and a line is drawn through them.
        """
        whole, config = self.config.batch, self.config
        if config.precision == "auto":
            self.bfloat16 = config.device != "cpu"
        tried = (whole,) if whole <= 8 else (whole // 16, whole // 8)
        found = []
        for batch in tried:
            self.config = replace(config, batch=batch)
            found.append((batch, *self.timed()))
        self.config = config
        seconds, gigabytes = (at_whole([(row[0], row[column]) for row in found], whole) for column in (1, 2))
        steps = config.steps if config.steps is not None else round(60 * config.minutes / seconds)
        hours = steps * seconds / 3600
        how = "" if len(tried) == 1 else f", drawn out from batches of {tried[0]} and {tried[1]}"
        weights = sum(parameter.numel() for parameter in self.net.parameters())
        return (
            f"{steps} steps of batch {whole}, {seconds:.3g} s each on {config.device}{how}: {hours:.3g} hours, about "
            f"{gigabytes:.2g} GB of memory; {weights / 1e6:.2f} M weights, {config.optimiser}, learning rate "
            f"{config.learning_rate:g}, {config.schedule}. Nothing was trained or written."
        )

    def timed(self) -> tuple[float, float]:
        """Seconds of a step, the best of two after one, and the most memory in GB so far; no weight is changed."""
        best = math.inf
        for step in range(3):
            start = time.monotonic()
            self.loss(step)[0].backward()
            if self.config.device == "cuda":
                torch.cuda.synchronize()
            best = min(best, time.monotonic() - start) if step else best
        self.optimiser.zero_grad(set_to_none=True)
        weights = sum(parameter.numel() for parameter in self.net.parameters())
        states = 3 * 4 * weights  # two moments and the average, which are not there yet
        if self.config.device == "cuda":
            return best, (torch.cuda.max_memory_allocated() + states) / 1e9
        return best, (1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + states) / 1e9

    def step(self) -> None:
        """One batch."""
        rate = self.config.learning_rate
        if self.config.schedule == "constant":
            rate *= min(1.0, (self.steps + 1) / self.config.warmup)
        else:
            rate *= learning_rate(self.done(), self.steps, self.config.warmup)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        total, figures = self.loss(self.steps)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.net, self.steps)
        self.steps += 1
        self._figures.append(figures)
        if self.steps % LOG_EVERY == 0:
            means = {name: round(float(np.mean([f[name] for f in self._figures])), 5) for name in figures}
            self.log(event="step", lr=rate, **means)
            self._figures.clear()
        self._bar.show(self.done(), self.steps, figures)
        now = time.monotonic()
        if now - self._validated > 60 * self.config.validate_minutes:
            self.validate()
            self._validated = time.monotonic()
        if now - self._saved > 60 * self.config.save_minutes:
            self.save()
            self._saved = time.monotonic()

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.config.device, torch.bfloat16, enabled=self.bfloat16)

    def choice(self, step: int) -> np.random.Generator:
        """Where the batch of a step comes from."""
        return np.random.default_rng((self.config.seed, 2, step))

    def noise(self, step: int) -> torch.Generator:
        """Where the noise of a step comes from, on the device."""
        seed = child_generator(self.config.seed, "training noise", step).initial_seed()
        return torch.Generator(self.config.device).manual_seed(seed)

    def choose_precision(self) -> dict[str, object]:
        """Time a step with and without bfloat16, and take the faster; the network is left as it was."""
        if self.config.device != "cpu" and self.config.precision == "auto":
            self.bfloat16 = True
            return {"precision": "bfloat16"}
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
        with averaged(self.net, self.average), torch.inference_mode():
            results = self.measure()
        if results is not None:
            self._bar.validation = json.dumps(results)
            self.log(event="validation", results=results)

    def progress(self) -> Progress:
        return Progress(self.steps, time.monotonic() - self._wall, time.process_time() - self._cpu, self.config.seed)

    def save(self) -> None:
        save_checkpoint(self.out / "checkpoint.pt", self.net, self.average, self.optimiser, self.progress())

    def log(self, **entry: object) -> None:
        """One line of JSON, and the same to whoever listens."""
        progress = self.progress()
        head = {"step": progress.step, "wall_s": round(progress.wall_s, 1), "cpu_s": round(progress.cpu_s, 1)}
        line = json.dumps(head | entry)
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        logger.info(line)

    def write_weights(self, path: Path, **metadata: str) -> Path:
        """The averaged weights as float16, with the time spent and ``metadata`` in the file's own."""
        progress = self.progress()
        told = {"steps": str(progress.step), "cpu_s": f"{progress.cpu_s:.0f}", "seed": str(progress.seed)}
        tensors = {name: value.to("cpu", torch.float16).contiguous() for name, value in self.average.tensors.items()}
        with atomic_write(path) as file:
            file.write(save(tensors, metadata | told))
        return path


class ProgressBar:
    """How far a run is, on one line of a terminal that is drawn anew twice a second; nothing anywhere else.

    Args:
        stream: Where to; usually standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = -math.inf
        self.validation = "no validation yet"

    def show(self, done: float, step: int, figures: Mapping[str, float]) -> None:
        """The share that is done, the step, its figures and the last validation, cut to the width of the terminal."""
        now = time.monotonic()
        if not self._stream.isatty() or now - self._shown < 0.5:
            return
        self._shown = now
        filled = round(20 * done)
        told = " ".join(f"{name} {value:.4g}" for name, value in figures.items())
        line = f"[{'#' * filled}{'.' * (20 - filled)}] {done:4.0%} step {step}  {told}  {self.validation}"
        width = shutil.get_terminal_size().columns - 1
        self._stream.write("\r" + line[:width].ljust(width))
        self._stream.flush()


def learning_rate(done: float, step: int, warmup: int) -> float:
    """Factor on the learning rate: up over the first steps, level for half of the run, down to a hundredth."""
    return min(1.0, (step + 1) / warmup) * (1.0 if done < 0.5 else 0.01 + 0.99 * 2 * (1 - done))


@contextlib.contextmanager
def averaged(net: nn.Module, average: WeightAverage) -> Iterator[None]:
    """The network with its averaged weights, for a while."""
    own = {name: value.detach().clone() for name, value in net.named_parameters()}
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(average.tensors[name])
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in net.named_parameters():
                value.copy_(own[name])


def channels_last(net: nn.Module) -> None:
    """Convolutions on a CPU like their weights that way."""
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def compiled(function: Callable[..., Any], device: str) -> Callable[..., Any]:
    """The function, compiled where that pays: on a GPU."""
    return torch.compile(function) if device == "cuda" else function
