"""The link for people who write Python: paths and plain values in, a record out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lgvsc import inspection, link
from lgvsc.channel.radio import RadioConfig
from lgvsc.channel.sigmf import SigmfPaths
from lgvsc.config import load_config, parse_settings
from lgvsc.core.files import check_outputs, check_suffix, rebuilt_path, require_file, sidecar_of
from lgvsc.core.ledger import Ledger
from lgvsc.inspection import Keyframes
from lgvsc.link import Arrived
from lgvsc.record import Record


def run(
    video: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    preset: str = "compact",
    scheme: str | None = None,
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
        preset, scheme: What sends and what receives; ``lgvsc config show`` prints what they mean. ``None``: the scheme
            that the preset names, ``layered-dsa`` for ``compact`` and ``skem-dsa`` for the others.
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
    source = require_file(Path(video), "a video")
    target = Path(output) if output is not None else rebuilt_path(source)
    check_suffix(target)
    check_outputs(target, sidecar_of(target), force=force, inputs=(source,))
    named: dict[str, Any] = {"channel.snr_db": snr_db, "channel.kind": channel, "coding.budget": budget}
    named |= {"seed": seed} if seed is not None else {}
    return link.run(source, load_config(preset, scheme, named | parse_settings(settings)), output=target)


def send(
    video: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    preset: str = "compact",
    scheme: str | None = None,
    snr_db: float = 10.0,
    budget: str = "",
    samples_per_symbol: int | None = None,
    settings: Mapping[str, Any] | Sequence[str] = (),
    force: bool = False,
) -> Ledger:
    """The transmitter alone: ``OUTPUT.lgvsc``, the message to read, and the symbols as a SigMF recording.

    Args:
        video: Any file that FFmpeg can read.
        output: Stem of the files: ``tx`` makes ``tx.lgvsc``, ``tx.sigmf-data`` and ``tx.sigmf-meta``.
        preset, scheme, budget, settings: See :func:`run`.
        snr_db: What the transmitter believes of the channel, Es/N0 in dB.
        samples_per_symbol: 2 to 32 writes a waveform for a radio; ``None`` the symbols themselves.
        force: Replace existing outputs.

    Returns:
        The ledger: ``ledger.symbols`` by purpose, ``ledger.cbr``.

    Raises:
        LgvscError: With one sentence that says what is wrong and what to do.
    """
    source, stem = Path(video), Path(output)
    message = stem.with_name(stem.name + ".lgvsc")
    config = load_config(preset, scheme, {"channel.snr_db": snr_db, "coding.budget": budget} | parse_settings(settings))
    require_file(source, "a video")
    paths = SigmfPaths.of(stem)
    check_outputs(message, paths.data, paths.meta, paths.variance, force=force, inputs=(source,))
    return link.send(source, config, message=message, symbols=stem, samples_per_symbol=samples_per_symbol, force=force)


def cross(
    transmission: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    snr_db: float = 10.0,
    channel: str = "awgn",
    seed: int | None = None,
    radio: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | Sequence[str] = (),
    force: bool = False,
) -> int:
    """The channel alone, from recording to recording.

    Args:
        transmission, output: Stems of recordings, without ``.sigmf-data``.
        snr_db, channel, seed, settings: See :func:`run`.
        radio: What radios add to a waveform, as fields of :class:`lgvsc.channel.radio.RadioConfig`.
        force: Replace an existing output.

    Returns:
        The number of symbols, or of samples of a waveform.

    Raises:
        LgvscError: With one sentence that says what is wrong and what to do.
    """
    source, target = SigmfPaths.of(transmission), SigmfPaths.of(output)
    named: dict[str, Any] = {"channel.snr_db": snr_db, "channel.kind": channel}
    named |= {"seed": seed} if seed is not None else {}
    config = load_config(settings=named | parse_settings(settings))
    check_outputs(target.data, target.meta, target.variance, force=force, inputs=(source.data, source.meta))
    radios = RadioConfig.of(radio) if radio is not None else None
    return link.cross(Path(transmission), config, received=Path(output), radio=radios, force=force)


def receive(
    recording: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    preset: str = "compact",
    scheme: str | None = None,
    seed: int | None = None,
    samples_per_symbol: float | None = None,
    settings: Mapping[str, Any] | Sequence[str] = (),
    force: bool = False,
) -> Arrived:
    """The receiver alone. It reads the recording and its own configuration, nothing else.

    Args:
        recording: Stem of a recording, without ``.sigmf-data``.
        output: The rebuilt video.
        preset, scheme, seed, settings: See :func:`run`; they have to be those of the transmitter where it counts.
        samples_per_symbol: Of a waveform that a radio recorded at a rate of its own; ``None``: see the recording.
        force: Replace an existing output.

    Returns:
        What arrived: ``frames``, ``lost`` by part, ``origins`` of frames, ``notes``.

    Raises:
        LgvscError: With one sentence that says what is wrong and what to do.
    """
    source, target = SigmfPaths.of(recording), Path(output)
    named = {"seed": seed} if seed is not None else {}
    config = load_config(preset, scheme, named | parse_settings(settings))
    check_suffix(target)
    check_outputs(target, sidecar_of(target), force=force, inputs=(source.data, source.meta))
    return link.receive(Path(recording), config, output=target, samples_per_symbol=samples_per_symbol)


def find_keyframes(
    video: str | os.PathLike[str], *, preset: str = "compact", settings: Mapping[str, Any] | Sequence[str] = ()
) -> Keyframes:
    """Keyframes and divergence curve of a video, without sending it."""
    return inspection.find_keyframes(Path(video), load_config(preset, "skem-dsa", settings))
