"""Weights from the model hub: finding them on this machine, fetching them when asked, checking what was fetched.

Everything but :func:`fetch` works without a network. The hub's own client keeps one folder for each repository,
``models--owner--name``, with the commits under ``snapshots`` and each file once under ``blobs``, named by its digest.

The first fetch of a repository pins it: commit and digests of all files are written down beside the repositories, and
from then on this commit is the one that is used, fetched again and verified, until somebody asks for a newer one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lgvsc.core.files import atomic_write
from lgvsc.errors import ConfigError, InputError, MissingResourceError
from lgvsc.models.card import ModelCard

FETCHED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")  # never pickles, never code
FETCHED_PARTS = ("*.json", "*/*.safetensors", "*/*.model", "*/*.txt")  # of diffusers: no second copy in one file
HUB_LIBRARY = "huggingface_hub"
LOCK = "lgvsc-lock.json"
DIGEST_LENGTHS = {40: "sha1", 64: "sha256"}  # hexadecimal digits; small files are named as git names them


def weights_folder(card: ModelCard) -> Path:
    """Where the weights of a model lie.

    Raises:
        MissingResourceError: A library or the weights are not here; the message says which command brings them.
        ConfigError: It is no model whose weights lie in a folder.
    """
    missing_library(card)
    if card.folder:
        return complete(Path(card.folder), card)
    if card.hub is None:
        raise ConfigError(f"{card.name} has no folder of weights on this machine")
    made = converted_folder(card.name)
    if made is not None and (made / "config.json").is_file():
        return complete(made, card)
    folder = snapshot(card.hub, card.revision)
    if folder is None:
        version = f" at revision {card.revision}" if card.revision else ""
        raise MissingResourceError(
            f"the weights of {card.name} ({card.hub}{version}) are not on this machine. lgvsc stays offline unless "
            f"asked; to fetch about {card.size_bytes / 1e9:.1f} GB (licence: {card.licence}), run: lgvsc models pull "
            f"{card.name}"
        )
    if card.convert:
        raise MissingResourceError(
            f"{card.name} was fetched in its published layout; rewrite it once: lgvsc models convert {card.name}"
        )
    return complete(folder, card)


def missing_library(card: ModelCard) -> None:
    """Raise where the libraries that a model needs are not installed."""
    if card.extra and any(find_spec(name) is None for name in ("transformers", card.library or "transformers")):
        raise MissingResourceError(f"{card.name} needs more libraries: pip install 'lgvsc[{card.extra}]'")


def hub_cache() -> Path | None:
    """The folder of the hub's client, which ``HF_HOME`` and ``HF_HUB_CACHE`` move; ``None`` without the client."""
    if find_spec(HUB_LIBRARY) is None:
        return None
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def converted_folder(name: str) -> Path | None:
    """Where ``lgvsc models convert NAME`` puts a checkpoint that had to be rewritten; ``None`` without the client."""
    cache = hub_cache()
    return None if cache is None else cache / "lgvsc-converted" / name


def snapshot(hub: str, revision: str | None = None, cache: Path | None = None) -> Path | None:
    """The folder of a repository as it was fetched, or ``None`` where it never was.

    Args:
        hub: ``"owner/name"``.
        revision: A commit, or the name of a branch; ``None`` is the one that is pinned, or else the one that was
            fetched last as ``main``.
        cache: Where to look instead of where the hub's client keeps its files.
    """
    cache = cache or hub_cache()
    if cache is None:
        return None
    pin = pinned(hub, cache) if revision is None else None
    revision = pin.revision if pin else revision
    repository = cache / ("models--" + hub.replace("/", "--"))
    named = repository / "refs" / (revision or "main")
    commit = named.read_text("utf-8").strip() if named.is_file() else revision
    folder = repository / "snapshots" / (commit or "")
    return folder if commit and folder.is_dir() else None


def revision_here(card: ModelCard) -> str | None:
    """Which version of a model this machine has: the one of its card, or the commit that was fetched last."""
    if card.revision or card.hub is None:
        return card.revision
    folder = snapshot(card.hub)
    return folder.name if folder else None


@dataclass(frozen=True, slots=True)
class Pin:
    """What a repository held when it was first fetched.

    Attributes:
        revision: The commit.
        day: When it was fetched, as 2026-11-20.
        files: Digest of each file, by its path in the repository: SHA-256, or git's SHA-1 of small ones.
    """

    revision: str
    day: str
    files: dict[str, str]


def pinned(hub: str, cache: Path | None = None) -> Pin | None:
    """The pin of a repository, or ``None``.

    Raises:
        InputError: The file with the pins is damaged.
    """
    cache = cache or hub_cache()
    entry = _pins(cache).get(hub) if cache else None
    return Pin(**entry) if entry else None


def pin(hub: str, folder: Path, cache: Path | None = None) -> Pin:
    """Write down commit and digests of what was fetched; it takes the place of an older pin."""
    cache = cache or hub_cache()
    assert cache is not None
    digests = {name: stored or file_digest(folder / name, "sha256") for name, stored in _stored_digests(folder)}
    made = Pin(folder.name, time.strftime("%Y-%m-%d"), digests)
    pins = _pins(cache) | {hub: asdict(made)}
    with atomic_write(cache / LOCK) as file:
        file.write(json.dumps({"version": 1, "models": pins}, indent=1, sort_keys=True).encode())
    return made


def _pins(cache: Path) -> dict[str, dict[str, Any]]:
    path = cache / LOCK
    try:
        models = json.loads(path.read_text("utf-8"))["models"]
        for entry in models.values():
            if not (isinstance(Pin(**entry).files, dict) and isinstance(entry["revision"], str)):
                raise TypeError("no pin")
        return dict(models)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}, which pins the models, cannot be read ({error}); remove it and pull again"
        ) from error


def _stored_digests(folder: Path) -> Iterator[tuple[str, str | None]]:
    """Each file of a snapshot and the digest under which the hub's client stored it."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        stored = path.resolve().name
        known = path.is_symlink() and len(stored) in DIGEST_LENGTHS and all(c in "0123456789abcdef" for c in stored)
        yield str(path.relative_to(folder)), stored if known else None


def complete(folder: Path, card: ModelCard) -> Path:
    """The folder, if every file that its indices speak of is there.

    Raises:
        MissingResourceError: A part is missing, as after a download that was stopped.
    """
    for index in sorted(folder.rglob("*.safetensors.index.json")):
        try:
            parts = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise MissingResourceError(f"{card.name}: {index.name} cannot be read ({error}); fetch it again") from error
        absent = sorted(part for part in parts if not (index.parent / part).is_file())
        if absent:
            again = f"lgvsc models pull {card.name}" if card.hub else "copy the folder again"
            raise MissingResourceError(f"{card.name} is incomplete: {absent[0]} is missing in {folder}; {again}")
    return folder


def fetch(card: ModelCard, *, token: str | None = None, revision: str | None = None) -> Path:
    """Fetch the weights from the hub. The one function that opens a socket.

    Args:
        token: For gated repositories.
        revision: Instead of the one of the card.

    The commit that came is pinned.

    Raises:
        InputError: The model does not come from the hub.
        MissingResourceError: No network, no such revision, or terms that were not accepted.
    """
    missing_library(card)
    if card.hub is None:
        raise InputError(f"{card.name} does not come from the hub; there is nothing to fetch")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    wanted = list(FETCHED_PARTS if card.library == "diffusers" else FETCHED)
    try:
        folder = Path(
            snapshot_download(card.hub, revision=revision or card.revision, allow_patterns=wanted, token=token or False)
        )
    except GatedRepoError as error:
        raise MissingResourceError(
            f"{card.hub} is gated: accept its terms at its page on the hub, then set HF_TOKEN and try again"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MissingResourceError(f"{card.hub} cannot be fetched: {first}") from error
    pin(card.hub, folder)
    return folder


def check_files(folder: Path, pin: Pin | None = None) -> Iterator[tuple[str, bool | None]]:
    """Each file of a snapshot and whether it is what it should be; ``None``: nothing to compare with.

    Args:
        pin: What was there when it was fetched; a file of it that is gone counts as damaged. Without a pin a file is
            compared with the digest that the hub's client stored it under.
    """
    stored = dict(_stored_digests(folder))
    wanted = pin.files if pin is not None and pin.revision == folder.name else {}
    for name in sorted({*stored, *wanted}):
        expected = wanted.get(name) or stored.get(name)
        if name not in stored:
            yield name, False
        elif expected is None:
            yield name, None
        else:
            yield name, file_digest(folder / name, DIGEST_LENGTHS[len(expected)]) == expected


def file_digest(path: Path, kind: str) -> str:
    """The digest that the hub gives a file: SHA-256 of large ones, git's SHA-1 of small ones."""
    digest = hashlib.new(kind)
    if kind == "sha1":
        digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
