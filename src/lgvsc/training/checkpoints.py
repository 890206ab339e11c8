"""Training state on disk: written often, whole or not at all, and read back so that a run goes on exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from lgvsc.core.files import atomic_write
from lgvsc.errors import InputError


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come. Batches and noise are drawn from (seed, step), so this is all the random state.

    Attributes:
        step: Steps done.
        wall_s, cpu_s: Time spent in them, validation included.
        seed: Of the run; a resumed run keeps it.
    """

    step: int
    wall_s: float
    cpu_s: float
    seed: int


class WeightAverage:
    """An exponential average of a network's parameters, quick to follow at first.

    Args:
        net: Whose parameters to average.
        decay: Share of the average that a step keeps, once the run is long enough.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self._decay = decay
        self.tensors = {name: value.detach().clone() for name, value in net.named_parameters()}

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Take in the parameters after step ``step``."""
        keep = min(self._decay, (1 + step) / (10 + step))
        values = [value.detach() for _, value in net.named_parameters()]
        torch._foreach_lerp_(list(self.tensors.values()), values, 1 - keep)


def save_checkpoint(
    path: Path, net: nn.Module, average: WeightAverage, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write everything that going on takes."""
    state = {
        "weights": net.state_dict(),
        "average": average.tensors,
        "optimiser": optimiser.state_dict(),
        "progress": {name: getattr(progress, name) for name in Progress.__slots__},
    }
    with atomic_write(path) as file:
        torch.save(state, file)


def load_checkpoint(path: Path, net: nn.Module, average: WeightAverage, optimiser: torch.optim.Optimizer) -> Progress:
    """Put a run back to where it was saved.

    Raises:
        InputError: The file is not a checkpoint of this network.
    """
    with reading_checkpoint(path, "this network") as state:
        net.load_state_dict(state["weights"])
        optimiser.load_state_dict(state["optimiser"])
        load_average(average, state["average"])
        return Progress(**state["progress"])


@contextmanager
def reading_checkpoint(path: Path, of: str) -> Iterator[dict[str, Any]]:
    """What a checkpoint holds: tensors and plain values, nothing else is unpickled.

    Raises:
        InputError: It cannot be read, or what is done with it meanwhile shows that it is no checkpoint ``of`` that.
    """
    try:
        yield torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError, OSError, UnpicklingError) as error:
        raise InputError(f"{path} is not a checkpoint of {of}: {error}") from error


def load_average(average: WeightAverage, tensors: Mapping[str, Tensor]) -> None:
    """Replace the average, name by name.

    Raises:
        KeyError: Names differ.
    """
    if tensors.keys() != average.tensors.keys():
        raise KeyError("the parameters have other names")
    for name, value in tensors.items():
        average.tensors[name].copy_(value)
