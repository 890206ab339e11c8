"""The figure of the README: source, message in words, reconstruction, and what it cost.

python examples/link_figure.py OUT.png [--snr-db 10]
"""

from __future__ import annotations

import argparse
import tempfile
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import lgvsc
from lgvsc.experiments.clips.sample_clip import make_sample_clip

SECONDS = (0.5, 1.75, 3.25, 4.5, 6.0, 7.25, 9.5)
SIDE, MARGIN, LINE = 184, 10, 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--snr-db", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip, rebuilt = Path(folder) / "clip.mp4", Path(folder) / "rebuilt.mp4"
        make_sample_clip(clip)
        report = lgvsc.run(clip, scheme="skem-dsa", snr_db=arguments.snr_db, output=rebuilt).report()
        before, after = lgvsc.read_video(clip), lgvsc.read_video(rebuilt)

    rows = []
    for second in SECONDS:
        index = round(second * float(before.fps))
        segment = next(s for s in report["segments"] if s["start"] <= index < s["stop"])
        rows.append((index, segment["caption_received"] or "(caption lost)"))
    words = [textwrap.wrap(caption, 29)[:9] for _, caption in rows]
    text_height = LINE * (1 + max(len(lines) for lines in words)) + MARGIN
    width = MARGIN + len(rows) * (SIDE + MARGIN)
    figure = Image.new("RGB", (width, 2 * SIDE + text_height + 4 * MARGIN + 2 * LINE), "white")
    draw = ImageDraw.Draw(figure)
    small, bold = ImageFont.load_default(11.5), ImageFont.load_default(13)
    for column, ((index, _), lines) in enumerate(zip(rows, words, strict=True)):
        left = MARGIN + column * (SIDE + MARGIN)
        for top, video in ((MARGIN, before), (2 * MARGIN + SIDE + text_height, after)):
            picture = Image.fromarray(video.frames[index]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            figure.paste(picture, (left, top))
        draw.text((left, MARGIN + SIDE + 4), "\n".join(lines), fill="#333333", font=small, spacing=2)
    symbols = report["symbols"]
    line = (
        f"above: source    between: captions as received    below: rebuilt from {len(report['keyframes'])} keyframes, "
        f"{symbols['total']} channel symbols for {report['source']['frames']} frames, "
        f"CBR {report['cbr']:.1e}, AWGN at {arguments.snr_db:g} dB"
    )
    draw.text((MARGIN, figure.height - LINE - MARGIN), line, fill="black", font=bold)
    figure.save(arguments.output, optimize=True)
    print(f"{arguments.output}: {line}")


if __name__ == "__main__":
    main()
