"""The link for people who write Python: paths and plain values in, a record out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lgvsc import inspection, link
from lgvsc.config import load_config, parse_settings
from lgvsc.core.files import check_outputs, check_suffix, rebuilt_path, sidecar_of
from lgvsc.inspection import Keyframes
from lgvsc.record import Record


def run(
    video: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    preset: str = "compact",
    scheme: str = "skem-dsa",
    snr_db: float = 10.0,
    channel: str = "awgn",
    seed: int | None = None,
    budget: str = "",
    settings: Mapping[str, Any] | Sequence[str] = (),
    force: bool = False,
) -> Record:
    """Send a video through the whole link.

    Args:
        video: Any file that FFmpeg can read.
        output: Rebuilt video; next to the source with suffix ``.rebuilt.mp4`` where ``None``.
        preset, scheme: What sends and what receives; ``lgvsc config show`` prints what they mean.
        snr_db: Es/N0 in dB per complex symbol.
        channel: ``"awgn"``, ``"rayleigh"`` or ``"tdl"``.
        seed: Seeds the channel and the world model; the preset's, or 0, where ``None``.
        budget: Limit on all symbols, for example ``"5kbps"``, ``"2000symbols"``, ``"6e-4cbr"``; empty for none.
        settings: Further settings, as ``{"keyframes.threshold": 0.2}`` or ``["keyframes.threshold=0.2"]``.
        force: Replace an existing output.

    Returns:
        The record; ``record.report()`` is the JSON of the command line's ``--report``.

    Raises:
        LgvscError: With one sentence that says what is wrong and what to do.
    """
    source = Path(video)
    target = Path(output) if output is not None else rebuilt_path(source)
    check_outputs(target, sidecar_of(target), force=force, inputs=(source,))
    check_suffix(target)
    named: dict[str, Any] = {"channel.snr_db": snr_db, "channel.kind": channel, "coding.budget": budget}
    named |= {"seed": seed} if seed is not None else {}
    return link.run(source, load_config(preset, scheme, named | parse_settings(settings)), output=target)


def find_keyframes(
    video: str | os.PathLike[str], *, preset: str = "compact", settings: Mapping[str, Any] | Sequence[str] = ()
) -> Keyframes:
    """Keyframes and divergence curve of a video, without sending it."""
    return inspection.find_keyframes(Path(video), load_config(preset, settings=settings))
