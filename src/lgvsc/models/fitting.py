"""Whether a model fits a machine, said before anything is fetched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lgvsc.models.card import ModelCard


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine has, in 10^9 bytes. ``None``: it does not say.

    Attributes:
        gpu_gb: Memory of the largest GPU; 0 without one.
        ram_gb: Main memory.
        disk_gb: Free space where weights are kept.
    """

    gpu_gb: float
    ram_gb: float | None
    disk_gb: float | None

    @property
    def memory_gb(self) -> float | None:
        """Where a model would live: on the GPU, or in main memory where there is none."""
        return self.gpu_gb or self.ram_gb


def what_is_short(card: ModelCard, machine: Machine, *, here: bool = False) -> str | None:
    """Why a model does not fit, in words, or ``None``.

    Args:
        here: Whether its weights are on the disk already.
    """
    room = machine.memory_gb
    if room is not None and card.memory_gb > room:
        kind = "its GPU has" if machine.gpu_gb else "this machine has no GPU and"
        return f"{card.name} needs about {card.memory_gb:g} GB of memory, {kind} {room:.0f} GB"
    needed_gb = card.size_bytes / 1e9 if card.hub and not here else 0.0
    if machine.disk_gb is not None and needed_gb > machine.disk_gb:
        return f"{card.name} is about {needed_gb:.1f} GB to fetch, the disk has {machine.disk_gb:.1f} GB free"
    return None


def nearest_that_fits(card: ModelCard, cards: Iterable[ModelCard], machine: Machine) -> ModelCard | None:
    """The largest model for the same role that fits."""
    stand_ins = {"vision_language": ("vision_language", "captioner")}.get(card.role, (card.role,))
    fitting = [
        other
        for other in cards
        if other.role in stand_ins and other.name != card.name and what_is_short(other, machine) is None
    ]
    return max(fitting, key=lambda other: (other.memory_gb, other.name), default=None)
