"""Packet loss on top of a physical channel: independent, or in bursts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lgvsc.channel.common import Stream, checked
from lgvsc.core.air import Reception
from lgvsc.core.interfaces import Channel
from lgvsc.errors import ConfigError

PACKET_BLOCK = 1024  # fates drawn at once


class Losses(Protocol):
    """A random process that tells of each packet whether it is lost."""

    def fates(self, generator: torch.Generator) -> Stream:
        """One realisation: 1 for a lost packet, 0 for one that arrives."""
        ...


@dataclass(frozen=True, slots=True)
class IndependentLosses:
    """Each packet is lost with the same probability, whatever became of the others."""

    loss_rate: float

    def __post_init__(self) -> None:
        _check_rate(self.loss_rate)

    def fates(self, generator: torch.Generator) -> Stream:
        return Stream(lambda: (_uniform(generator) < self.loss_rate).to(torch.complex64))


@dataclass(frozen=True, slots=True)
class GilbertElliottLosses:
    """Losses in bursts: a Markov chain of a good state, where packets arrive, and a bad one, where they are lost.

    Bursts of losses are geometric with mean ``mean_burst``; the chain leaves the bad state with probability
    ``1 / mean_burst``, and enters it with the one that makes ``loss_rate`` of all packets lost in the long run.

    Attributes:
        loss_rate: Share of lost packets, in [0, 1).
        mean_burst: Mean number of packets lost in a row, at least 1.

    Source: Gilbert 1960, with no losses in the good state and nothing but losses in the bad one (Elliott 1963).
    """

    loss_rate: float
    mean_burst: float

    def __post_init__(self) -> None:
        _check_rate(self.loss_rate)
        if not 1 <= self.mean_burst <= 1e6:
            raise ConfigError(f"channel.mean_burst is {self.mean_burst} packets; a burst of losses has at least one")
        if self.entering > 1:
            raise ConfigError(
                f"channel.loss_rate = {self.loss_rate} cannot come from bursts of {self.mean_burst} packets, since at "
                f"least one arrives in between; channel.mean_burst must be {self.loss_rate / (1 - self.loss_rate):.3g} "
                "or more"
            )

    @property
    def leaving(self) -> float:
        """Probability that a packet arrives after one that was lost."""
        return 1 / self.mean_burst

    @property
    def entering(self) -> float:
        """Probability that a packet is lost after one that arrived."""
        return self.loss_rate * self.leaving / (1 - self.loss_rate)

    def fates(self, generator: torch.Generator) -> Stream:
        lost = bool(_uniform(generator)[0] < self.loss_rate)  # the chain has been running for ever

        def next_block() -> Tensor:
            nonlocal lost
            fates = []
            for chance in _uniform(generator).tolist():
                fates.append(lost)
                lost = chance >= self.leaving if lost else chance < self.entering
            return torch.tensor(fates, dtype=torch.complex64)

        return Stream(next_block)


class ErasingChannel:
    """A physical channel whose symbols travel in packets, some of which are lost.

    The receiver knows which ones, as it does from the numbers on packets: their symbols are 0 with infinite noise
    variance. Packets are counted through all bursts; noise and fading are those of the physical channel alone.

    Args:
        physical: What the symbols of arriving packets pass through.
        losses: Which packets are lost.
        generator: Where losses come from.
        packet_symbols: Symbols in a packet, pilots included.
    """

    def __init__(
        self, physical: Channel, losses: Losses, generator: torch.Generator, *, packet_symbols: int = 64
    ) -> None:
        if packet_symbols < 1:
            raise ConfigError(f"channel.packet_symbols is {packet_symbols}; a packet holds at least one symbol")
        self.kind, self.snr_db = physical.kind, physical.snr_db
        self._physical = physical
        fates = losses.fates(generator)
        self._lost = Stream(lambda: fates.take(PACKET_BLOCK).repeat_interleave(packet_symbols))

    def __call__(self, symbols: Tensor) -> Reception:
        received = self._physical(checked(symbols))
        lost = self._lost.take(len(received)).real > 0
        return Reception(received.symbols.masked_fill(lost, 0), received.noise_variance.masked_fill(lost, float("inf")))


def _check_rate(loss_rate: float) -> None:
    if not 0 <= loss_rate < 1:
        raise ConfigError(f"channel.loss_rate is {loss_rate}, but the share of lost packets lies in [0, 1)")


def _uniform(generator: torch.Generator) -> Tensor:
    return torch.rand(PACKET_BLOCK, dtype=torch.float64, generator=generator)
