"""One row of frames for each scheme at the same budget: what few bits through a bad channel look like.

python examples/glance_figure.py CLIP OUT.png [--schemes av1-ldpc,skem-dsa] [--budget 2kbps] [--snr-db 0] [--look 0]

A scheme may name what its budget is spent for: layered-dsa:structure, layered-dsa:look.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import lgvsc
from lgvsc.metrics.registry import BY_KEY

SHOWN = (0.1, 0.37, 0.63, 0.9)  # of the clip's length
HEIGHT, MARGIN, LINE = 180, 8, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--schemes", default="av1-ldpc,skem-dsa")
    parser.add_argument("--budget", default="2kbps")
    parser.add_argument("--snr-db", type=float, default=0.0)
    parser.add_argument("--look", type=float, help="of what the receiver shows: 0 faithful, 1 vivid; else as advised")
    arguments = parser.parse_args()

    source = lgvsc.read_video(arguments.clip)
    rows = [("source", source)]
    for named in arguments.schemes.split(","):
        scheme, _, objective = named.partition(":")
        settings = {"link.metrics": "lpips,dists,ms_ssim", "objective": objective or "look"}
        settings |= {} if arguments.look is None else {"world.look": arguments.look}
        with tempfile.TemporaryDirectory() as folder:
            rebuilt = Path(folder) / "rebuilt.mp4"
            report = lgvsc.run(
                arguments.clip,
                scheme=scheme,
                snr_db=arguments.snr_db,
                budget=arguments.budget,
                settings=settings,
                output=rebuilt,
            ).report()
            video = lgvsc.read_video(rebuilt)
        metrics = report["metrics"]
        words = f"{named}: {report['symbols']['total']} symbols at {arguments.snr_db:g} dB, CBR {report['cbr']:.1e}; "
        words += ", ".join(f"{BY_KEY[key].label} {metrics[key]:.3f}" for key in ("lpips", "dists", "ms_ssim"))
        rows.append((words, video))

    frames, height, width, _ = source.frames.shape
    shown_width = round(HEIGHT * width / height)
    figure = Image.new(
        "RGB", (MARGIN + len(SHOWN) * (shown_width + MARGIN), MARGIN + len(rows) * (HEIGHT + LINE + MARGIN)), "white"
    )
    draw, font = ImageDraw.Draw(figure), ImageFont.load_default(13)
    for place, (words, video) in enumerate(rows):
        top = MARGIN + place * (HEIGHT + LINE + MARGIN)
        for column, share in enumerate(SHOWN):
            picture = Image.fromarray(video.frames[round(share * (frames - 1))])
            figure.paste(
                picture.resize((shown_width, HEIGHT), Image.Resampling.LANCZOS),
                (MARGIN + column * (shown_width + MARGIN), top + LINE),
            )
        draw.text((MARGIN, top), words, fill="black", font=font)
        print(words)
    figure.save(arguments.output, optimize=True, quality=82)


if __name__ == "__main__":
    main()
