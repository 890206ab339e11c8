"""``keyframe-stats`` and ``cases``: the appendices of LGVSC for any videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lgvsc.cli.options import (
    ForceOption,
    JsonOption,
    PresetOption,
    QuietOption,
    SetOption,
    VideosArgument,
    note,
    print_json,
    progress,
    resolve,
)
from lgvsc.cli.reading import Sayer
from lgvsc.cli.tables import table
from lgvsc.core.files import check_outputs, require_files
from lgvsc.errors import ConfigError

if TYPE_CHECKING:
    from lgvsc.config import Config
    from lgvsc.core.interfaces import Focus
    from lgvsc.experiments.cases import Pair
    from lgvsc.semantics.embedding import ImageEmbedder

PageOption = Annotated[Path, typer.Option("--output", "-o", help="The page to write, one HTML file.")]
CountOption = Annotated[int, typer.Option("--count", help="Pairs to show of each kind.", min=1, max=100)]
cases_app = typer.Typer(no_args_is_help=True, help="Pages of frame pairs that show what PSSS does, with pictures.")


def register(app: typer.Typer) -> None:
    app.command("keyframe-stats")(keyframe_stats)
    app.add_typer(cases_app, name="cases")


def keyframe_stats(
    videos: VideosArgument,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            help="relative:THRESHOLD or absolute:THRESHOLD (repeatable).",
            show_default="relative:0.35, absolute:0.4",
        ),
    ] = None,
    preset: PresetOption = "compact",
    settings: SetOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Keyframe counts under the relative and the absolute rule: mean, std, min, max, CV (LGVSC, Table VI).

    Example: lgvsc keyframe-stats clips/*.mp4
    """
    require_files(videos, "a video")
    config = resolve(preset, "skem-dsa", settings)

    from lgvsc import build
    from lgvsc.errors import InputError
    from lgvsc.experiments.keyframe_statistics import (
        PAPERS_RULES,
        ScoringRule,
        count_keyframes,
        far_apart,
        statistics,
    )

    wanted = [ScoringRule.parse(text) for text in rules] if rules else list(PAPERS_RULES)
    similarity, show = build.psss(config), progress(quiet, "clips")
    clips = []
    for done, video in enumerate(videos, 1):
        try:
            clips.append(count_keyframes(video, config, similarity, wanted, Sayer(video)))
        except InputError as error:
            note(f"left out: {error}")
        if show:
            show(done, len(videos))
    if not clips:
        raise InputError("none of the files is a video")
    rows = statistics(clips, wanted)
    if as_json:
        found = {"clips": [{"clip": c.clip, "keyframes": c.keyframes} for c in clips]}
        print_json(found | {"rules": [row.as_json() for row in rows], "far_apart": far_apart(clips)})
        return
    cells = [
        [row.rule, f"{row.mean:.2f}", f"{row.std:.2f}", str(row.min), str(row.max), f"{row.cv:.3f}"] for row in rows
    ]
    typer.echo(table(["scoring rule", "mean", "std", "min", "max", "CV"], cells))
    typer.echo(f"\n{len(clips)} clips; {far_apart(clips)} of them differ by three keyframes or more between the rules")


@cases_app.command("embedding")
def embedding_cases(
    videos: VideosArgument,
    output: PageOption,
    embedding: Annotated[
        str,
        typer.Option(
            "--embedding",
            help="colour-gradient (no network, nothing learned), or a folder or hub id of CLIP, SigLIP or DINOv2.",
        ),
    ] = "colour-gradient",
    below: Annotated[
        float | None,
        typer.Option(
            "--below",
            help="Cosine below which the embedding calls two frames different.",
            show_default="for colour-gradient as many pairs as PSSS calls different; else 0.95, type 1 from 0.96, "
            "type 2 from 0.92, the paper's for CLIP",
        ),
    ] = None,
    count: CountOption = 6,
    preset: PresetOption = "compact",
    settings: SetOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """Pairs on which PSSS and an image embedding disagree (LGVSC, Appendix A, types 1 and 2).

    Example: lgvsc cases embedding clips/*.mp4 -o cases.html
    """
    require_files(videos, "a video")
    check_outputs(output, force=force, inputs=videos)
    config = resolve(preset, "skem-dsa", settings)

    from lgvsc.experiments.cases import PAPERS_RULE, EmbeddingRule, disagreements, matched_rule
    from lgvsc.semantics.backends.large.image_embedding import embedder
    from lgvsc.ui.case_page import facts, write_page

    chosen, focus, eta = embedder(embedding), config.keyframes.focus, config.keyframes.threshold
    pairs = pairs_of(videos, config, [focus], chosen, quiet)
    if below is not None:
        rule = EmbeddingRule(below, below, -1.0, "as given")
    else:
        rule = matched_rule(pairs, focus, eta) if embedding == "colour-gradient" else PAPERS_RULE
    found = disagreements(pairs, focus, eta, rule, count=count)
    counted = [
        ("both call them different", found.both),
        ("PSSS alone", found.psss_only),
        (f"{chosen.name} alone", found.embedding_only),
        ("both call them the same", found.neither),
    ]
    write_page(
        output,
        "Where PSSS and an image embedding disagree",
        f"Frame pairs that SKEM compared in {len(videos)} videos. One rule makes a keyframe where S_rel is above "
        f"{eta:g}, the other where the cosine of two {chosen.name} vectors is below {rule.threshold:.3f}, "
        f"{rule.words}.",
        [
            (
                "Type 1: alike to the eye, another meaning",
                f"S_rel above {eta:g} and cosine at least {rule.similar_from:.3f}; the most alike first.",
                found.type_1,
            ),
            (
                "Type 2: another look, the same meaning",
                f"Cosine from {rule.moderate_from:.3f} up to {rule.threshold:.3f} and S_rel below 0; the surest first.",
                found.type_2,
            ),
        ],
        eta,
        facts(
            [*list_settings(config, len(pairs)), ("embedding", chosen.name), *((words, str(n)) for words, n in counted)]
        ),
    )
    typer.echo(table(["pairs", "n"], [[words, str(n)] for words, n in counted]))
    typer.echo(f"\n{len(found.type_1)} pairs of type 1 and {len(found.type_2)} of type 2 shown\n{output}")


@cases_app.command("focus")
def focus_cases(
    videos: VideosArgument,
    output: PageOption,
    count: CountOption = 6,
    preset: PresetOption = "compact",
    settings: SetOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """Pairs for which the focus decides what is the same (LGVSC, Appendix B).

    Example: lgvsc cases focus clips/*.mp4 -o focus.html
    """
    require_files(videos, "a video")
    check_outputs(output, force=force, inputs=videos)
    config = resolve(preset, "skem-dsa", settings)

    from lgvsc.core.interfaces import FOCUSES
    from lgvsc.experiments.cases import focus_switches
    from lgvsc.ui.case_page import facts, write_page

    own, eta = config.keyframes.focus, config.keyframes.threshold
    pairs = pairs_of(videos, config, [own, *(focus for focus in FOCUSES if focus != own)], None, quiet)
    main = focus_switches(pairs, "main_object", "background", count=count)
    back = focus_switches(pairs, "background", "main_object", count=count)
    write_page(
        output,
        "What the focus changes",
        f"Frame pairs that SKEM compared in {len(videos)} videos with the focus {own}, scored under all three.",
        [
            ("The main object changes, the background stays", "S_rel of main object less that of background.", main),
            ("The background changes, the main object stays", "S_rel of background less that of main object.", back),
        ],
        eta,
        facts(list_settings(config, len(pairs))),
    )
    rows = []
    for focus in FOCUSES:
        values = [pair.divergence(focus) for pair in pairs]
        above = sum(value > eta for value in values)
        rows.append(
            [focus, f"{sum(values) / len(values):+.3f}", f"{min(values):+.3f}", f"{max(values):+.3f}", str(above)]
        )
    typer.echo(table(["focus", "mean S_rel", "least", "most", f"above {eta:g}"], rows))
    swing = max(abs(p.divergence("main_object") - p.divergence("background")) for p in pairs)
    typer.echo(f"\n{len(pairs)} pairs; main object and background differ by {swing:.3f} at most\n{output}")


def pairs_of(
    videos: list[Path], config: Config, focuses: list[Focus], embedder: ImageEmbedder | None, quiet: bool
) -> list[Pair]:
    """All pairs of all videos; files that are none are left out."""
    from lgvsc import build
    from lgvsc.errors import InputError
    from lgvsc.experiments.cases import skem_pairs

    if config.keyframes.method != "skem":
        raise ConfigError("pairs are compared by SKEM only; leave keyframes.method at 'skem'")
    first = build.psss(config)
    build.check_threshold(config, first)
    similarities = [first, *(first.with_focus(focus) for focus in focuses[1:])]
    show = progress(quiet, "clips")
    pairs: list[Pair] = []
    for done, video in enumerate(videos, 1):
        try:
            pairs += skem_pairs(video, config, similarities, embedder, Sayer(video))
        except InputError as error:
            note(f"left out: {error}")
        if show:
            show(done, len(videos))
    if not pairs:
        raise InputError("there is no pair to compare: give videos of more than one sample")
    return pairs


def list_settings(config: Config, pairs: int) -> list[tuple[str, str]]:
    """What the scores depend on."""
    rows = [("pairs", str(pairs)), ("captioner", config.models.captioner), ("judge", config.models.judge)]
    return [*rows, ("mode", config.judge.mode), ("samples per second", f"{config.keyframes.sample_fps:g}")]
