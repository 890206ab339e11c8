"""The cliff: fixed modulation and code rate against SNR, beside the same codec with link adaptation at the same CBR.

    python benchmarks/cliff.py VIDEO... [--codec h265] [--seconds 3] [--out docs/figures/cliff]

Each row of Table I (LGVSC) is coded and modulated once and sent over AWGN at every SNR, as a transmitter does that
cannot adapt. The adaptive curve gets the CBR that the row of 8 dB costs on the clip, and knows the SNR. Writes
OUT.svg, .pdf, .png and OUT.csv. Noise depends on clip and SNR alone.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import fmean

import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.belief import Belief
from lgvsc.coding.frames.elementary import CodecName
from lgvsc.core.air import Burst
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import Frame, VideoReader, with_frames
from lgvsc.experiments.compare_plots import LOOKS, WIDTH_IN, save, styled
from lgvsc.metrics.quality import QualityMeter
from lgvsc.record import fingerprint
from lgvsc.schemes.conventional import ConventionalConfig, ConventionalScheme
from lgvsc.schemes.table_1 import table_1

FIXED_SNRS_DB = tuple(float(snr_db) for snr_db in range(-4, 15))
ADAPTIVE_SNRS_DB = (-4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0, 11.0, 14.0)
MATCHED_ROW_DB = 8.0
ADAPTED = "adaptive, same CBR"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--codec", default="h265", choices=("h264", "h265"))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/cliff"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[tuple[str, float], list[float]] = defaultdict(list)
    with arguments.out.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "curve", "snr_db", "cbr", "ssim"])
        for path in arguments.videos:
            for curve, snr_db, cbr, ssim in curves(path, arguments.codec, arguments.seconds):
                found[curve, snr_db].append(ssim)
                writer.writerow([path.stem, curve, snr_db, f"{cbr:.3e}", f"{ssim:.4f}"])
                print(f"{path.stem:<28}{curve:<28}{snr_db:>6g} dB  CBR {cbr:.2e}  SSIM {ssim:.3f}", flush=True)
    plot(found, arguments.codec, len(arguments.videos), arguments.out)


def curves(path: Path, codec: CodecName, seconds: float) -> Iterator[tuple[str, float, float, float]]:
    """Curve, SNR, CBR and SSIM of every transmission of one clip."""
    with VideoReader(path) as reader:
        count = min(reader.format.frames or 0, round(seconds * float(reader.format.fps)))
        video = with_frames(reader.format, count)
        frames = list(islice(reader, count))
    name = f"{codec}-ldpc"
    matched = 0.0
    for row in (row for row in table_1() if row.codec == codec):
        scheme = ConventionalScheme(name, Belief(row.snr_db), ConventionalConfig(codec=codec, mode="paper"), row)
        bursts = [burst for _, burst in scheme.transmit(iter(frames), video)]
        cbr = Ledger.of(bursts, video).cbr
        matched = cbr if row.snr_db == MATCHED_ROW_DB else matched
        label = f"fixed {2**row.bits_per_symbol}-QAM, rate {row.code_rate:.2f}"
        for snr_db in FIXED_SNRS_DB:
            yield label, snr_db, cbr, received(scheme, bursts, path, snr_db, frames)
    for snr_db in ADAPTIVE_SNRS_DB:
        scheme = ConventionalScheme(name, Belief(snr_db), ConventionalConfig(codec=codec, budget=f"{matched:.3e}cbr"))
        bursts = [burst for _, burst in scheme.transmit(iter(frames), video)]
        yield ADAPTED, snr_db, Ledger.of(bursts, video).cbr, received(scheme, bursts, path, snr_db, frames)


def received(scheme: ConventionalScheme, bursts: list[Burst], path: Path, snr_db: float, frames: list[Frame]) -> float:
    """Mean SSIM of what arrives; a receiver that cannot even read control shows grey."""
    channel = AwgnChannel(snr_db, child_generator(0, "channel", fingerprint(path), snr_db, 0))
    meter = QualityMeter(every=3)
    shown = (made for piece in scheme.reconstruct(channel(b.symbols) for b in bursts) for made in piece.video)
    for source in frames:
        made = next(shown, None)
        meter.add(
            source.pixels, made.pixels if made else torch.full(source.pixels.shape, 128, dtype=torch.uint8).numpy()
        )
    return meter.result().ssim or 0.0


def plot(found: dict[tuple[str, float], list[float]], codec: str, clips: int, out: Path) -> None:
    """Mean SSIM against SNR, one curve for each way of sending."""
    with styled():
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(WIDTH_IN, 2.4), layout="constrained")
        for label, (colour, marker, dashes) in zip(
            dict.fromkeys(name for name, _ in found), LOOKS[::-1][4:], strict=False
        ):
            line = sorted((snr_db, fmean(values)) for (name, snr_db), values in found.items() if name == label)
            axes.plot(
                *zip(*line, strict=True), label=label, color=colour, marker=marker, linestyle=dashes,
                markerfacecolor="white", markeredgewidth=0.8,
            )  # fmt: skip
        axes.set_xlabel("$E_s/N_0$ (dB)")
        axes.set_ylabel("SSIM")
        axes.set_title(
            f"{codec.upper().replace('H26', 'H.26')}, {'one clip' if clips == 1 else f'n = {clips} clips'}", pad=3
        )
        figure.legend(frameon=False, loc="outside upper center", ncols=2, handlelength=2.6)
        save(figure, out)


if __name__ == "__main__":
    main()
