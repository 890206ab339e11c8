"""What planning by trials is worth: `skem-dsa` under a budget against equal segments at the same budget.

    python benchmarks/objective.py CLIP... [--budget 6e-4cbr] [--snr-db 10] [--seconds 3] [--out FOLDER]

For each objective `skem-dsa`, and `skim-dsa` with 3, 5 and 10 segments, send the beginning of each clip, and the
receiver shows it faithfully (`world.look=0`). The first table has means over clips with 95 % intervals (MS-SSIM on one
frame in three, LPIPS and DISTS on one in twelve); the second one the difference, clip by clip, with its interval, from
the best of `skim-dsa` by mean, and from the best of those that keep the budget on every clip. The last column is what
the transmitter took, planning included, in durations of the clip (its share of the processor's time). Rows lie in
FOLDER, and those found there are not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from lgvsc import link
from lgvsc.coding.budget import Budget
from lgvsc.config import load_config
from lgvsc.experiments.clips.excerpts import excerpt
from lgvsc.experiments.compare_table import half_width_95

SKIM = (3, 5, 10)
OBJECTIVES = ("look", "structure")
OVER = 1.005  # a budget is kept up to this, for what is rounded
MEASURED = {"ms_ssim": "MS-SSIM", "lpips": "LPIPS", "dists": "DISTS"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--budget", default="6e-4cbr")
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out", type=Path, default=Path("objective"))
    chosen = parser.parse_args()
    ways: dict[str, tuple[str, dict[str, str | int]]] = {
        f"skem-dsa {objective}": ("skem-dsa", {"objective": objective}) for objective in OBJECTIVES
    } | {f"skim-dsa {n}": ("skim-dsa", {"keyframes.segments": n}) for n in SKIM}
    rows: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for clip in chosen.clips:
        part = excerpt(clip, chosen.seconds, chosen.out / "clips")
        for way, (scheme, own) in ways.items():
            at = f"{clip.stem} {way} {chosen.budget} {chosen.snr_db:g}dB {chosen.seconds:g}s"
            row = measured(part, scheme, own, chosen, chosen.out / f"{at.replace(' ', '_')}.json")
            rows[way].append(row)
            print(f"{at:<70}" + "  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
    show(rows, budget_cbr(chosen.budget))


def budget_cbr(budget: str) -> float:
    """A budget that is a CBR, as a number; no limit for any other."""
    parsed = Budget.parse(budget)
    return parsed.amount if parsed.unit == "cbr" else math.inf


def measured(
    clip: Path, scheme: str, own: dict[str, str | int], chosen: argparse.Namespace, kept: Path
) -> dict[str, float]:
    """CBR, segments and quality of one transmission, and the time that it took to make what is sent."""
    if kept.is_file():
        row: dict[str, float] = json.loads(kept.read_text("utf-8"))
        return row
    settings = own | {
        "coding.budget": chosen.budget,
        "channel.snr_db": chosen.snr_db,
        "link.metrics": ",".join(MEASURED),
        "link.metrics_every": 3,
        "link.look_every": 12,
        "world.look": 0.0,
    }
    config = load_config(scheme=scheme, settings=settings)
    start = time.process_time(), time.perf_counter()
    report = link.run(clip, config, output=kept.with_suffix(".mp4")).report()
    ours = (time.process_time() - start[0]) / (time.perf_counter() - start[1])  # others share this machine
    sending = ours * (report["timing_s"]["semantics"] + report["timing_s"]["coding_send"])
    source, quality = report["source"], report["metrics"]
    row = {key: quality[key] for key in MEASURED}
    row |= {"cbr": report["cbr"], "segments": len(report["segments"])}
    row |= {"durations": sending / (source["frames"] / source["fps"])}
    kept.write_text(json.dumps(row), "utf-8")
    return row


def show(rows: dict[str, list[dict[str, float]]], allowed: float) -> None:
    """Means, and differences from the best way of SKIM, and from the best that spends what is allowed."""
    print(f"\n{'':<20}{'n':>4}{'CBR':>11}{'segments':>10}", end="")
    print("".join(f"{name:>16}" for name in MEASURED.values()) + f"{'TX durations':>14}")
    for way, found in rows.items():
        means = {key: fmean(row[key] for row in found) for key in found[0]}
        print(f"{way:<20}{len(found):>4}{means['cbr']:>11.3e}{means['segments']:>10.1f}", end="")
        print("".join(f"{interval([row[key] for row in found], 3):>16}" for key in MEASURED), end="")
        print(f"{means['durations']:>14.1f}")
    skim = [way for way in rows if way.startswith("skim")]
    within = [way for way in skim if all(row["cbr"] <= OVER * allowed for row in rows[way])]
    for title, ways in (("all", skim), ("those within the budget on every clip", within)):
        print(f"\nless the best of skim-dsa by mean, of {title}; better on so many clips")
        for key, name in MEASURED.items() if ways else ():
            sign = 1 if key == "ms_ssim" else -1
            best = max(ways, key=lambda way: sign * fmean(row[key] for row in rows[way]))
            for way in (way for way in rows if way not in skim):
                gains = [a[key] - b[key] for a, b in zip(rows[way], rows[best], strict=True)]
                better = sum(sign * gain > 0 for gain in gains)
                print(f"{name:<10}{way:<20}against {best:<14}{interval(gains, 4)}  {better} of {len(gains)}")


def interval(values: Sequence[float], digits: int) -> str:
    """A mean and half of its 95 % interval."""
    half = half_width_95(values)
    return f"{fmean(values):.{digits}f}" + ("" if half is None else f" ± {half:.{digits}f}")


if __name__ == "__main__":
    main()
