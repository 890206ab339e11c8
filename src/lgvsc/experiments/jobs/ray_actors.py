"""Workers as Ray's actors: each keeps its models, several may share a GPU, on one machine or on many."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lgvsc.core.processes import use_one_thread
from lgvsc.core.sharing import WorkerDied
from lgvsc.errors import ConfigError, LgvscError, MissingResourceError

REACH_S = 5  # for a machine to take a connection
ANSWER_S = 30  # for Ray to answer on it; Ray itself waits for minutes, and then ends the process
PLACE_S = 120  # for an actor to begin, where no other one works


class Host:
    """A worker in a process of its own, on some machine. It begins in two steps: where it is, and with its models."""

    def __init__(self) -> None:
        self._work: Callable[[Any], Any] | None = None

    def place(self) -> str:
        """Version of lgvsc on this machine."""
        return version("lgvsc")

    def begin(self, make: Callable[[], Callable[[Any], Any]], folder: str, one_thread: bool) -> None:
        """Load the models. Relative paths of settings mean what they mean where the command was given."""
        if Path(folder).is_dir():
            os.chdir(folder)
        if one_thread:
            use_one_thread()
        self._work = make()

    def work(self, task: Any) -> Any:
        """Do a task."""
        assert self._work is not None
        return self._work(task)


class Actors:
    """A :class:`~lgvsc.core.sharing.Crew` of actors.

    Raises:
        MissingResourceError: Ray is not installed, or its cluster cannot be reached.
        ConfigError: The actors reserve more than the cluster has, and would be waited for without end.
    """

    def __init__(
        self, make: Callable[[], Callable[[Any], Any]], count: int, cpus: float, gpus: float, address: str
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise MissingResourceError("--engine ray needs Ray: pip install 'lgvsc[ray]'") from error
        self._ray: Any = ray
        self._started = not ray.is_initialized()
        if self._started:
            start(ray, address)
        self._actors: list[RayWorker] = []
        self._begin = make, str(Path.cwd()), cpus <= 1
        self._kind = ray.remote(Host).options(num_cpus=cpus, num_gpus=gpus)
        try:
            affordable(ray.cluster_resources(), count, cpus, gpus)
        except ConfigError:
            self.close()
            raise

    def hire(self) -> tuple[RayWorker, Any]:
        actor = RayWorker(self._kind.remote(), self._begin)
        self._actors.append(actor)
        return actor, actor.begun

    def wait(self, pending: Collection[Any]) -> Any:
        while True:
            ended, _ = self._ray.wait(list(pending), timeout=5)
            if ended:
                return ended[0]
            self._refuse_to_wait_for_nobody(pending)

    def result(self, ended: Any) -> Any:
        errors = self._ray.exceptions
        try:
            found = self._ray.get(ended)
        except errors.RayTaskError as error:
            if isinstance(error.cause, Exception):
                raise error.cause from error
            raise LgvscError(f"an actor failed: {first_line(error)}") from error
        except errors.RayError as error:  # of the actor, of its machine, of the network
            raise WorkerDied(first_line(error)) from error
        mine = next((actor for actor in self._actors if actor.begun == ended), None)
        if mine and (there := self._ray.get(mine.placed)) != version("lgvsc"):
            raise ConfigError(f"a machine of the cluster has lgvsc {there}, this one {version('lgvsc')}; install one")
        return found

    def close(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor.handle)
        self._actors = []
        if self._started:
            self._ray.shutdown()

    def _refuse_to_wait_for_nobody(self, pending: Collection[Any]) -> None:
        """Actors that nobody has room for, as after the loss of a machine, would be waited for without end."""
        unplaced = [actor for actor in self._actors if actor.begun in pending and not self._is_there(actor.placed)]
        if len(unplaced) == len(pending) and all(time.monotonic() - actor.since > PLACE_S for actor in unplaced):
            raise LgvscError(
                f"the cluster has had no room for an actor for {PLACE_S} s; what is done is kept, run the same command "
                "again once it has"
            )

    def _is_there(self, reference: Any) -> bool:
        return bool(self._ray.wait([reference], timeout=0)[0])


class RayWorker:
    """A :class:`~lgvsc.core.sharing.Worker` that is an actor."""

    def __init__(self, handle: Any, begin: tuple[Any, ...]) -> None:
        self.handle = handle
        self.since = time.monotonic()
        self.placed = handle.place.remote()
        self.begun = handle.begin.remote(*begin)

    def submit(self, task: Any) -> Any:
        return self.handle.work.remote(task)


def start(ray: Any, address: str) -> None:
    """Join a cluster, or start Ray on this machine, without its dashboard and its statistics of use.

    Raises:
        MissingResourceError: It does not answer, or does not start.
        ConfigError: An address of another form.
    """
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address:
            look_for(address)
            ray.init(address=address, **quiet)
        else:
            ray.init(address="local", include_dashboard=False, **quiet)
    except LgvscError:
        raise
    except Exception as error:  # Ray has no class of its own for this
        where = f"the cluster at {address} cannot be joined" if address else "Ray does not start"
        raise MissingResourceError(f"{where}: {first_line(error)}") from error


def look_for(address: str) -> None:
    """See whether a cluster answers, in bounded time.

    Raises:
        MissingResourceError: It does not.
        ConfigError: An address of another form.
    """
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or "/" in host or not 0 < int(port) < 65536:
            raise ConfigError(f"--ray-address is {address!r}; give HOST:PORT of the cluster's head, or auto")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
        except OSError as error:
            why = error.strerror or str(error)
            raise MissingResourceError(
                f"nothing answers at {address}: {why.lower()}; give the address that `ray start --head` printed"
            ) from error
    ask = [sys.executable, "-c", f"import ray; ray.init({address!r}, log_to_driver=False)"]
    try:
        ran = subprocess.run(ask, capture_output=True, timeout=ANSWER_S, text=True)
    except subprocess.TimeoutExpired as error:
        raise MissingResourceError(f"no cluster of Ray answers at {address} within {ANSWER_S} s") from error
    if ran.returncode:
        said = [line for line in ran.stderr.splitlines() if "Error" in line]
        why = f": {said[-1].strip()}" if said else ""
        raise MissingResourceError(f"the cluster at {address} cannot be joined{why}")


def affordable(has: dict[str, float], count: int, cpus: float, gpus: float) -> None:
    """Refuse to wait for what will never be free.

    Raises:
        ConfigError: The cluster has less than the actors reserve.
    """
    for kind, word, each in (("CPU", "processors", cpus), ("GPU", "GPUs", gpus)):
        if count * each > has.get(kind, 0.0):
            raise ConfigError(
                f"{count} actors of {each:g} {word} want {count * each:g}, and Ray has {has.get(kind, 0.0):g}; "
                f"take fewer with --jobs, or let each reserve less"
            )


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
