"""What goes on the air: parts of a burst with a purpose, and what the receiver gets of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Purpose: TypeAlias = Literal["control", "captions", "side", "keyframes", "sketches", "video", "structure"]

PURPOSES: tuple[Purpose, ...] = ("control", "captions", "side", "keyframes", "sketches", "video", "structure")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Symbols with one purpose.

    Attributes:
        purpose: What the symbols are charged to.
        symbols: complex64, ``(n,)``, mean energy one over the part.
        payload_bits: Information bits carried, before CRC and channel code; 0 for analogue symbols.
        label: What exactly this is, for the ledger's details, for example ``"closing keyframe"``.
    """

    purpose: Purpose
    symbols: Tensor
    payload_bits: int = 0
    label: str = ""

    def __len__(self) -> int:
        return self.symbols.numel()


@dataclass(frozen=True, slots=True, eq=False)
class Burst:
    """What the transmitter sends for one segment.

    Attributes:
        index: Of the segment.
        parts: What it consists of, for the ledger.
        sent: All symbols of the parts in the order in which they are sent; ``None``: one part after the other.
    """

    index: int
    parts: tuple[Part, ...]
    sent: Tensor | None = None

    @property
    def symbols(self) -> Tensor:
        return torch.cat([part.symbols for part in self.parts]) if self.sent is None else self.sent

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class Reception:
    """What arrives: noisy symbols and the channel state that the channel grants, nothing else.

    Attributes:
        symbols: complex64, ``(n,)``, equalised where the channel grants its gain.
        noise_variance: N0 of each symbol after equalisation, float32 ``(n,)``. Infinite marks an erasure.
    """

    symbols: Tensor
    noise_variance: Tensor

    def __len__(self) -> int:
        return self.symbols.numel()

    def __getitem__(self, where: slice) -> Reception:
        return Reception(self.symbols[where], self.noise_variance[where])
