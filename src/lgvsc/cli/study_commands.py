"""``study``: which videos people like better, without a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from lgvsc.cli.options import ForceOption, JsonOption, note, print_json
from lgvsc.cli.tables import table
from lgvsc.core.files import CONTAINERS, require_files, require_folder
from lgvsc.errors import ConfigError, InputError

study = typer.Typer(help="Ask people which videos they like better: one page, no server.", no_args_is_help=True)
COMPARED = re.compile(r"(?P<clip>.+)\.(?P<scheme>[a-z0-9-]+)\.[0-9a-f]{16}")  # as `lgvsc compare` names rebuilt videos


def register(app: typer.Typer) -> None:
    study.command("make")(make)
    study.command("read")(read)
    app.add_typer(study, name="study")


def make(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="A folder of videos for each condition, with the same file names; or one folder of `lgvsc compare`.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page; the key goes beside it, as NAME.key.json.")],
    reference: Annotated[
        Path | None,
        typer.Option("--reference", help="Folder of the sources, for attention checks.", show_default=False),
    ] = None,
    question: Annotated[str, typer.Option("--question", help="What people are asked.")] = "Which video looks better?",
    checks: Annotated[int, typer.Option("--checks", min=0, help="Attention checks, at most.")] = 3,
    most: Annotated[int, typer.Option("--most", min=0, help="Pairs that one person judges; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of the names that hide who made what.")] = 0,
    force: ForceOption = False,
) -> None:
    """Write one self-contained page of pairs, and the key that tells who made what.

    People open the page in any browser, choose, and send back the file that it saves.
    Example: lgvsc study make out/skem-dsa out/av1-ldpc --reference clips -o study.html
    """
    import random

    from lgvsc.core.files import atomic_write, check_outputs
    from lgvsc.experiments.study import MAX_BYTES, key_text, pair_up
    from lgvsc.ui.study_page import playable, ruin, study_page

    key_path = output.with_name(f"{output.stem}.key.json")
    found = conditions(folders)
    sources = videos_in(reference) if reference else {}
    used = [path for videos in (*found.values(), sources) for path in videos.values()]
    check_outputs(output, key_path, force=force, inputs=used)
    clips = sorted({clip for videos in found.values() for clip in videos})
    checked = [clip for clip in clips if clip in sources][:checks]
    if reference and not checked:
        raise InputError(f"{reference} has none of the clips {', '.join(clips)[:200]}; sources are found by name")

    names = iter(random.Random(seed).sample(range(10**6), sum(map(len, found.values())) + 2 * len(checked)))
    named = {condition: {clip: f"v{next(names):06d}" for clip in videos} for condition, videos in found.items()}
    ruined = {clip: (f"v{next(names):06d}", f"v{next(names):06d}") for clip in checked}
    key = pair_up(named, ruined, question)
    shown = {name for pair in key.pairs for name in (pair.first, pair.second)}
    videos = {
        name: playable(found[condition][clip])
        for condition, of in named.items()
        for clip, name in of.items()
        if name in shown
    }
    for clip, (good, bad) in ruined.items():
        videos |= {good: playable(sources[clip]), bad: ruin(sources[clip])}
    size = sum(map(len, videos.values()))
    if size > MAX_BYTES:
        raise ConfigError(
            f"the videos have {size / 1e6:.0f} MB, and a page holds {MAX_BYTES / 1e6:.0f}; take fewer or shorter clips"
        )
    pairs: list[dict[str, object]] = [
        {"first": pair.first, "second": pair.second, "always": pair.is_check} for pair in key.pairs
    ]
    with atomic_write(output) as file:
        file.write(study_page(key.study, question, pairs, videos, most).encode())
    with atomic_write(key_path) as file:
        file.write(key_text(key).encode())
    plain = sum(not pair.is_check for pair in key.pairs)
    typer.echo(
        f"{plain} pairs of {len(found)} conditions and {len(ruined)} checks in {output}, {size / 1e6:.1f} MB of video; "
        f"keep {key_path}, which tells who made what"
    )
    if not ruined:
        note("no attention checks: give the sources with --reference")


def read(
    key_file: Annotated[Path, typer.Argument(help="The key that `study make` wrote.", show_default=False)],
    answers: Annotated[list[Path], typer.Argument(help="Files that the page saved.", show_default=False)],
    seed: Annotated[int, typer.Option("--seed", help="Of the bootstrap over people.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Turn answers into preferences with intervals.

    Example: lgvsc study read study.key.json answers-*.json
    """
    from dataclasses import asdict

    from lgvsc.experiments.study import preferences, read_answers, read_key

    require_files((key_file, *answers), "what study and its page wrote")
    key = read_key(key_file)
    given: dict[str, dict[int, bool]] = {}
    for path in answers:
        who, choices = read_answers(path, key)
        if who in given:
            note(f"{path} repeats the answers of {who}; the first file counts")
            continue
        given[who] = choices
    outcome = preferences(key, given, seed=seed)
    if as_json:
        print_json({"question": key.question} | asdict(outcome))
        return
    lines = [
        [*one.conditions, f"{one.share:.0%}", f"{one.low:.0%} to {one.high:.0%}", str(one.answers), str(one.people)]
        for one in outcome.preferences
    ]
    typer.echo(key.question)
    if lines:
        typer.echo(table(["first", "second", "prefer first", "95 % interval", "answers", "people"], lines))
    counts = "1 person counts" if outcome.people == 1 else f"{outcome.people} people count"
    typer.echo(f"{counts}, {outcome.left_out} missed the checks")


def conditions(folders: list[Path]) -> dict[str, dict[str, Path]]:
    """Videos by condition and clip.

    Raises:
        InputError: A folder is none, or has no videos.
        ConfigError: Two folders have one name.
    """
    if len(folders) == 1 and (folders[0] / "rebuilt").is_dir():
        found: dict[str, dict[str, Path]] = {}
        for name, path in videos_in(folders[0] / "rebuilt").items():
            if match := COMPARED.fullmatch(name):
                found.setdefault(match["scheme"], {})[match["clip"]] = path
        return found
    if len(folders) == 1:
        require_folder(folders[0], "videos, one for each condition")
        raise ConfigError(
            f"{folders[0]} is one folder, and nothing to compare it with; give one for each condition, or the folder "
            "that `lgvsc compare` wrote"
        )
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise ConfigError("two folders have one name; conditions are called by their folders")
    return {name: videos_in(folder) for name, folder in zip(names, folders, strict=True)}


def videos_in(folder: Path) -> dict[str, Path]:
    """The videos of a folder by name without suffix.

    Raises:
        InputError: It is no folder, or has none.
    """
    require_folder(folder, "videos, one for each condition")
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in {*CONTAINERS, ".webm"}}
    if not found:
        raise InputError(f"{folder} holds no videos ({', '.join(sorted({*CONTAINERS, '.webm'}))})")
    return found
