"""Cuts the clips of ``docs/data/open-clips.toml``: ``python benchmarks/open_clips.py SOURCES -o FOLDER``.

SOURCES is a folder with the files that the addresses of the list lead to, by their names; nothing is fetched here. Each
is looked at by its digest, cut, made smaller, and written as lgvsc writes videos; FOLDER/open-clips.json is a manifest
of them with captions. What is missing or another file is named with its address, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import cv2

from lgvsc.core.video import VideoFormat, VideoReader, VideoWriter
from lgvsc.experiments.data import Entry, Manifest, manifest_text
from lgvsc.record import fingerprint

LIST = Path(__file__).parents[1] / "docs" / "data" / "open-clips.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, nargs="?", help="none prints the addresses")
    parser.add_argument("-o", "--output", type=Path, default=Path("open-clips"))
    arguments = parser.parse_args()
    listed: list[dict[str, Any]] = tomllib.loads(LIST.read_text(encoding="utf-8"))["clip"]
    if arguments.sources is None:
        print("\n".join(clip["url"] for clip in listed))
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    entries, faults = [], []
    for clip in listed:
        source = arguments.sources / clip["url"].rpartition("/")[2]
        if not source.is_file():
            faults.append(f"{source} is missing; it is {clip['url']}")
        elif fingerprint(source) != clip["sha256"]:
            faults.append(f"{source} is another file than {clip['url']}")
        else:
            entries.append(cut(clip, source, arguments.output / f"{clip['name']}.mp4"))
            print(f"{clip['name']}: {entries[-1].frames} frames, {clip['licence']}")
    manifest = Manifest(layout="open-clips", entries=tuple(entries), left_out={})
    (arguments.output / "open-clips.json").write_text(manifest_text(manifest, arguments.output), encoding="utf-8")
    sys.exit("\n".join(faults) or 0)


def cut(clip: dict[str, Any], source: Path, path: Path) -> Entry:
    """The clip of one source."""
    width, height = clip["size"]
    with VideoReader(source) as reader:
        fps = reader.format.fps
        first = round(clip["start_s"] * fps)
        with VideoWriter(path, VideoFormat(height, width, Fraction(fps), clip["frames"])) as writer:
            for frame in islice(reader, first, first + clip["frames"]):
                writer.write(cv2.resize(frame.pixels, (width, height), interpolation=cv2.INTER_AREA))
    return Entry(
        path=str(path), sha256=fingerprint(path), frames=clip["frames"], fps=float(fps), width=width, height=height,
        captions=(clip["caption"],), split=clip["split"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
