"""The project itself: demo, models, configuration, training, what this machine can do, how to cite."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from lgvsc.cli.options import (
    ForceOption,
    JsonOption,
    PresetOption,
    QuietOption,
    SchemeOption,
    SetOption,
    note,
    print_json,
    progress,
    resolve,
    use_threads,
)
from lgvsc.cli.tables import run_table, runs_alone

config_app = typer.Typer(no_args_is_help=True, help="Configuration.")

TRAINERS = {  # name: module with ``main``, and what comes of it
    "ntscc": ("lgvsc.training.codes.ntscc", "the keyframe code"),
    "ntscc-swin": ("lgvsc.training.codes.ntscc_swin", "NTSCC at the size of its paper, for comparison"),
    "deepjscc": ("lgvsc.training.codes.deepjscc", "the keyframe code of GVSC"),
    "sketch": ("lgvsc.training.codes.sketch", "the same for sketches"),
    "dvst": ("lgvsc.training.codes.dvst", "the code of frames between keyframes, and of sketches"),
    "enhancer": ("lgvsc.training.enhancer", "what puts keyframes' texture into small frames"),
    "world": ("lgvsc.training.world.compact_world", "the compact world model"),
    "judge": ("lgvsc.training.language.judge", "the compact judge of descriptions"),
    "text-model": ("lgvsc.training.language.text_model", "what captions are coded with"),
    "scene-tags": ("lgvsc.training.language.scene_tags", "what the captioner says of a scene"),
    "pidinet": ("lgvsc.training.pidinet", "what draws sketches"),
    "link-adaptation": ("lgvsc.training.link_adaptation", "block error rates of every modulation and code, measured"),
    "auto": ("lgvsc.experiments.scheme_choice", "which scheme suits which channel and budget"),
    "ladder": ("lgvsc.experiments.ladder_choice", "where GVSC's ladder switches"),
}


def register(app: typer.Typer) -> None:
    app.add_typer(config_app, name="config")
    for command in (demo, doctor, cite):
        app.command()(command)
    app.command(
        help=f"{train.__doc__}\n\n\b\n" + "\n".join(f"{name:<17}{what}" for name, (_, what) in TRAINERS.items()),
        context_settings={"allow_extra_args": True, "allow_interspersed_args": False},
        no_args_is_help=True,
    )(train)


def demo(
    output_dir: Annotated[Path, typer.Option("--output-dir", "-o", help="Folder for clip, videos, reports.")] = Path(
        "lgvsc-demo"
    ),
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a clip of real photographs, send it at 10 dB and at 0 dB, and show what came out.

    Then at 0 dB by two others in as many symbols: by keyframes and words alone, and by a codec.
    """
    from lgvsc.config import load_config
    from lgvsc.experiments.demo import demo as run_demo
    from lgvsc.ui.report import write_html

    use_threads(load_config())
    runs = []
    for run in run_demo(output_dir, force=force, on_progress=progress(quiet)):
        write_html(run.record, run.clip, run.video, run.html)
        runs.append(run)
        note(f"{run.report['scheme']} sent at {run.report['channel']['snr_db']:g} dB")
    shown = [run for run in runs if not run.compared]
    typer.echo(f"look at {shown[-1].html} in a browser; to play with it: pip install 'lgvsc[ui]', then lgvsc ui\n")
    typer.echo(run_table([run.report for run in shown]) + "\n")
    typer.echo("in as many symbols: keyframes and words alone, and a codec")
    typer.echo(runs_alone([run.report for run in runs if run.compared]) + "\n")
    typer.echo(f"source                {runs[0].clip}")
    for run in runs:
        name = f"{run.report['scheme']}, {run.report['channel']['snr_db']:g} dB"
        typer.echo(f"{name:<22}{run.video}  {run.json}  {run.html}")


@config_app.command("show")
def show_config(
    preset: PresetOption = "compact",
    scheme: SchemeOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """The configuration as it is resolved, every value."""
    config = resolve(preset, scheme, settings)
    if as_json:
        print_json(config.model_dump(mode="json"))
        return
    plain = config.model_dump(mode="json")
    for key, value in plain.items():
        if not isinstance(value, dict):
            typer.echo(f"{key} = {toml_value(value)}")
    echo_sections(plain)


def echo_sections(section: dict[str, object], prefix: str = "") -> None:
    """Nested sections as TOML tables."""
    for key, value in section.items():
        if isinstance(value, dict):
            typer.echo(f"\n[{prefix}{key}]")
            for inner, leaf in value.items():
                if not isinstance(leaf, dict):
                    typer.echo(f"{inner} = {toml_value(leaf)}" if leaf is not None else f"# {inner} is not set")
            echo_sections(value, f"{prefix}{key}.")


def toml_value(value: object) -> str:
    """A scalar or a list as TOML writes it."""
    import json

    return json.dumps(value, ensure_ascii=False)


def train(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to train, with its options after it.", show_default=False)],
) -> None:
    """Train, or measure, one of the things that lgvsc ships. `lgvsc train NAME --help` lists the options of each."""
    if name not in TRAINERS:
        raise typer.BadParameter(f"{name!r} cannot be trained; there are {', '.join(TRAINERS)}")
    import_module(TRAINERS[name][0]).main(context.args)


def doctor(as_json: JsonOption = False) -> None:
    """What this machine can run, and what is missing for the rest."""
    from lgvsc.cli.doctor import doctor_report, render

    checks = doctor_report()
    if as_json:
        print_json([check.as_json() for check in checks])
    else:
        typer.echo(render(checks))
    if any(check.status == "failed" for check in checks):
        raise typer.Exit(4)


def cite() -> None:
    """BibTeX of the software and of the papers that it implements."""
    from lgvsc.ui.citations import BIBTEX

    typer.echo(BIBTEX.strip())
