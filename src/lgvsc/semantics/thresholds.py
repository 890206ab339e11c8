"""A threshold and the score that it holds for.

S_rel is a number of one model, asked one question, in one mode. A threshold that was found for another one means
nothing, so it is stored with everything that the score depends on, and whoever uses it elsewhere is warned.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from lgvsc.core.files import atomic_write, require_file
from lgvsc.errors import ConfigError, InputError
from lgvsc.semantics.prompts import QUESTIONS

Identity = Mapping[str, Any]

VERSION = 1
MAX_BYTES = 1_000_000
PAPERS = (
    0.35  # eta_th of LGVSC, section III-B, found for InternVL2-8B in joint mode; the compact judge was trained to it
)
HOLDS_FOR = (  # captioner, judge, mode; with the shipped questions
    ("internvl2-8b", "internvl2-8b", "joint"),
    ("compact", "compact-judge", "joint"),
)


class ThresholdWarning(UserWarning):
    """A threshold is used for another score than it was found for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredThreshold:
    """A threshold, as ``lgvsc calibrate`` stores it.

    Attributes:
        threshold: What the divergence is compared with.
        identity: What the divergence depends on: models with their revisions, mode, focus, question, rule, engine,
            number format, tiles, sampling rate.
        target: What it was to reach, for example ``"keyframes"``, and how much of it.
        reached: Means over the clips: keyframes of a clip, CBR, symbols per second.
        clips: How many there were.
    """

    threshold: float
    identity: dict[str, Any]
    target: tuple[Literal["keyframes", "cbr"], float]
    reached: dict[str, float] = field(default_factory=dict)
    clips: int = 0

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        with atomic_write(path) as file:
            file.write(json.dumps({"version": VERSION} | asdict(self), indent=2, ensure_ascii=False).encode())

    @classmethod
    def read(cls, path: Path) -> StoredThreshold:
        """From a file.

        Raises:
            InputError: It cannot be read, or holds no threshold.
        """
        require_file(path, "a threshold that lgvsc calibrate stored")
        try:
            with path.open("rb") as file:
                found = json.loads(file.read(MAX_BYTES))
            if found.pop("version") != VERSION:
                raise ValueError(f"not of version {VERSION}")
            kind, amount = found.pop("target")
            made = cls(target=(kind, float(amount)), **found)
            if not (-1 < float(made.threshold) < 1 and isinstance(made.identity, dict)):
                raise ValueError("a threshold lies in (-1, 1) and has an identity")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path} holds no threshold of lgvsc calibrate: {error}") from error
        return made


def digest(identity: Identity) -> str:
    """Eight hexadecimal digits that name an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]


def differences(stored: Identity, present: Identity, where: str = "") -> list[str]:
    """What two identities differ in, as ``name was X, is Y``; long texts by name only."""
    found: list[str] = []
    for key in sorted({*stored, *present}):
        was, now = stored.get(key), present.get(key)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            found += differences(was, now, f"{where}{key}.")
        elif was != now:
            long = any(isinstance(value, str) and len(value) > 60 for value in (was, now))
            found.append(f"another {where}{key}" if long else f"{where}{key} was {was!r}, is {now!r}")
    return found


def misuse(threshold: float, present: Identity, stored: StoredThreshold | None) -> str | None:
    """Why a threshold should not be used for a score, in words, or ``None``.

    A value that the user chose is the user's affair. The paper's is known to be for two pairs of captioner and judge,
    asked the shipped questions in joint mode.

    Raises:
        ConfigError: The threshold is not the one that is stored.
    """
    if stored is not None:
        if threshold != stored.threshold:
            raise ConfigError(
                f"keyframes.threshold is {threshold:g} and judge.threshold_file says {stored.threshold:g}; give one"
            )
        differing = differences(stored.identity, present)
        return f"the threshold {threshold:g} was found for another score: {'; '.join(differing)}" if differing else None
    if threshold != PAPERS or present.get("rule") != "relative":
        return None
    captioner, judge = (str(present.get(role, {}).get("model", "")) for role in ("captioner", "judge"))
    mode = present.get("mode")
    asked = present.get("question") in (None, *QUESTIONS.values())
    known = any(
        captioner.lower().endswith(says) and judge.lower().endswith(judges) and mode == at
        for says, judges, at in HOLDS_FOR
    )
    if known and asked:
        return None
    words = "in your own words " if not asked else ""
    described = f" what {captioner} describes" if captioner and captioner != judge else ""
    return (
        f"the threshold {PAPERS} is the paper's, for InternVL2-8B in joint mode; here {judge} is asked {words}in "
        f"{mode} mode about{described or ' frames'}, where {PAPERS} says little about how many keyframes there will "
        "be. Find one: lgvsc calibrate CLIPS --target-keyframes 5"
    )
