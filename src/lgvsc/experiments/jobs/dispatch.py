"""The transmitter over many videos: one after the other, in a pool of processes, or on Ray's actors.

Whoever does the work is a :class:`Transmitter`, which reads the weights when it is made and keeps them. So results do
not depend on where it runs, and a large model is read once for each worker, not once for each video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lgvsc.config import Config
from lgvsc.core.processes import Died, in_processes
from lgvsc.experiments.jobs.job import Job, JobResult, Workers, died
from lgvsc.experiments.jobs.ray_actors import on_actors
from lgvsc.experiments.jobs.transmitter import Transmitter


def run_jobs(
    jobs: Sequence[Job],
    config: Config,
    workers: Workers,
    on_result: Callable[[JobResult, int, int], None] = lambda *_: None,
) -> list[JobResult]:
    """Do all jobs.

    Args:
        on_result: Called with each result as it comes, the number of jobs done and of all.

    Returns:
        The results in the order of the jobs, the same whoever did the work.

    Raises:
        LgvscError: The models cannot be loaded, or Ray is not there.
    """
    found: dict[int, JobResult] = {}
    for place, result in results(jobs, config, workers):
        found[place] = result
        on_result(result, len(found), len(jobs))
    return [found[place] for place in range(len(jobs))]


def results(jobs: Sequence[Job], config: Config, workers: Workers) -> Iterator[tuple[int, JobResult]]:
    """Results as they come, each with the place of its job."""
    if workers.engine == "ray":
        yield from on_actors(jobs, config, workers)
    elif workers.count == 1 or len(jobs) == 1:
        transmitter = Transmitter(config)
        yield from enumerate(map(transmitter, jobs))
    else:
        for place, result in in_processes(_work, jobs, min(workers.count, len(jobs)), _prepare, config):
            yield place, died(jobs[place]) if isinstance(result, Died) else result


_config: Config | None = None
_transmitter: Transmitter | None = None


def _prepare(config: Config) -> None:
    """What a process of the pool begins with."""
    global _config
    _config = config


def _work(job: Job) -> JobResult:
    """A job in a process of the pool, whose transmitter stays for the next one."""
    global _transmitter
    if _transmitter is None:
        assert _config is not None
        _transmitter = Transmitter(_config)
    return _transmitter(job)
