"""The transmitter for one configuration, its models read once and kept for all videos."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lgvsc import build, inspection, kinds, link
from lgvsc.config import Config
from lgvsc.errors import LgvscError
from lgvsc.experiments.jobs.job import Job, JobResult

log = logging.getLogger(__name__)


class Transmitter:
    """The transmitter's half of the link for one configuration, its models in memory."""

    def __init__(self, config: Config) -> None:
        self.config = config
        asks = kinds.kind_of(config.scheme).asks
        self._similarity = build.psss(config) if asks else None  # large models stay for whoever builds them again

    def __call__(self, job: Job) -> JobResult:
        """Do a job. What goes wrong with a video is in the result."""
        started = time.perf_counter()
        result: dict[str, Any] = {}
        error = ""
        try:
            result = self._send(job, job.target) if job.target else self._keyframes(job)
        except LgvscError as failure:
            error = str(failure)
        except Exception as failure:  # one broken video must not take the others with it
            log.exception("%s", job.video)
            error = f"{type(failure).__name__}: {failure}"
        return JobResult(job, result, error, time.perf_counter() - started)

    def _keyframes(self, job: Job) -> dict[str, Any]:
        return inspection.find_keyframes(job.video, self.config, similarity=self._similarity).as_json()

    def _send(self, job: Job, target: Path) -> dict[str, Any]:
        choices: list[str] = []
        notes: list[str] = []
        message = target.with_name(target.name + ".lgvsc")
        sent = link.send(
            job.video,
            self.config,
            message=message,
            symbols=target,
            force=job.force,
            on_choices=choices.extend,
            on_open=lambda _, found: notes.extend(words for words in found if words not in notes),
        )
        return {
            "segments": sent.entries[-1].segment + 1,
            "symbols": sent.symbols,
            "cbr": sent.cbr,
            "choices": choices,
            "notes": notes,
            "video": {key: str(value) for key, value in asdict(sent.video).items()},
        }
