"""Sets of clips: what lies on disk in the layouts that the papers' data sets have, as one manifest with hashes.

Layouts, told apart by the file that lists them:

- WebVid: a CSV with ``videoid`` and ``name`` (the caption); clips at ``page_dir/videoid.mp4`` (Bain et al. 2021).
- Kinetics-400: a CSV with ``label``, ``youtube_id``, ``time_start``, ``time_end`` and ``split``; clips named
  ``youtube_id_start_end.mp4``, seconds with six digits, or ``youtube_id.mp4``, in a folder for each label or in none.
- MSR-VTT: JSON with ``videos`` (``video_id``, ``split``) and ``sentences`` (``video_id``, ``caption``); or the CSV of
  its usual test split, with ``video_id`` and ``sentence``.
- Any other folder: every video in it, without words.

What the list names and the disk lacks, what cannot be decoded, and what is too short is left out and counted by
reason.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lgvsc.core.video import VideoReader
from lgvsc.errors import InputError
from lgvsc.record import fingerprint
from lgvsc.training.pictures import CLIPS

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One clip of a set.

    Attributes:
        path: Of the file, relative to the manifest's folder where it lies below it.
        sha256: Of the file.
        frames, fps, width, height: As decoded; ``frames`` as the container states them.
        captions: Sentences that came with it.
        label: Its action class, or empty.
        split: The set's own, or drawn by :func:`draw_splits`; empty for none.
    """

    path: str
    sha256: str = ""
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    captions: tuple[str, ...] = ()
    label: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A set of clips.

    Attributes:
        layout: ``webvid``, ``kinetics``, ``msr-vtt`` or ``folder``.
        entries: In the order of their paths.
        left_out: Count by reason.
    """

    layout: str
    entries: tuple[Entry, ...]
    left_out: dict[str, int]


Listed = Iterator[tuple[list[Path], Entry]]  # where a clip may lie, and what is known of it


def read_set(
    folder: Path,
    listing: Path | None = None,
    *,
    min_seconds: float = 0.0,
    on_clip: Callable[[int], None] | None = None,
    on_broken: Callable[[str], None] | None = None,
) -> Manifest:
    """Look at every clip of a set.

    Args:
        folder: Where the clips lie.
        listing: The CSV or JSON that lists them; ``None`` takes every video of the folder.
        min_seconds: Shorter ones are left out, as the papers take no clip that is shorter than what they send.
        on_clip: Called with the number of clips seen so far.
        on_broken: Called for each file that cannot be decoded, with the reason.

    Raises:
        InputError: The listing has no layout that is known, or no clip is left.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; give the folder of the clips")
    layout, listed = layout_of(folder, listing)
    entries: list[Entry] = []
    left_out: Counter[str] = Counter()
    seen: set[Path] = set()
    for count, (places, known) in enumerate(listed, 1):
        path = next((place for place in places if there(place)), None)
        if path is None:
            left_out["not on disk"] += 1
            continue
        if path in seen:
            left_out["listed before"] += 1
            continue
        seen.add(path)
        try:
            with VideoReader(path) as reader:
                shape = reader.format
                seconds = float(shape.frames / shape.fps) if shape.frames else 0.0
        except InputError as error:
            left_out["cannot be decoded"] += 1
            if on_broken:
                on_broken(str(error))
            continue
        if seconds < min_seconds:
            left_out[f"shorter than {min_seconds:g} s"] += 1
            continue
        entries.append(
            replace(
                known, path=str(path), sha256=fingerprint(path), frames=shape.frames or 0, fps=float(shape.fps),
                width=shape.width, height=shape.height,
            )
        )  # fmt: skip
        if on_clip:
            on_clip(count)
    if not entries:
        why = "; ".join(f"{count} {reason}" for reason, count in left_out.items()) or "there is no video"
        raise InputError(f"no clip of {listing or folder} is left: {why}")
    return Manifest(layout=layout, entries=tuple(sorted(entries, key=lambda e: e.path)), left_out=dict(left_out))


def layout_of(folder: Path, listing: Path | None) -> tuple[str, Listed]:
    """The name of the layout, and what is listed.

    Raises:
        InputError: None that is known.
    """
    if listing is None:
        found = (path for path in folder.rglob("*") if path.suffix.lower() in CLIPS)
        return "folder", (([path], Entry(path="")) for path in found)
    try:
        if listing.suffix.lower() == ".json":
            return "msr-vtt", msr_vtt(folder, json.loads(listing.read_text(encoding="utf-8-sig")))
        with listing.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise InputError(f"{listing} cannot be read as a list of clips: {error}") from error
    columns = set(rows[0]) if rows else set()
    if {"videoid", "name"} <= columns:
        return "webvid", webvid(folder, rows)
    if {"label", "youtube_id"} <= columns:
        return "kinetics", kinetics(folder, rows)
    if {"video_id", "sentence"} <= columns:
        said = [{"video_id": row["video_id"], "caption": row["sentence"]} for row in rows]
        return "msr-vtt", msr_vtt(folder, {"videos": said, "sentences": said})
    has = ", ".join(map(str, sorted(columns, key=str))) or "none"
    raise InputError(
        f"{listing} has columns {has}; WebVid has videoid, name and page_dir, Kinetics label, youtube_id, time_start, "
        "time_end and split, MSR-VTT's test split video_id and sentence"
    )


def webvid(folder: Path, rows: Sequence[dict[str, str]]) -> Listed:
    """Of a CSV of WebVid: videoid, contentUrl, duration, page_dir, name."""
    for row in rows:
        name = f"{row['videoid']}.mp4"
        places = [inside(folder, row.get("page_dir") or "", name), inside(folder, name)]
        yield places, Entry(path="", captions=(row["name"],) if row["name"] else ())


def kinetics(folder: Path, rows: Sequence[dict[str, str]]) -> Listed:
    """Of a CSV of Kinetics: label, youtube_id, time_start, time_end, split."""
    for row in rows:
        label, video = row["label"] or "", row["youtube_id"]
        try:
            names = [f"{video}_{int(row['time_start']):06d}_{int(row['time_end']):06d}.mp4", f"{video}.mp4"]
        except (KeyError, ValueError, TypeError):
            names = [f"{video}.mp4"]
        places = [inside(folder, *part, name) for part in ((label,), (label.replace(" ", "_"),), ()) for name in names]
        yield places, Entry(path="", label=label, split=row.get("split") or "")


def msr_vtt(folder: Path, found: Any) -> Listed:
    """Of the JSON of MSR-VTT: videos and sentences.

    Raises:
        InputError: It has other keys.
    """
    try:
        captions: dict[str, list[str]] = {}
        for sentence in found["sentences"]:
            if words := sentence["caption"]:
                captions.setdefault(str(sentence["video_id"]), []).append(str(words))
        videos = [(str(video["video_id"]), str(video.get("split", ""))) for video in found["videos"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError("this JSON lists no clips; MSR-VTT's has videos with video_id, and sentences") from error
    return (
        ([inside(folder, f"{name}.mp4")], Entry(path="", captions=tuple(captions.get(name, ())), split=split))
        for name, split in videos
    )


def there(path: Path) -> bool:
    """Whether it is a file; no name that a listing may hold is an error."""
    try:
        return path.is_file()
    except OSError:  # longer than names can be
        return False


def inside(folder: Path, *parts: str) -> Path:
    """A path below the folder, whatever a listing says: of one that leads out of it, only its last name is taken."""
    path = folder.joinpath(*(part.replace("\0", "") for part in parts))
    return path if path.resolve().is_relative_to(folder.resolve()) else folder / path.name


def draw_splits(entries: Iterable[Entry], shares: dict[str, float], seed: int) -> tuple[Entry, ...]:
    """Put every clip without a split into one, by its hash and the seed alone: the same on every machine.

    Args:
        shares: Of each split, in (0, 1]; scaled to a sum of one.

    Returns:
        The same clips in the same order. Adding clips moves none of those that were there.
    """
    total = sum(shares.values())
    edges: list[tuple[str, float]] = []
    for name, share in shares.items():
        edges.append((name, (edges[-1][1] if edges else 0.0) + share / total))

    def split_of(entry: Entry) -> str:
        drawn = int.from_bytes(hashlib.sha256(f"{seed} {entry.sha256}".encode()).digest()[:8], "big") / 2**64
        return next((name for name, edge in edges if drawn < edge), edges[-1][0])

    return tuple(entry if entry.split else replace(entry, split=split_of(entry)) for entry in entries)


def manifest_text(manifest: Manifest, beside: Path) -> str:
    """The manifest as JSON, paths relative to the folder that it will lie in where they can be."""

    def told(path: str) -> str:
        whole = Path(path).resolve()
        return str(whole.relative_to(beside.resolve())) if whole.is_relative_to(beside.resolve()) else str(whole)

    entries = [asdict(entry) | {"path": told(entry.path)} for entry in manifest.entries]
    return json.dumps(
        {"version": VERSION, "layout": manifest.layout, "left_out": manifest.left_out, "clips": entries}, indent=1
    )


def read_manifest(path: Path) -> Manifest:
    """A manifest that :func:`manifest_text` made; paths are whole again.

    Raises:
        InputError: It is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["version"] != VERSION:
            raise InputError(f"{path} is a manifest of version {found['version']}; this lgvsc reads {VERSION}")
        entries = tuple(
            Entry(**{**entry, "path": str(path.parent / entry["path"]), "captions": sentences(entry["captions"])})
            for entry in found["clips"]
        )
        return Manifest(layout=found["layout"], entries=entries, left_out=dict(found["left_out"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no manifest of `lgvsc data`: {error}") from error


def sentences(found: Any) -> tuple[str, ...]:
    """Captions of a manifest.

    Raises:
        ValueError: Anything but a list of sentences.
    """
    if not isinstance(found, list) or not all(isinstance(words, str) for words in found):
        raise ValueError(f"captions are {str(found)[:40]!r}, which is no list of sentences")
    return tuple(found)


def is_manifest(path: Path) -> bool:
    """Whether a path that stands where clips are asked for is a manifest."""
    return path.suffix.lower() == ".json"


def clips_of(manifest: Path) -> list[Path]:
    """The files of :func:`entries_of`."""
    return [Path(entry.path) for entry in entries_of(manifest)]


def entries_of(manifest: Path) -> list[Entry]:
    """The clips of a manifest, of its split ``test`` where it has one, once each is known to be what it was.

    Raises:
        InputError: One is missing or has changed, or there is none.
    """
    entries = read_manifest(manifest).entries
    chosen = [entry for entry in entries if entry.split == "test"] or list(entries)
    if not chosen:
        raise InputError(f"{manifest} has no clips")
    for entry in chosen:
        if not Path(entry.path).is_file():
            raise InputError(f"{manifest} names {entry.path}, which is not there")
        if fingerprint(Path(entry.path)) != entry.sha256:
            raise InputError(f"{entry.path} is not the file that {manifest} was made of; make the manifest anew")
    return chosen


def captions_in(sources: Iterable[Path]) -> dict[Path, str]:
    """What the manifests among some sources say of their clips: the first caption of each that has one."""
    entries = [entry for path in sources if is_manifest(path) for entry in read_manifest(path).entries]
    return {Path(entry.path): entry.captions[0] for entry in entries if entry.captions}
