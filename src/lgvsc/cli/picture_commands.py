"""``lgvsc picture``: a keyframe codec on any pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from lgvsc.cli.options import ForceOption, JsonOption, SeedOption, note, numbers, print_json
from lgvsc.cli.tables import table
from lgvsc.core.files import atomic_write, check_outputs, make_folder, refuse_doubles, require_files

if TYPE_CHECKING:
    from lgvsc.picture_link import SentPicture


def register(app: typer.Typer) -> None:
    app.command()(picture)


def picture(
    images: Annotated[list[Path], typer.Argument(help="Picture files of any size.", show_default=False)],
    codec: Annotated[str, typer.Option("--codec", help="ntscc or digital; several with commas.")] = "ntscc,digital",
    cbr: Annotated[str, typer.Option("--cbr", help="Symbols over 3 x H x W at most; several with commas.")] = "0.02",
    snr_db: Annotated[str, typer.Option("--snr-db", help="Es/N0 of the AWGN channel; several with commas.")] = "10",
    believed_snr_db: Annotated[
        float | None, typer.Option("--believed-snr-db", help="What the transmitter believes.", show_default="the truth")
    ] = None,
    refine_steps: Annotated[
        int | None,
        typer.Option(
            "--refine-steps",
            min=0,
            help="How often a learned code's transmitter improves each picture.",
            show_default="6 at any look but 0, else none",
        ),
    ] = None,
    look: Annotated[
        float, typer.Option("--look", min=0, max=1, help="Of the learned code: 0 errs least, 1 looks best.")
    ] = 0.0,
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", "-o", help="Folder for what arrived.", show_default="none")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics", help="Further ones with commas: lpips, lpips_vgg, dists, sharpness.", show_default="none"
        ),
    ] = None,
    seed: SeedOption = None,
    as_json: JsonOption = False,
    force: ForceOption = False,
) -> None:
    """Send pictures as keyframes are sent, and measure what arrives.

    Example: lgvsc picture photo.jpg --codec ntscc,digital --cbr 0.01,0.02 --snr-db 0,5,10
    """
    cbrs, snrs_db, codecs = numbers(cbr, "--cbr"), numbers(snr_db, "--snr-db"), codec.split(",")
    for values, option in ((cbrs, "--cbr"), (snrs_db, "--snr-db")):
        if not values:
            raise typer.BadParameter("give one number, or several with commas", param_hint=option)

    from lgvsc.metrics.registry import parse_metrics
    from lgvsc.picture_link import send_pictures

    require_files(images, "a picture")
    if output_dir is not None:
        refuse_doubles(images, "pictures")
        make_folder(output_dir)
        made = [
            path_of(i, name, snr, rate, output_dir)
            for i in images
            for name in codecs
            for snr in snrs_db
            for rate in cbrs
        ]
        check_outputs(*made, force=force, inputs=images)
    sent: list[SentPicture] = []
    notes: dict[str, None] = {}

    def say(words: str) -> None:
        if words not in notes:  # a picture is read once for each codec
            notes[words] = None
            note(words)

    for name in codecs:
        for one in send_pictures(
            images,
            name,
            cbrs=cbrs,
            snrs_db=snrs_db,
            believed_snr_db=believed_snr_db,
            seed=seed or 0,
            refine_steps=refine_steps,
            look=look,
            metrics=parse_metrics(metrics) if metrics else (),
            on_note=say,
        ):
            sent.append(one)
            if output_dir is not None:
                save(one, output_dir)
    if as_json:
        print_json([one.as_json() for one in sent])
    else:
        typer.echo(quality_table(sent))


def quality_table(sent: Sequence[SentPicture]) -> str:
    """Means over the pictures that arrived, a row for each codec, SNR and CBR."""
    groups: dict[tuple[str, float, float], list[SentPicture]] = {}
    for one in sent:
        groups.setdefault((one.codec, one.snr_db, one.cbr_asked), []).append(one)
    rows = []
    for (codec, snr_db, cbr), group in groups.items():
        arrived = [one for one in group if one.received is not None]
        means = [mean([getattr(one, name) for one in arrived]) for name in ("psnr_db", "ssim", "ms_ssim")]
        further = list(sent[0].looks)
        quality = ["-" if value is None else f"{value:.{2 if i == 0 else 4}f}" for i, value in enumerate(means)]
        looks = [mean([one.looks[key] for one in arrived]) for key in further]
        quality += ["-" if value is None else f"{value:.4f}" for value in looks]
        spent = f"{fmean(one.cbr for one in group):.5f}"
        rows.append(
            [codec, f"{snr_db:g}", f"{cbr:g}", spent, *quality, str(len(group)), str(len(group) - len(arrived))]
        )
    return table(
        ["codec", "SNR dB", "CBR asked", "CBR", "PSNR dB", "SSIM", "MS-SSIM", *further_of(sent), "n", "lost"], rows
    )


def further_of(sent: Sequence[SentPicture]) -> list[str]:
    """Labels of the metrics that were asked for besides the usual ones."""
    from lgvsc.metrics.registry import BY_KEY

    return [BY_KEY[key].label for key in sent[0].looks] if sent else []


def mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def path_of(image: Path, codec: str, snr_db: float, cbr: float, folder: Path) -> Path:
    """Where what arrived of a picture goes: ``NAME-CODEC-SNRdB-CBR.png``."""
    return folder / f"{image.stem}-{codec}-{snr_db:g}dB-{cbr:g}.png"


def save(one: SentPicture, folder: Path) -> None:
    """What arrived as a file; nothing where it was lost."""
    if one.received is None:
        return
    from io import BytesIO

    from PIL import Image

    png = BytesIO()
    Image.fromarray(one.received).save(png, "PNG")
    with atomic_write(path_of(Path(one.name), one.codec, one.snr_db, one.cbr_asked, folder)) as file:
        file.write(png.getvalue())
