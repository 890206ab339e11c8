"""Who does the work of a job or of an experiment, and how it is shared out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lgvsc.core.processes import Processes
from lgvsc.core.sharing import Crew, Died, Result, Task, share_out
from lgvsc.errors import ConfigError
from lgvsc.experiments.jobs.ray_actors import Actors

Engine = Literal["local", "ray"]
ENGINES: tuple[Engine, ...] = ("local", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Who does the work.

    Attributes:
        engine: ``"local"`` is this machine: this process, or several. ``"ray"`` are Ray's actors, here or on the
            machines of a cluster, all of which must see videos, weights and results under the same paths.
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
        if self.engine == "local" and (self.address or self.gpus):
            raise ConfigError("an address of Ray and GPUs for each actor go with --engine ray only")


HERE = Workers()


def do_all(
    make: Callable[[], Callable[[Task], Result]], tasks: Sequence[Task], workers: Workers
) -> Iterator[tuple[int, Result | Died]]:
    """Do all tasks.

    Args:
        make: Makes what does the tasks, once for each worker, which keeps it: models are loaded there and stay.

    Yields:
        The place of a task and its result as they end; :data:`~lgvsc.core.sharing.DIED` where every worker that
        tried it died.

    Raises:
        LgvscError: The models cannot be loaded, or Ray is not there.
    """
    if not tasks:
        return
    crew: Crew
    if workers.engine == "ray":
        crew = Actors(make, min(workers.count, len(tasks)), workers.cpus, workers.gpus, workers.address)
    elif workers.count == 1 or len(tasks) == 1:
        work = make()
        yield from enumerate(map(work, tasks))
        return
    else:
        crew = Processes(make)
    yield from share_out(crew, tasks, workers.count)
