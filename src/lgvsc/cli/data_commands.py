"""``data``: a set of clips as a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lgvsc.cli.options import ForceOption, QuietOption, note

SHOWN_BROKEN = 5  # clips that cannot be decoded, told one by one


def register(app: typer.Typer) -> None:
    app.command()(data)


def data(
    folder: Annotated[Path, typer.Argument(help="Where the clips lie.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The manifest, JSON.")],
    listing: Annotated[
        Path | None,
        typer.Option(
            "--list",
            help="CSV of WebVid or Kinetics-400, or JSON of MSR-VTT.",
            show_default="every video of the folder",
        ),
    ] = None,
    min_seconds: Annotated[float, typer.Option("--min-seconds", min=0, help="Leave shorter clips out.")] = 0.0,
    splits: Annotated[
        str | None,
        typer.Option(
            "--splits", help="Splits to draw for clips without one, as train=0.9,test=0.1.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the splits.")] = 0,
    force: ForceOption = False,
    quiet: QuietOption = False,
) -> None:
    """List a data set's clips with hashes, captions, labels and splits. `reproduce` and `compare` take the manifest.

    Example: lgvsc data webvid/videos --list webvid/results_2M_val.csv --min-seconds 2 -o webvid.json
    """
    from collections import Counter
    from dataclasses import replace

    from lgvsc.core.files import atomic_write, check_outputs, refuse_inputs, require_file, require_folder
    from lgvsc.experiments.data import draw_splits, manifest_text, read_set

    require_folder(folder, "clips")
    if listing is not None:
        require_file(listing, "a listing")
    check_outputs(output, force=force, inputs=[listing])
    shares = shares_of(splits) if splits else {}

    def report(count: int) -> None:
        if not quiet and count % 100 == 0:
            note(f"{count} clips")

    broken: list[str] = []
    found = read_set(folder, listing, min_seconds=min_seconds, on_clip=report, on_broken=broken.append)
    refuse_inputs([output], (Path(entry.path) for entry in found.entries))
    if shares:
        found = replace(found, entries=draw_splits(found.entries, shares, seed))
    with atomic_write(output) as file:
        file.write(manifest_text(found, output.parent).encode())
    counts = Counter(entry.split for entry in found.entries if entry.split)
    in_splits = ", ".join(f"{count} in {split}" for split, count in sorted(counts.items()))
    typer.echo(
        f"{len(found.entries)} clips of layout {found.layout}{f' ({in_splits})' if in_splits else ''} in {output}; "
        f"{sum(bool(entry.captions) for entry in found.entries)} have captions, "
        f"{sum(bool(entry.label) for entry in found.entries)} a label"
    )
    for reason, count in found.left_out.items():
        note(f"left out: {count} {reason}")
    for words in broken[:SHOWN_BROKEN]:
        note(f"  {words}")


def shares_of(text: str) -> dict[str, float]:
    """Splits and their shares.

    Raises:
        BadParameter: Not of this form.
    """
    try:
        shares = {name.strip(): float(share) for name, share in (word.split("=") for word in text.split(","))}
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not of the form train=0.9,test=0.1", param_hint="--splits") from error
    if len(shares) < text.count("=") or not all(name and 0 < share < float("inf") for name, share in shares.items()):
        said = f"{text!r}: every split needs a name of its own and a share above 0"
        raise typer.BadParameter(said, param_hint="--splits")
    return shares
