"""What is turned while a live link runs. The page writes it to a file, the link reads it there."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from lgvsc.core.files import atomic_write
from lgvsc.errors import ConfigError

LOWEST_SNR_DB, HIGHEST_SNR_DB = -10.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How the channel and the receiver stand.

    Attributes:
        snr_db: Es/N0 of the radio hop in dB, -10 to 30.
        loss: Probability that a packet is lost whatever the noise, 0 to 1.
        look: At the receiver, of small frames: 0 faithful to 1 vivid.
    """

    snr_db: float = 10.0
    loss: float = 0.0
    look: float = 1.0

    def __post_init__(self) -> None:
        limits = {"snr_db": (LOWEST_SNR_DB, HIGHEST_SNR_DB), "loss": (0.0, 1.0), "look": (0.0, 1.0)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise ConfigError(f"{name} is {value}; it lies between {low:g} and {high:g}")

    def write(self, path: Path) -> None:
        """For another process, which finds the old or the new one and never half of it."""
        with atomic_write(path) as file:
            file.write(json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, path: Path) -> Knobs:
        """As they were written last."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class Panel:
    """The knobs as they stand now; each part of a link looks when it needs them."""

    def __init__(self, knobs: Knobs | None = None) -> None:
        self.now = knobs or Knobs()
