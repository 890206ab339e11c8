"""Rate and quality of every clip in a folder, at two channels: the table of the README.

    python benchmarks/clips.py FOLDER [--limit 24] [--snr-db 10,0] [--scheme skem-dsa] [--csv OUT.csv]

Clips are taken evenly from the sorted folder.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path
from statistics import mean

from lgvsc import link
from lgvsc.config import load_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--snr-db", default="10,0")
    parser.add_argument("--scheme", default="skem-dsa")
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    snrs_db = [float(text) for text in arguments.snr_db.split(",")]
    clips = sorted(arguments.folder.glob("*.mp4"))
    clips = clips[:: max(1, len(clips) // arguments.limit)][: arguments.limit]
    rows = []
    header = f"{'clip':<32}{'SNR dB':>7}{'frames':>8}{'keys':>6}{'CBR':>10}{'PSNR dB':>9}{'SSIM':>7}"
    print(header + f"{'MS-SSIM':>9}{'lost':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips:
            for snr_db in snrs_db:
                config = load_config(scheme=arguments.scheme, settings={"channel.snr_db": snr_db})
                report = link.run(clip, config, output=Path(folder) / "out.mp4").report()
                m = report["metrics"]
                row = {
                    "clip": clip.stem,
                    "snr_db": snr_db,
                    "frames": report["source"]["frames"],
                    "keyframes": len(report["keyframes"]),
                    "cbr": report["cbr"],
                    "psnr_db": m["psnr_db"],
                    "ssim": m["ssim"],
                    "ms_ssim": m["ms_ssim"],
                    "lost": sum(count for part, count in report["damage"].items() if part != "erased_symbols"),
                }
                rows.append(row)
                print(
                    f"{row['clip']:<32}{snr_db:>7g}{row['frames']:>8}{row['keyframes']:>6}{row['cbr']:>10.2e}"
                    f"{row['psnr_db']:>9.2f}{row['ssim']:>7.3f}{row['ms_ssim'] or 0:>9.3f}{row['lost']:>6}",
                    flush=True,
                )
    for snr_db in snrs_db:
        mine = [row for row in rows if row["snr_db"] == snr_db]
        means = {key: mean(row[key] for row in mine) for key in ("keyframes", "cbr", "psnr_db", "ssim")}
        print(f"mean of {len(mine)} at {snr_db:g} dB: " + ", ".join(f"{k} {v:.4g}" for k, v in means.items()))
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
