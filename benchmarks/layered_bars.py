"""The layered link against codecs, skem-dsa and its own floors at equal symbols, on clips that no training saw.

    python benchmarks/layered_bars.py FOLDER --out OUT.csv [--clips 8] [--seconds 3] [--cbr 3e-4,6e-4] [--snr-db 0,10]
        [--ways av1-ldpc,structure,look] [--first 0] [--against av1-ldpc] [--means] [--compared TABLE.csv]

Each row is one transmission; rows that are in the file are not made again, so a stopped run goes on. Without
``--clips`` nothing is sent and the table of what is in the file is printed: means over the clips that have every way,
with the paired difference from the best of ``--against`` (all codecs) for each clip and its 95 % interval, for each
cell and in the mean of cells. ``--means`` prints a row of Markdown for each cell and way instead: means over the clips
that have all of ``--ways`` that were measured there and, with ``--against``, the differences from that.
``--compared TABLE.csv`` writes what is there of these cells and ways as `lgvsc compare` does, for `lgvsc train auto`.

Ways: any scheme of three that code video, ``skem-dsa``, ``structure`` and ``look`` (layered-dsa for either objective),
``structure-alone`` and ``look-alone`` (the same, without keyframes), and ``live`` (``structure``, in the video's time).
Any of them with ``-wrong`` behind it: the channel is 6 dB worse than believed.
"""

import argparse
import csv
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import mean

import cv2
import torch

from lgvsc import link
from lgvsc.config import load_config
from lgvsc.errors import LgvscError
from lgvsc.experiments.clips.excerpts import excerpt
from lgvsc.experiments.compare_table import Row, half_width_95, write_csv
from lgvsc.metrics.registry import BY_KEY
from lgvsc.training.enhancer_data import is_held_out

CODECS = ("av1-ldpc", "h265-ldpc", "h264-ldpc")
MEASURES = ("psnr_db", "ssim", "ms_ssim", "vmaf", "vmaf_neg", "lpips", "dists", "flicker")
UP = MEASURES[:5]
KEYS = ("clip", "cbr", "snr_db", "way")
COLUMNS = (*KEYS, "seconds", "used_cbr", *MEASURES, "source_flicker", "send_s", "receive_s", "layers")
METRICS = "psnr,ssim,ms_ssim,vmaf,vmaf_neg,lpips,dists,flicker"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--cbr", default="3e-4,6e-4")
    parser.add_argument("--snr-db", default="0,10")
    parser.add_argument("--ways", default="av1-ldpc,structure,look")
    parser.add_argument("--every", type=int, default=2, help="measure one frame in so many")
    parser.add_argument("--look-every", type=int, default=15, help="the same for LPIPS and DISTS")
    parser.add_argument("--against", default="", help="with commas; the codecs, where not --means")
    parser.add_argument("--means", action="store_true", help="a row of means for each cell and way")
    parser.add_argument("--compared", type=Path, metavar="TABLE.csv")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    done = read(chosen.out)
    every = [clip for clip in sorted(chosen.folder.rglob("*.mp4")) if is_held_out(clip)]
    spread = every[:: max(1, len(every) // chosen.clips)][: chosen.clips] if chosen.clips else []
    cells = list(product(chosen.cbr.split(","), map(float, chosen.snr_db.split(","))))
    with tempfile.TemporaryDirectory() as folder:
        for clip in spread[chosen.first :]:
            short = excerpt(clip, chosen.seconds, Path(folder))
            for (cbr, snr_db), way in product(cells, chosen.ways.split(",")):
                if (clip.stem, cbr, f"{snr_db:g}", way) not in done:
                    row = sent(short, cbr, snr_db, way, Path(folder) / "out.mp4", chosen)
                    write(chosen.out, {"clip": clip.stem, "seconds": chosen.seconds, **row})
    if chosen.means:
        means(read(chosen.out), chosen.ways.split(","), [rival for rival in chosen.against.split(",") if rival])
    else:
        table(read(chosen.out), (chosen.against or ",".join(CODECS)).split(","))
    if chosen.compared:
        write_csv(chosen.compared, as_compared(read(chosen.out), cells, chosen.ways.split(",")))


def sent(clip, cbr, snr_db, way, output, chosen):
    row = {"cbr": cbr, "snr_db": f"{snr_db:g}", "way": way}
    wrong, way = way.endswith("-wrong"), way.removesuffix("-wrong")
    objective = "look" if way.startswith("look") else "structure"
    layered = way.split("-")[0] in ("structure", "look", "live")
    settings = {
        "channel.snr_db": snr_db - 6 * wrong,
        "coding.believed_snr_db": snr_db,
        "coding.budget": f"{cbr}cbr",
        "link.metrics": METRICS.split(","),
        "link.metrics_every": chosen.every,
        "link.look_every": chosen.look_every,
    }
    if layered:
        settings |= {"objective": objective, "structure.effort": "live" if way == "live" else "best"}
        settings["message.send_keyframes"] = not way.endswith("-alone")
    begun = time.monotonic()
    try:
        config = load_config(scheme="layered-dsa" if layered else way, settings=settings)
        report = link.run(clip, config, output=output).report()
    except LgvscError as error:
        return row | {"layers": f"{type(error).__name__}: {error}"[:80]}
    timing = report["timing_s"]
    measured = {name: report["metrics"].get(name) for name in MEASURES}
    layers = [
        "{eighths}/8 1:{step} q{quantiser}".format(**s["structure"]) for s in report["segments"] if s["structure"]
    ]
    return (
        row
        | measured
        | {
            "used_cbr": report["cbr"],
            "source_flicker": report["metrics"]["details"]["flicker"]["source"],
            "send_s": timing.get("semantics", 0) + timing.get("coding_send", 0),
            "receive_s": timing.get("coding_receive", 0) + timing.get("world", 0),
            "layers": f"{'; '.join(layers)} ({time.monotonic() - begun:.0f} s, {len(report['keyframes'])} keyframes)",
        }
    )


def read(path):
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        return {tuple(row[key] for key in KEYS): row for row in csv.DictReader(file)}


def write(path, row):
    new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)


def means(rows, ways, rivals):
    """Print the means of each way in each cell over the clips that all of them have there, and differences from rivals.

    Rivals are one for each clip, the best of them by each measure; a difference whose interval leaves out zero is bold.
    """
    print(f"| CBR | SNR dB | way | n | CBR spent | {' | '.join(BY_KEY[key].label for key in MEASURES)} |")
    print("|---" * (5 + len(MEASURES)) + "|")
    sources = {}
    for cell in cells_of(rows):
        mine = {(key[0], key[3]): row for key, row in rows.items() if key[1:3] == cell and row["used_cbr"]}
        here = [way for way in ways if any(named == way for _, named in mine)]
        clips = [clip for clip in dict.fromkeys(clip for clip, _ in mine) if all((clip, way) in mine for way in here)]
        clips = [clip for clip in clips if not rivals or any((clip, rival) in mine for rival in rivals)]
        for way in here if clips else ():
            spent = mean(float(mine[clip, way]["used_cbr"]) for clip in clips)
            values = " | ".join(mean_of(mine, clips, way, measure, rivals) for measure in MEASURES)
            print(f"| {cell[0]} | {cell[1]} | {way} | {len(clips)} | {spent:.2e} | {values} |")
        sources |= {clip: number(mine[clip, way], "source_flicker") for clip in clips for way in here}
    print(f"\nflicker of the sources, {len(sources)} clips: {mean(sources.values()):.3f}")


def mean_of(mine, clips, way, measure, rivals):
    """A mean over clips in Markdown and, where there are rivals, the paired difference with half of its interval."""
    digits = BY_KEY[measure].digits
    if not rivals or measure == "flicker":
        values = [number(mine[clip, way], measure) for clip in clips]
        return "-" if None in values else f"{mean(values):.{digits}f}"
    values, anchors = paired(mine, clips, way, measure, rivals)
    if not values:
        return "-"
    gaps = [value - anchor for value, anchor in zip(values, anchors, strict=True)]
    half = half_width_95(gaps) or 0.0
    gap = f"{mean(gaps):+.{digits}f}"
    gap = f"**{gap}**" if abs(mean(gaps)) > half else gap
    return f"{mean(values):.{digits}f} ({gap} ± {half:.{digits}f})"


def cells_of(rows):
    return sorted({key[1:3] for key in rows}, key=lambda cell: tuple(map(float, cell)))


def table(rows, rivals):
    ways = sorted({key[3] for key in rows} - {*CODECS, *rivals})
    cells = {}  # means of each, by way and measure
    for cell in cells_of(rows):
        print(f"\nCBR {cell[0]}, {cell[1]} dB, against {' or '.join(rivals)}")
        mine = {(key[0], key[3]): row for key, row in rows.items() if key[1:3] == cell}
        for way, measure in product(ways, MEASURES):
            clips = [clip for clip, named in mine if named == way and any((clip, rival) in mine for rival in rivals)]
            if means := compared(mine, clips, way, measure, rivals):
                cells.setdefault((way, measure), []).append(means)
    print("\nmean of the cells")
    for (way, measure), means in cells.items():
        value, anchor = (mean(column) for column in zip(*means, strict=True))
        gaps = [value - anchor for value, anchor in means]
        print(
            f"{way:16} {measure:8} difference {mean(gaps):+.3f} (from {min(gaps):+.3f} to {max(gaps):+.3f}) "
            f"{100 * (value / anchor - 1):+6.1f} % ({len(means)} cells)"
        )


def as_compared(rows, cells, ways):
    for (clip, cbr, snr_db, way), row in rows.items():
        if (cbr, float(snr_db)) in cells and way in ways and row["used_cbr"]:
            yield Row(
                key="",
                clip=clip,
                scheme={"structure": "layered-dsa", "look": "layered-dsa"}.get(way, way),
                mode="adaptive",
                channel="awgn",
                snr_db=float(snr_db),
                snr_def="esn0",
                cbr_target=float(cbr),
                cbr=float(row["used_cbr"]),
                **{name: number(row, name) for name in MEASURES},
            )


def paired(mine, clips, way, measure, rivals):
    """Values of a way and of the best rival of each clip, where both are known; of flicker, the source's."""
    best = max if measure in UP else min
    values, anchors = [], []
    for clip in clips:
        others = [number(mine[clip, rival], measure) for rival in rivals if (clip, rival) in mine]
        if measure == "flicker":
            others = [number(mine[clip, way], "source_flicker")]
        value, others = number(mine[clip, way], measure), [each for each in others if each is not None]
        if value is not None and others:
            values.append(value)
            anchors.append(best(others))
    return values, anchors


def compared(mine, clips, way, measure, rivals):
    """Print a line of the table; the means of the way and of its rivals, where there is anything."""
    values, anchors = paired(mine, clips, way, measure, rivals)
    if values:
        gaps = [value - anchor for value, anchor in zip(values, anchors, strict=True)]
        half = half_width_95(gaps)
        interval = "" if half is None else f" +- {half:.3f}"
        share = f"{100 * (mean(values) / mean(anchors) - 1):+6.1f} %"
        against = "source" if measure == "flicker" else "best rival"
        print(
            f"{way:16} {measure:8} {mean(values):8.3f} {against} {mean(anchors):8.3f} "
            f"difference {mean(gaps):+.3f}{interval} {share} (n = {len(values)})"
        )
        return mean(values), mean(anchors)
    return None


def number(row, name):
    return float(row[name]) if row.get(name) not in (None, "") else None


if __name__ == "__main__":
    main()
