"""``run`` and its three parts: ``send``, ``channel``, ``receive``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from lgvsc.cli.flowgraph_options import ZmqOption, ZmqPatternOption, receive_samples, send_samples
from lgvsc.cli.options import (
    BudgetOption,
    ChannelOption,
    ClusterOption,
    EngineOption,
    ForceOption,
    GpusOption,
    JobsOption,
    JsonOption,
    MaxSideOption,
    MetricsOption,
    ObjectiveOption,
    PresetOption,
    QuietOption,
    SchemeOption,
    SeedOption,
    SetOption,
    SnrOption,
    VideoArgument,
    VideosArgument,
    note,
    print_json,
    print_sent,
    progress,
    resolve,
    workers_of,
)
from lgvsc.cli.reading import on_open
from lgvsc.core.files import (
    atomic_write,
    check_outputs,
    check_suffix,
    rebuilt_path,
    require_file,
    require_files,
    sidecar_of,
)
from lgvsc.errors import ConfigError, InputError

if TYPE_CHECKING:
    from lgvsc.channel.radio import RadioConfig
    from lgvsc.config import Config

KeyOption = Annotated[
    Path | None,
    typer.Option("--key", help="File with the key that packets over UDP are sealed with.", show_default=False),
]
StemArgument = Annotated[Path, typer.Argument(help="Name of a recording, without .sigmf-data.", show_default=False)]


def register(app: typer.Typer) -> None:
    for command in (run, send, channel, receive):
        app.command()(command)


def run(
    video: VideoArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Rebuilt video.", show_default="VIDEO with suffix .rebuilt.mp4"),
    ] = None,
    preset: PresetOption = "compact",
    scheme: SchemeOption = None,
    snr_db: SnrOption = None,
    channel: ChannelOption = None,
    seed: SeedOption = None,
    budget: BudgetOption = None,
    objective: ObjectiveOption = None,
    max_side: MaxSideOption = None,
    metrics: MetricsOption = None,
    settings: SetOption = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Metrics, symbols as JSON.", show_default="none")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="The report as one page.", show_default="none")] = None,
    cost: Annotated[bool, typer.Option("--cost", help="What captioner and judge did for it.")] = False,
    as_json: JsonOption = False,
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """Send a video through the whole link and report what came out.

    Example: lgvsc run walk.mp4 --snr-db 6 --html walk.html
    """
    config = resolve(
        preset,
        scheme,
        settings,
        snr_db=snr_db,
        channel=channel,
        seed=seed,
        budget=budget,
        objective=objective,
        metrics=metrics,
        max_side=max_side,
    )
    require_file(video, "a video")
    output = output or rebuilt_path(video)
    check_suffix(output)
    check_outputs(output, sidecar_of(output), report, html, force=force, inputs=(video, Path(preset)))

    from lgvsc import link
    from lgvsc.cli.tables import cost_table, run_table

    show = progress(quiet)
    record = link.run(video, config, output=output, on_progress=show, on_open=on_open(video, quiet, show))
    found = record.report()
    if report:
        with atomic_write(report) as file:
            file.write(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False).encode())
    if html:
        from lgvsc.ui.report import write_html

        write_html(record, video, output, html)
    if as_json:
        print_json(found)
    else:
        typer.echo(run_table([found]))
        for name, path in (("video", output), ("report", report), ("page", html)):
            if path:
                typer.echo(f"{name:<8}{path}")
        if cost:
            typer.echo("\n" + cost_table(record.cost, found["cost"]["wasted_share"]))


def recording_files(stem: Path) -> tuple[Path, Path]:
    """The files of a recording that are always there, whichever of them was named."""
    name = stem.name.removesuffix(".sigmf-data").removesuffix(".sigmf-meta")
    return stem.with_name(name + ".sigmf-data"), stem.with_name(name + ".sigmf-meta")


def refuse_others(stem: Path) -> None:
    """Say of a message, an archive or whatever else was named what it is, where it is no recording.

    Raises:
        InputError: It is none.
    """
    if stem.suffix == ".sigmf" and stem.is_file():
        raise InputError(f"{stem} is a SigMF archive; unpack it, tar xf {stem}, and give the recording that was in it")
    parts = (".lgvsc", ".sigmf-data", ".sigmf-meta")
    if stem.is_file() and stem.suffix not in parts and not any(path.is_file() for path in recording_files(stem)):
        raise InputError(f"{stem} is no SigMF recording; give X where X.sigmf-meta lies beside X.sigmf-data")
    if stem.suffix == ".lgvsc":
        require_file(stem, "a recording")
        beside = stem.with_suffix("")
        recording = f"{beside}, which lies beside it" if recording_files(beside)[0].is_file() else "that send wrote"
        raise InputError(
            f"{stem} is a semantic message, not the symbols that carry it; lgvsc message show {stem} prints it. "
            f"Give the recording {recording}"
        )


def noise_of(stem: Path) -> Path:
    """The file of a recording's noise, which is there where the noise varies."""
    return recording_files(stem)[0].with_suffix(".lgvsc-n0")


def send(
    videos: VideosArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Stem: makes TX.lgvsc and TX.sigmf-*; of several videos a folder.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="HOST:PORT", help="Send packets over UDP instead.", show_default=False)
    ] = None,
    preset: PresetOption = "compact",
    scheme: SchemeOption = None,
    snr_db: SnrOption = None,
    budget: BudgetOption = None,
    objective: ObjectiveOption = None,
    max_side: MaxSideOption = None,
    samples_per_symbol: Annotated[
        float | None,
        typer.Option(
            "--samples-per-symbol", help="Write a waveform for a radio, 2 to 32; 4 is usual.", show_default="symbols"
        ),
    ] = None,
    mtu: Annotated[int, typer.Option("--mtu", help="Bytes of the largest packet, 51 to 65507.")] = 1200,
    extra: Annotated[
        float, typer.Option("--extra", help="Packets that make up for lost ones, as a share of the others.")
    ] = 0.25,
    pace: Annotated[
        str,
        typer.Option(
            "--pace", help="When segments leave: real-time, for which structure.effort is live if not set, or fast."
        ),
    ] = "real-time",
    key: KeyOption = None,
    zmq: ZmqOption = None,
    zmq_pattern: ZmqPatternOption = "push-pull",
    timeout_s: Annotated[float, typer.Option("--timeout-s", help="Wait so long for whoever takes --zmq.")] = 30.0,
    engine: EngineOption = "local",
    jobs: JobsOption = 1,
    gpus_per_actor: GpusOption = 0.0,
    ray_address: ClusterOption = "",
    settings: SetOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """Turn a video into a semantic message and channel symbols, or send it as packets.

    --snr-db is what the transmitter believes of the channel. Examples:
    lgvsc send walk.mp4 -o tx, lgvsc send walk.mp4 --to 127.0.0.1:5004, lgvsc send clips/*.mp4 -o sent --jobs 4
    """
    if sum(way is not None for way in (output, to, zmq)) != 1:
        raise ConfigError(
            "give one of --output TX for files, --to HOST:PORT for packets over UDP, --zmq ADDRESS for a flowgraph"
        )
    if key is not None and to is None:
        raise ConfigError("--key seals packets over UDP; give it with --to HOST:PORT")
    if to is not None and samples_per_symbol is not None:
        raise ConfigError("--samples-per-symbol is about a waveform, and packets over UDP are none; give one of both")

    from lgvsc.channel.pulse import whole_rate

    rate = None if samples_per_symbol is None else whole_rate(samples_per_symbol)
    if to is not None and pace == "real-time":
        settings = ["structure.effort=live", *(settings or [])]
    many = len(videos) > 1 or engine != "local"
    if many and (to or zmq or rate):
        raise typer.BadParameter("--to, --zmq and --samples-per-symbol take one video, and no engine")
    config = resolve(preset, scheme, settings, snr_db=snr_db, budget=budget, objective=objective, max_side=max_side)
    video = videos[0]
    if zmq is not None:
        send_samples(video, config, zmq, rate, zmq_pattern, timeout_s, quiet=quiet)
        return
    if output is None:
        send_live(video, config, to or "", PacketOptions(mtu, extra, pace, key), quiet)
        return
    require_files(videos, "a video")
    if many:
        from lgvsc.cli.many_videos import send_many

        workers = workers_of(engine, jobs, gpus_per_actor, ray_address)
        send_many(videos, output, config, workers, force=force, quiet=quiet)
        return
    message = output.with_name(output.name + ".lgvsc")
    check_outputs(message, *recording_files(output), noise_of(output), force=force, inputs=(video, Path(preset)))

    from lgvsc import link

    choices, show = list[str](), progress(quiet)
    sent = link.send(
        video,
        config,
        message=message,
        symbols=output,
        samples_per_symbol=rate,
        force=force,
        on_progress=show,
        on_choices=choices.extend,
        on_open=on_open(video, quiet, show),
    )
    print_sent(sent, choices)
    typer.echo("\n".join(str(path) for path in (message, *recording_files(output))))


def channel(
    transmission: StemArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Stem of the received recording.")],
    snr_db: SnrOption = None,
    kind: ChannelOption = None,
    seed: SeedOption = None,
    radio: Annotated[
        list[str] | None,
        typer.Option(
            "--radio",
            metavar="KEY=VALUE",
            help="What radios add to a waveform: delay_samples, frequency_offset (cycles per sample), clock_ppm, rate, "
            "phase_rad, gain, dc (repeatable).",
            show_default="none",
        ),
    ] = None,
    settings: SetOption = None,
    force: ForceOption = False,
) -> None:
    """Pass channel symbols through noise and fading.

    Example: lgvsc channel tx -o rx --snr-db 6
    """
    refuse_others(transmission)
    sources = (*recording_files(transmission), noise_of(transmission))
    check_outputs(*recording_files(output), noise_of(output), force=force, inputs=sources)
    config = resolve("compact", "skem-dsa", settings, snr_db=snr_db, channel=kind, seed=seed)

    from lgvsc import link
    from lgvsc.channel.sigmf import SigmfReader

    radios = parse_radio(radio) if radio else None
    count = link.cross(transmission, config, received=output, radio=radios, force=force)
    sent = SigmfReader(transmission)
    for line in sent.notes:
        note(line)
    what = "symbols" if sent.samples_per_symbol is None else "samples"
    typer.echo(f"{count} {what} through {config.channel.kind} at {config.channel.snr_db:g} dB\n{output}.sigmf-data")


def receive(
    output: Annotated[Path, typer.Option("--output", "-o", help="Rebuilt video.")],
    recording: Annotated[
        Path | None, typer.Argument(help="Name of a recording, without .sigmf-data.", show_default=False)
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen", metavar="[HOST:]PORT", help="Receive packets over UDP, on the loopback.", show_default=False
        ),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", help="Stop listening after so long without anything of use.")
    ] = 30.0,
    key: KeyOption = None,
    zmq: ZmqOption = None,
    zmq_pattern: ZmqPatternOption = "push-pull",
    preset: PresetOption = "compact",
    scheme: SchemeOption = None,
    seed: SeedOption = None,
    samples_per_symbol: Annotated[
        float | None,
        typer.Option(
            "--samples-per-symbol",
            help="Of a waveform that a radio recorded at its own rate: sample rate over symbol rate.",
            show_default="as the recording says",
        ),
    ] = None,
    settings: SetOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a video from received symbols or packets. Reads these and nothing else.

    Examples: lgvsc receive rx -o walk.rebuilt.mp4, lgvsc receive --listen 5004 -o walk.rebuilt.mp4
    """
    if sum(way is not None for way in (recording, listen, zmq)) != 1:
        raise ConfigError(
            "give one of the name of a recording, --listen PORT for packets over UDP, --zmq ADDRESS for a flowgraph"
        )
    if key is not None and listen is None:
        raise ConfigError("--key opens packets over UDP; give it with --listen PORT")
    if listen is not None and samples_per_symbol is not None:
        raise ConfigError("--samples-per-symbol is about a waveform, and packets over UDP are none; give one of both")
    secret = packet_key(key)
    if recording is not None:
        refuse_others(recording)
    sources = () if recording is None else (recording, *recording_files(recording), noise_of(recording))
    check_outputs(output, sidecar_of(output), force=force, inputs=(*sources, Path(preset)))
    check_suffix(output)
    config = resolve(preset, scheme, settings, seed=seed)

    from lgvsc import link, live

    got: link.Arrived
    if recording is not None:
        got = link.receive(
            recording, config, output=output, samples_per_symbol=samples_per_symbol, on_progress=progress(quiet)
        )
        outputs = [output]
    elif zmq is not None:
        got = receive_samples(config, zmq, samples_per_symbol, zmq_pattern, timeout_s, output, quiet=quiet)
        outputs = [output]
    else:
        address = live.Address.parse(listen or "")
        got = live.receive(
            config,
            listen=address,
            output=output,
            timeout_s=timeout_s,
            key=secret,
            on_news=(lambda _: None) if quiet else note,
            on_progress=progress(quiet),
        )
        outputs = got.outputs
    for line in got.lines():
        note(line)
    typer.echo("\n".join(map(str, outputs)))


class PacketOptions(NamedTuple):
    """How packets are sent, as the command line says it."""

    mtu: int
    extra: float
    pace: str
    key: Path | None


def send_live(video: Path, config: Config, to: str, options: PacketOptions, quiet: bool) -> None:
    """The other half of ``send``."""
    from lgvsc import live
    from lgvsc.coding.packets.packets import PacketConfig

    address = live.Address.parse(to)
    secret = packet_key(options.key)
    packets = PacketConfig(mtu=options.mtu, extra=options.extra)
    if options.pace not in live.PACES:
        raise ConfigError(f"--pace is {options.pace!r}; there are {' and '.join(live.PACES)}")
    pace: live.Pace = "fast" if options.pace == "fast" else "real-time"
    sent = live.send(
        video,
        config,
        to=address,
        packets=packets,
        pace=pace,
        key=secret,
        on_progress=progress(quiet),
        on_open=on_open(video, quiet),
    )
    seal = f", {sent.seal_bytes} of them for the key," if secret else ""
    typer.echo(f"{sent.segments} segments, {sent.packets} packets, {sent.bytes} bytes{seal} to {address}")


def packet_key(path: Path | None) -> bytes | None:
    """What ``--key`` names."""
    from lgvsc.coding.packets.sealing import read_key

    return None if path is None else read_key(path)


def parse_radio(settings: list[str]) -> RadioConfig:
    """What ``--radio`` says."""
    from lgvsc.channel.radio import RadioConfig
    from lgvsc.config import parse_settings

    return RadioConfig.of(parse_settings(settings))
