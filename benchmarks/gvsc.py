"""What GVSC's schemes make of one clip, as a sheet of pictures: source, sketches as drawn and as received, each scheme.

    python benchmarks/gvsc.py CLIP.mp4 -o sheet.png --snr-db 10,0

The clip is cut to GVSC's setting first: 8 frames of 256 x 256 at 4 fps.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from lgvsc import build, kinds, link
from lgvsc.core.video import Pixels, VideoReader, read_video
from lgvsc.experiments.clips.excerpts import sampled
from lgvsc.experiments.recipe import shipped_recipe
from lgvsc.experiments.reproduction.needs import line_config

SIDE = 128  # of a picture on the sheet
SHOWN = (0, 2, 4, 7)  # frames
SKETCHES = "Sketches + Desc."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--output", "-o", type=Path, required=True)
    parser.add_argument("--snr-db", default="10,0")
    options = parser.parse_args()
    recipe = shipped_recipe("gvsc-grid")
    lines = [line for line in recipe.lines if line.label in recipe.order]
    snrs_db = [float(word) for word in options.snr_db.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = sampled(options.clip, folder, frames=8, fps=4, side=256)
        rows = [("source", list(read_video(clip).frames))]
        for snr_db in snrs_db:
            for line in lines:
                config = line_config(recipe, line, snr_db)
                if line.label == SKETCHES:
                    sent, received = sketches(clip, config)
                    rows += [("sketches sent", sent)] if snr_db == snrs_db[0] else []
                    rows += [(f"received, {snr_db:g} dB", received)]
                out = folder / "out.mp4"
                report = link.run(clip, config, output=out).report()
                print(f"{line.label}, {snr_db:g} dB: SSIM {report['metrics']['ssim']:.3f}, CBR {report['cbr']:.2e}")
                rows.append((f"{line.label}, {snr_db:g} dB", list(read_video(out).frames)))
    sheet = np.vstack([strip(label, [frames[i] for i in SHOWN]) for label, frames in rows])
    cv2.imwrite(str(options.output), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def sketches(clip: Path, config: object) -> tuple[list[Pixels], list[Pixels]]:
    """Sketches as drawn and as received, one for each frame; black where none arrived."""
    scheme, channel = kinds.scheme(config), build.channel(config, clip="sheet")
    with VideoReader(clip) as reader:
        ((segment, burst),) = scheme.transmit(reader, reader.format)
    (got,) = scheme.codec.decode([channel(burst.symbols)])
    found = dict(got.sketches)
    sent = [sketch for _, sketch in segment.sketches]
    return sent, [found.get(index, np.zeros_like(sent[0])) for index in range(len(sent))]


def strip(label: str, pictures: list[Pixels]) -> Pixels:
    """A row of the sheet: its label, then pictures."""
    colour = [cv2.cvtColor(p, cv2.COLOR_GRAY2RGB) if p.ndim == 2 else p for p in pictures]
    small = [cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for picture in colour]
    box = np.full((SIDE, 210, 3), 255, np.uint8)
    cv2.putText(box, label, (6, SIDE // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.hstack([box, *small])


if __name__ == "__main__":
    main()
