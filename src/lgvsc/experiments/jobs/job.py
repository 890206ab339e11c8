"""What is to be done with many videos, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """A video, and what is to be made of it.

    Attributes:
        video: The file.
        target: Stem of ``STEM.lgvsc`` and the SigMF recording; ``None``: choose keyframes and send nothing.
        force: Whether existing files are replaced.
    """

    video: Path
    target: Path | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class JobResult:
    """What became of a job.

    Attributes:
        result: Keyframes as ``lgvsc keyframes --json`` prints them, or what was sent; empty after a failure.
        error: Why it failed.
        seconds: Wall time, the loading of models not included.
    """

    job: Job
    result: dict[str, Any]
    error: str
    seconds: float
