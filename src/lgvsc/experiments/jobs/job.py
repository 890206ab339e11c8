"""What is to be done with many videos, by whom, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lgvsc.errors import ConfigError

Engine = Literal["local", "ray"]
ENGINES: tuple[Engine, ...] = ("local", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Who does the work.

    Attributes:
        engine: ``"local"`` is this machine: this process, or a pool of processes. ``"ray"`` are Ray's actors, here or
            on the machines of a cluster, all of which must see the videos under the same paths.
        count: How many at once.
        cpus, gpus: What one actor reserves; fractions let several share a GPU. Ray hides GPUs from actors that
            reserve none.
        address: Of a running cluster; empty starts Ray on this machine.
    """

    engine: Engine = "local"
    count: int = 1
    cpus: float = 0.5
    gpus: float = 0.0
    address: str = ""

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise ConfigError(f"the engine is {self.engine!r}; there are {' and '.join(ENGINES)}")
        if self.count < 1:
            raise ConfigError(f"{self.count} workers can do nothing; give at least 1")
        if not (self.cpus > 0 and self.gpus >= 0):
            raise ConfigError(f"an actor reserves {self.cpus:g} processors and {self.gpus:g} GPUs; give 0 GPUs or more")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ConfigError(f"an actor reserves {self.gpus:g} GPUs; above one, Ray gives whole ones only")


@dataclass(frozen=True, slots=True)
class Job:
    """A video, and what is to be made of it.

    Attributes:
        video: The file.
        target: Stem of ``STEM.lgvsc`` and the SigMF recording; ``None``: choose keyframes and send nothing.
        force: Whether existing files are replaced.
    """

    video: Path
    target: Path | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of a job.

    Attributes:
        result: Keyframes as ``lgvsc keyframes --json`` prints them, or what was sent; empty after a failure.
        error: Why it failed.
        seconds: Wall time, the loading of models not included.
    """

    job: Job
    result: dict[str, Any]
    error: str
    seconds: float


def died(job: Job) -> JobResult:
    """What becomes of a job whose worker is gone."""
    return JobResult(job, {}, "the process that worked on it, or one beside it, died; out of memory?", 0.0)
