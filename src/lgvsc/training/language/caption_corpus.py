"""Lines of text from which the caption model learns: what the compact captioner writes, and what people write."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Container, Iterator
from pathlib import Path

from lgvsc.core.lexicon import COLOURS, PLACES, SIZES, TEXTURES, Region
from lgvsc.core.message import CAMERAS, MAX_CAPTION_BYTES
from lgvsc.core.video import Frame, VideoReader
from lgvsc.models.catalog import load
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner
from lgvsc.semantics.backends.compact.classifier_kinds import CLASSES
from lgvsc.semantics.backends.compact.detector import KINDS as DETECTED
from lgvsc.semantics.backends.compact.gist import DOES, PACES, Group, Telling, renamed
from lgvsc.semantics.backends.compact.scene_tags import WORDS
from lgvsc.semantics.backends.compact.words import KINDS, LIGHTS, SETTINGS, STATES, Thing
from lgvsc.semantics.motion import MotionMeter
from lgvsc.training.language.caption_phrases import sentence

CLIPS = {".mp4", ".mkv", ".webm", ".mov", ".avi"}
SEGMENT_FRAMES = (8, 40)  # segments of the clips are so long
SHOWN = (0.0, 1 / 3, 2 / 3, 1.0)  # what of them the captioner sees
TOLD = 0.7  # share of captions that name things


def clip_captions(folder: Path, seed: int = 0, names: Container[str] | None = None) -> dict[str, list[str]]:
    """What the compact captioner says about segments of the clips in a folder (or of those named), by file name."""
    generator = random.Random(seed)
    said: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in CLIPS and (names is None or path.name in names):
            said[path.name] = list(_captions_of(path, generator))
    return said


def _captions_of(path: Path, generator: random.Random) -> Iterator[str]:
    captioner: CompactCaptioner = load("compact-captioner")
    with VideoReader(path) as reader:
        meter, frames, length = MotionMeter(reader.format.fps), list[Frame](), generator.randint(*SEGMENT_FRAMES)
        for frame in reader:
            meter.add(frame)
            frames.append(frame)
            if frame.index % length == length - 1:
                shown = [frames[round(part * (length - 1))] for part in SHOWN]
                yield captioner.caption(shown, meter.measure(), _length_limit(generator))
                meter, frames = MotionMeter(reader.format.fps), []


def grammar_captions(count: int, seed: int = 0) -> list[str]:
    """Captions drawn from everything that the compact captioner can say, so that no word of it is unknown."""
    generator = random.Random(seed)
    return [_grammar_caption(generator) for _ in range(count)]


def draw_telling(generator: random.Random) -> Telling:
    """Something that the captioner might say of a segment by name: any tags and things, likely together or not."""
    pick, often = generator.choice, generator.random
    tags = set(generator.sample(WORDS, generator.randint(0, 4))) | {pick(("in", "out", "out"))}
    kinds = generator.sample(DETECTED, generator.randint(0, 2))
    if often() < 0.6:
        kinds = ["person", *(kind for kind in kinds if kind != "person")]
    things = tuple(
        Group(
            kind=kind,
            count=pick((1, 1, 1, 2, 2, 3, 4, 5)),
            size=pick(list(SIZES)),
            colour=pick(list(COLOURS)),
            place=pick(list(PLACES)),
            does=pick(DOES) if often() < 0.3 else "",
        )
        for kind in kinds
    )
    shown = tuple(generator.sample(list(CLASSES), pick((0, 0, 1, 1, 2))))
    light, later = (pick(("", "", "dim", "bright", "dark")) for _ in range(2))
    return Telling(
        tags=frozenset(tags),
        groups=renamed(things, shown),
        shown=shown,
        light=light,
        later_light=later if often() < 0.1 else "",
        camera=pick(CAMERAS),
        pace=pick(PACES),
        regions=tuple(
            Region(pick(list(SIZES)), pick(list(COLOURS)), pick(TEXTURES), pick(list(PLACES)))
            for _ in range(generator.randint(0, 2))
        ),
    )


def _grammar_caption(generator: random.Random) -> str:
    if generator.random() < TOLD:
        return str(draw_telling(generator))
    pick = generator.choice
    colours, places, sizes = list(COLOURS), list(PLACES), list(SIZES)

    def region() -> str:
        return str(Region(pick(sizes), pick(colours), pick(TEXTURES), pick(places)))

    def thing() -> str:
        kind = pick(KINDS)
        colour = pick(colours) if kind == "object" else None
        words = str(Thing(kind=kind, size=pick(sizes), colour=colour, place=pick(places), state=pick(STATES)))
        return pick((words, words, f"{words}, then gone", f"then {words}"))

    setting = pick(SETTINGS)
    place = "" if setting == "somewhere" else f"{setting}, "  # as the captioner leaves it out
    parts = [f"{place}{pick(LIGHTS)} light", *(region() for _ in range(generator.randint(1, 3)))]
    if generator.random() < 0.7:
        parts.append("; ".join(thing() for _ in range(generator.randint(1, 3))))
    parts.append(f"camera {pick(CAMERAS)}, {pick(PACES)}")
    if generator.random() < 0.1:
        parts.append(f"then {pick(LIGHTS)} light")
    parts += [region() for _ in range(generator.randint(0, 2))]
    return " ".join(part[:1].upper() + part[1:] + "." for part in parts)


def english_captions(count: int, seed: int = 0) -> list[str]:
    """Made-up sentences about what videos show, for the words of ordinary captions."""
    generator = random.Random(seed)
    return [sentence(generator) for _ in range(count)]


def library_prose(limit_bytes: int) -> list[str]:
    """English paragraphs from the texts that come with Python (PSF licence), for ordinary spelling."""
    from pydoc_data.topics import topics

    paragraphs: list[str] = []
    for name in sorted(topics):
        for paragraph in topics[name].split("\n\n"):
            line = re.sub(r"\s+", " ", paragraph).strip()
            if re.fullmatch(r"[A-Z][A-Za-z ,.'\-;()]{60,}[.]", line):
                paragraphs.append(line)
    random.Random(0).shuffle(paragraphs)
    kept, size = [], 0
    for line in paragraphs:
        size += len(line)
        if size > limit_bytes:
            break
        kept.append(line)
    return kept


def read_lines(path: Path) -> dict[str, list[str]]:
    """Lines of a text file, the values of a JSON object, or all of that in a folder; by file name or key."""
    if path.is_dir():
        found: dict[str, list[str]] = {}
        for inner in sorted(path.iterdir()):
            if inner.suffix in {".txt", ".json"}:
                found.update(read_lines(inner))
        return found
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        stored = json.loads(text)
        return {key: value if isinstance(value, list) else [value] for key, value in stored.items()}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return {path.name: [line for line in lines if len(line.encode()) <= MAX_CAPTION_BYTES]}


def _length_limit(generator: random.Random) -> int:
    return generator.choice((120, 160, 160, 160, 240, 400))
