"""The transmitter over many videos, whoever does the work.

Whoever does it has a :class:`Transmitter`, which reads the weights when it is made and keeps them. So results do not
depend on where it runs, and a large model is read once for each worker, not once for each video.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from lgvsc.config import Config
from lgvsc.core.sharing import Died
from lgvsc.experiments.jobs.job import Job, JobResult
from lgvsc.experiments.jobs.transmitter import Transmitter
from lgvsc.experiments.jobs.workers import Workers, do_all


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
    for place, result in do_all(partial(Transmitter, config), [elsewhere(job) for job in jobs], workers):
        job = jobs[place]
        found[place] = JobResult(job, {}, result.words, 0.0) if isinstance(result, Died) else replace(result, job=job)
        on_result(found[place], len(found), len(jobs))
    return [found[place] for place in range(len(jobs))]


def elsewhere(job: Job) -> Job:
    """A job for somebody who works in another folder."""
    return replace(job, video=job.video.absolute(), target=job.target.absolute() if job.target else None)
