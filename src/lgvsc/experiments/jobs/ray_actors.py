"""The transmitter on Ray's actors: each keeps the models, several may share a GPU, on one machine or on many."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from lgvsc.config import Config
from lgvsc.core.processes import use_one_thread
from lgvsc.errors import ConfigError, LgvscError, MissingResourceError
from lgvsc.experiments.jobs.job import Job, JobResult, Workers, died
from lgvsc.experiments.jobs.transmitter import Transmitter

DEATHS = 3  # of actors; after so many in a row something is wrong with all of them


class TransmitterActor:
    """A transmitter in a process of its own, made when it is first needed."""

    def __init__(self, config: Config, whole_cpus: bool) -> None:
        self._config, self._one_thread = config, not whole_cpus
        self._transmitter: Transmitter | None = None

    def prepare(self) -> None:
        """Load the models."""
        if self._one_thread:
            use_one_thread()
        self._transmitter = Transmitter(self._config)

    def work(self, job: Job) -> JobResult:
        """Do a job."""
        if self._transmitter is None:
            self.prepare()
        assert self._transmitter is not None
        return self._transmitter(job)


def on_actors(jobs: Sequence[Job], config: Config, workers: Workers) -> Iterator[tuple[int, JobResult]]:
    """Results as they come, each with the place of its job.

    An actor that dies fails the job that it had, and another one takes its place.

    Raises:
        MissingResourceError: Ray is not installed, or its cluster cannot be reached.
        ConfigError: The actors reserve more than the cluster has, and would be waited for without end.
        LgvscError: The models cannot be loaded.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingResourceError("--engine ray needs Ray: pip install 'lgvsc[ray]'") from error

    started = not ray.is_initialized()
    if started:
        start(ray, workers)
    actors: list[Any] = []
    try:
        count = min(workers.count, len(jobs))
        affordable(ray.cluster_resources(), count, workers)
        make = ray.remote(TransmitterActor).options(num_cpus=workers.cpus, num_gpus=workers.gpus)
        idle = actors = [make.remote(config, workers.cpus > 1) for _ in range(count)]
        wait_until_prepared(ray, actors)
        waiting = list(reversed(list(enumerate(jobs))))
        running: dict[Any, tuple[int, Any]] = {}
        deaths = 0
        while waiting or running:
            while waiting and idle:
                actor, (place, job) = idle[0], waiting.pop()
                idle = idle[1:]
                running[actor.work.remote(elsewhere(job))] = place, actor
            (ended, *_), _ = ray.wait(list(running))
            place, actor = running.pop(ended)
            try:
                result = replace(ray.get(ended), job=jobs[place])
                deaths = 0
            except ray.exceptions.RayActorError as error:
                result, deaths = died(jobs[place]), deaths + 1
                if deaths == DEATHS:
                    raise LgvscError(f"{DEATHS} actors died one after the other: {first_line(error)}") from error
                actor = make.remote(config, workers.cpus > 1)
                actors = [*actors, actor]
            yield place, result
            idle = [*idle, actor]
    finally:
        for actor in actors:
            ray.kill(actor)
        if started:
            ray.shutdown()


def elsewhere(job: Job) -> Job:
    """A job for somebody who works in another folder."""
    return replace(job, video=job.video.absolute(), target=job.target.absolute() if job.target else None)


def start(ray: Any, workers: Workers) -> None:
    """Join a cluster, or start Ray on this machine without its dashboard."""
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if workers.address:
            ray.init(address=workers.address, **quiet)
        else:
            ray.init(address="local", include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"the cluster at {workers.address} cannot be joined" if workers.address else "Ray does not start"
        raise MissingResourceError(f"{where}: {first_line(error)}") from error


def affordable(has: dict[str, float], count: int, workers: Workers) -> None:
    """Refuse to wait for what will never be free.

    Raises:
        ConfigError: The cluster has less than the actors reserve.
    """
    for kind, word, each in (("CPU", "processors", workers.cpus), ("GPU", "GPUs", workers.gpus)):
        if count * each > has.get(kind, 0.0):
            raise ConfigError(
                f"{count} actors of {each:g} {word} want {count * each:g}, and Ray has {has.get(kind, 0.0):g}; "
                f"take fewer with --jobs, or let each reserve less"
            )


def wait_until_prepared(ray: Any, actors: Sequence[Any]) -> None:
    """Wait until every actor has its models.

    Raises:
        LgvscError: What an actor complained of, or that it died.
    """
    try:
        ray.get([actor.prepare.remote() for actor in actors])
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, LgvscError):
            raise error.cause from error
        raise LgvscError(f"an actor cannot load the models: {first_line(error.cause)}") from error
    except ray.exceptions.RayActorError as error:
        raise LgvscError(f"an actor died while it loaded the models: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
