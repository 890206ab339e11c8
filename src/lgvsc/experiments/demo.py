"""The first thing a stranger runs: a real clip through the whole link, at a good and at a bad channel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lgvsc import link
from lgvsc.config import load_config
from lgvsc.core.files import atomic_write, make_folder, refuse_existing
from lgvsc.experiments.clips.sample_clip import make_sample_clip

DEMO_SNRS_DB = (10.0, 0.0)
RIVALS = ("skem-dsa", "av1-ldpc")  # at the last of these SNRs, in as many symbols


@dataclass(frozen=True, slots=True)
class DemoRun:
    """One run of the demo and where its outputs are. ``compared``: it is there to be compared with another."""

    report: dict[str, Any]
    record: Any
    clip: Path
    video: Path
    json: Path
    html: Path
    compared: bool


def demo(folder: Path, *, force: bool = False, on_progress: link.Progress | None = None) -> Iterator[DemoRun]:
    """Make the sample clip and send it at each of :data:`DEMO_SNRS_DB`, with the default preset and its scheme.

    Then, in as many symbols as the last of these took, by keyframes and words alone, and by a codec.

    Raises:
        OutputExistsError: The folder holds an earlier demo and ``force`` is off.
        MissingResourceError: scikit-image, whose photographs the clip is made of, is not installed.
    """
    clip = folder / "clip.mp4"
    usual = load_config().scheme
    runs = [(usual, snr_db) for snr_db in DEMO_SNRS_DB] + [(scheme, DEMO_SNRS_DB[-1]) for scheme in RIVALS]
    stems = [folder / f"{scheme if scheme in RIVALS else 'rebuilt'}-{snr_db:g}dB" for scheme, snr_db in runs]
    refuse_existing(clip, *(stem.with_suffix(".mp4") for stem in stems), force=force)
    make_folder(folder)
    make_sample_clip(clip)
    spent: dict[float, float] = {}
    for (scheme, snr_db), stem in zip(runs, stems, strict=True):
        video, html, report = (stem.with_name(stem.name + suffix) for suffix in (".mp4", ".html", ".json"))
        settings: dict[str, Any] = {"channel.snr_db": snr_db}
        if scheme in RIVALS:
            settings["coding.budget"] = f"{spent[snr_db]:.6e}cbr"
        config = load_config(scheme=scheme, settings=settings)
        record = link.run(clip, config, output=video, on_progress=on_progress)
        found = record.report()
        spent.setdefault(snr_db, found["cbr"])
        with atomic_write(report) as file:
            file.write(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False).encode())
        yield DemoRun(found, record, clip, video, report, html, scheme in RIVALS)
