"""The transmitter over many videos: one after the other, in a pool of processes, or on Ray's actors.

Whoever does the work is a :class:`Transmitter`, which reads the weights when it is made and keeps them. So results do
not depend on where it runs, and a large model is read once for each worker, not once for each video.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lgvsc import build, inspection, link
from lgvsc.config import AUTO, Config
from lgvsc.errors import ConfigError, LgvscError

log = logging.getLogger(__name__)

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
class Outcome:
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


class Transmitter:
    """The transmitter's half of the link for one configuration, its models in memory."""

    def __init__(self, config: Config) -> None:
        self.config = config
        asks = config.is_generative and config.scheme != AUTO
        self._similarity = build.psss(config) if asks else None  # large models stay for whoever builds them again

    def __call__(self, job: Job) -> Outcome:
        """Do a job. What goes wrong with a video is in the outcome."""
        started = time.perf_counter()
        result: dict[str, Any] = {}
        error = ""
        try:
            result = self._send(job, job.target) if job.target else self._keyframes(job)
        except LgvscError as failure:
            error = str(failure)
        except Exception as failure:  # one broken video must not take the others with it
            log.exception("%s", job.video)
            error = f"{type(failure).__name__}: {failure}"
        return Outcome(job, result, error, time.perf_counter() - started)

    def _keyframes(self, job: Job) -> dict[str, Any]:
        return inspection.find_keyframes(job.video, self.config, similarity=self._similarity).as_json()

    def _send(self, job: Job, target: Path) -> dict[str, Any]:
        choices: list[str] = []
        message = target.with_name(target.name + ".lgvsc")
        sent = link.send(
            job.video, self.config, message=message, symbols=target, force=job.force, on_choices=choices.extend
        )
        return {
            "segments": sent.entries[-1].segment + 1,
            "symbols": sent.symbols,
            "cbr": sent.cbr,
            "choices": choices,
            "video": {key: str(value) for key, value in asdict(sent.video).items()},
        }


def run_jobs(
    jobs: Sequence[Job],
    config: Config,
    workers: Workers,
    on_outcome: Callable[[Outcome, int, int], None] = lambda *_: None,
) -> list[Outcome]:
    """Do all jobs.

    Args:
        on_outcome: Called with each outcome as it comes, the number of jobs done and of all.

    Returns:
        The outcomes in the order of the jobs, the same whoever did the work.

    Raises:
        LgvscError: The models cannot be loaded, or Ray is not there.
    """
    found: dict[int, Outcome] = {}
    for place, outcome in outcomes(jobs, config, workers):
        found[place] = outcome
        on_outcome(outcome, len(found), len(jobs))
    return [found[place] for place in range(len(jobs))]


def outcomes(jobs: Sequence[Job], config: Config, workers: Workers) -> Iterator[tuple[int, Outcome]]:
    """Outcomes as they come, each with the place of its job."""
    if workers.engine == "ray":
        from lgvsc.experiments.ray_actors import on_actors

        yield from on_actors(jobs, config, workers)
    elif workers.count == 1 or len(jobs) == 1:
        transmitter = Transmitter(config)
        yield from enumerate(map(transmitter, jobs))
    else:
        yield from in_processes(jobs, config, min(workers.count, len(jobs)))


def in_processes(jobs: Sequence[Job], config: Config, count: int) -> Iterator[tuple[int, Outcome]]:
    """The jobs in a pool of processes. Where a process dies, the job that it had has failed and the rest goes on."""
    waiting = list(reversed(list(enumerate(jobs))))
    running: dict[Future[Outcome], int] = {}
    pool = new_pool(config, count)
    try:
        while waiting or running:
            while waiting and len(running) < count:
                place, job = waiting.pop()
                running[pool.submit(work, job)] = place
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = False
            for future in ended:
                place = running.pop(future)
                try:
                    yield place, future.result()
                except BrokenProcessPool:
                    broken = True
                    yield place, died(jobs[place])
            if broken:  # nobody can tell whose job it was that killed the process
                for place in running.values():
                    yield place, died(jobs[place])
                running.clear()
                pool.shutdown(wait=False, cancel_futures=True)
                pool = new_pool(config, count)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def died(job: Job) -> Outcome:
    """What becomes of a job whose worker is gone."""
    return Outcome(job, {}, "the process that worked on it, or one beside it, died; out of memory?", 0.0)


def new_pool(config: Config, count: int) -> ProcessPoolExecutor:
    """Fresh processes: PyTorch's threads do not survive a fork."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=prepare, initargs=(config,))


_config: Config | None = None
_transmitter: Transmitter | None = None


def prepare(config: Config) -> None:
    """What a process of the pool begins with."""
    global _config
    one_thread()
    _config = config


def work(job: Job) -> Outcome:
    """A job in a process of the pool, whose transmitter stays for the next one."""
    global _transmitter
    if _transmitter is None:
        assert _config is not None
        _transmitter = Transmitter(_config)
    return _transmitter(job)


def one_thread() -> None:
    """Keep a worker to one core."""
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
