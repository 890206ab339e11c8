"""Quality of the conventional schemes against SNR, with the cliff: the paper's parameters beside adapted ones.

    python benchmarks/baselines.py VIDEO... [--codecs h265,av1] [--snr-db=-4,0,5,10] [--cbr 6e-4,1.4e-3] [--mode both]
                                   [--seconds 8] [--csv OUT.csv]

In mode ``paper`` (Table I of LGVSC, H.264 and H.265 only) both readings of the SNR are shown; a star marks a rate above
capacity. In mode ``adaptive`` quality falls with the SNR, but there is no cliff. "codings" is what the search cost.
Noise depends on clip and SNR alone, so all rows of a clip and an SNR share it.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.belief import Belief
from lgvsc.coding.frames.elementary import CodecName
from lgvsc.core.air import Burst
from lgvsc.core.ledger import Ledger
from lgvsc.core.video import Frame, VideoFormat, VideoReader, with_frames
from lgvsc.metrics.quality import QualityMeter
from lgvsc.record import fingerprint
from lgvsc.schemes.conventional import ConventionalConfig, ConventionalScheme
from lgvsc.schemes.table_1 import SnrDef, paper_row


@dataclass(frozen=True)
class Row:
    """One transmission of one clip."""

    clip: str
    scheme: str
    snr_db: float
    target_cbr: str
    cbr: float
    psnr_db: float | None
    ssim: float | None
    received: float
    concealed: float
    missing: float
    seconds_per_s: float
    note: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--codecs", default="h265,av1")
    parser.add_argument("--snr-db", default="-4,0,5,10")
    parser.add_argument("--cbr", default="6e-4,1.4e-3")
    parser.add_argument("--mode", choices=("paper", "adaptive", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{'clip':<26}{'scheme':<22}{'SNR dB':>7}{'CBR':>10}{'PSNR dB':>9}{'SSIM':>8}{'received':>10}{'s/s':>7}  note"
    )
    rows = []
    for video in arguments.videos:
        for codec in arguments.codecs.split(","):
            for snr_db in (float(text) for text in arguments.snr_db.split(",")):
                for config, snr_def in configs(codec, arguments.mode, arguments.cbr.split(",")):
                    rows.append(row := measure(video, config, snr_db, snr_def, arguments.seconds))
                    show(row)
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(asdict(rows[0])))
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)


def configs(codec: CodecName, mode: str, cbrs: list[str]) -> Iterator[tuple[ConventionalConfig, SnrDef]]:
    """What is compared for one codec, and what its SNR means."""
    if mode != "adaptive" and codec != "av1":
        yield ConventionalConfig(codec=codec, mode="paper"), "esn0"
        yield ConventionalConfig(codec=codec, mode="paper"), "ebn0"
    if mode != "paper":
        yield from ((ConventionalConfig(codec=codec, budget=f"{cbr}cbr"), "esn0") for cbr in cbrs)


def measure(path: Path, config: ConventionalConfig, snr_db: float, snr_def: SnrDef, seconds: float) -> Row:
    """Send the beginning of a clip, and compare what arrives with it."""
    started = time.perf_counter()
    row = paper_row(config.codec, snr_db) if config.mode == "paper" else None
    esn0_db = row.esn0_db(snr_db, snr_def) if row else snr_db
    scheme = ConventionalScheme(f"{config.codec}-ldpc", Belief(esn0_db), config, row)
    channel = AwgnChannel(esn0_db, child_generator(0, "channel", fingerprint(path), snr_db, 0))
    meter, origins, bursts = QualityMeter(), Counter[str](), list[Burst]()
    with VideoReader(path) as source, VideoReader(path) as original:
        count = min(source.format.frames or 0, round(seconds * float(source.format.fps)))
        video = with_frames(source.format, count)
        receptions = (channel(burst.symbols) for burst in kept(scheme, islice(source, count), video, bursts))
        pieces = scheme.reconstruct(receptions)
        originals = iter(original)
        for piece in pieces:
            origins.update(piece.provenance)
            for made in piece.video:
                meter.add(next(originals).pixels, made.pixels)
    quality = meter.result()
    ledger = Ledger.of(bursts, video)
    return Row(
        clip=path.stem,
        scheme=f"{scheme.name} {config.mode}" + (f" {snr_def}" if config.mode == "paper" else ""),
        snr_db=snr_db,
        target_cbr=config.budget if config.mode == "adaptive" else "",
        cbr=ledger.cbr,
        psnr_db=quality.psnr_db,
        ssim=quality.ssim,
        received=origins["received"] / count,
        concealed=origins["concealed"] / count,
        missing=1 - (origins["received"] + origins["concealed"]) / count,
        seconds_per_s=(time.perf_counter() - started) / (count / float(video.fps)),
        note=note(bursts, config, snr_db, snr_def),
    )


def kept(
    scheme: ConventionalScheme, frames: Iterator[Frame], video: VideoFormat, bursts: list[Burst]
) -> Iterator[Burst]:
    """The bursts of a transmission, each also put into a list."""
    for _, burst in scheme.transmit(frames, video):
        bursts.append(burst)
        yield burst


def note(bursts: list[Burst], config: ConventionalConfig, snr_db: float, snr_def: SnrDef) -> str:
    """What the first burst carried."""
    label = next((part.label for part in bursts[0].parts if part.purpose == "video"), "nothing")
    if config.mode == "paper" and paper_row(config.codec, snr_db).above_capacity(snr_db, snr_def):
        label += " *above capacity"
    return label


def show(row: Row) -> None:
    """One line, as soon as it is known."""
    psnr = "-" if row.psnr_db is None else f"{row.psnr_db:.2f}"
    ssim = "-" if row.ssim is None else f"{row.ssim:.3f}"
    print(
        f"{row.clip:<26}{row.scheme:<22}{row.snr_db:>7g}{row.cbr:>10.2e}{psnr:>9}{ssim:>8}{row.received:>10.2f}"
        f"{row.seconds_per_s:>7.2f}  {row.note}",
        flush=True,
    )


if __name__ == "__main__":
    main()
