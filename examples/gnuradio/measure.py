"""A video through GNU Radio's channel model under one fault after the other, and what lgvsc made of each.

    python examples/gnuradio/measure.py walk.mp4 --gnuradio-python /usr/bin/python3 -o out/gnuradio

Runs in the Python that has lgvsc; the flowgraphs beside it in the one that has GNU Radio. Prints a table in Markdown:
for each fault the bursts found, the signal-to-noise ratio of the symbols behind the receiver with and without its
equaliser, and what came of the video.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np

import lgvsc
from lgvsc.channel import synchronisation
from lgvsc.channel.sigmf import SigmfReader
from lgvsc.errors import LgvscError

HERE = Path(__file__).parent
RATE = 4
ONE = f"1,{'0,' * (RATE - 1)}0.6j"  # an echo one symbol late
FAULTS = {
    "noise alone": [],
    "delay of 12,345 samples": ["--delay-samples", "12345"],
    "carrier off by 2 % of the symbol rate": ["--frequency-offset", "0.005"],
    "clock off by 40 ppm": ["--clock-ppm", "40"],
    "echo of half a symbol, 0.4": ["--taps", "1,0,0.4j"],
    "echo of one symbol, 0.6": ["--taps", ONE],
    "echoes of 1.25 and 3.25 symbols": ["--taps", "1,0,0,0,0,0.5j,0,0,0,0,0,0,0,-0.4"],
    "all of these": [
        *("--delay-samples", "12345", "--frequency-offset", "0.005", "--clock-ppm", "40"),
        *("--taps", "1,0,0,0,0,0.5j,0,0,0,0,0,0,0,-0.4"),
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--gnuradio-python", default="/usr/bin/python3")
    parser.add_argument("--snr-db", type=float, default=15.0, help="of GNU Radio's noise, Es/N0")
    parser.add_argument("--believed-snr-db", type=float, default=8.0, help="what the transmitter allows for")
    parser.add_argument("--faults", nargs="*", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("-o", "--output", type=Path, default=Path("out/gnuradio"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    sent = options.output / "tx"
    ledger = lgvsc.send(
        options.video, sent, scheme="skem-dsa", snr_db=options.believed_snr_db, samples_per_symbol=RATE, force=True
    )
    print(f"{ledger.symbols['total']} symbols, CBR {ledger.cbr:.2e}, noise at {options.snr_db:g} dB\n", file=sys.stderr)
    clean = symbols_of(sent, equalised=True)
    print("| fault | bursts | SNR without equaliser, dB | SNR, dB | frames received and generated | lost |")
    print("|---|---|---|---|---|---|")
    for number, fault in enumerate(options.faults):
        heard = options.output / f"rx{number}"
        through_gnuradio(options, sent, heard, ["--snr-db", str(options.snr_db), *FAULTS[fault]])
        bursts = symbols_of(heard, equalised=True)
        plain = symbols_of(heard, equalised=False)
        print(
            f"| {fault} | {len(bursts)} of {len(clean)} | {snr_db(plain, clean)} | {snr_db(bursts, clean)} | "
            + " | ".join(rebuilt(heard, options.output / f"rx{number}.mp4"))
            + " |",
            flush=True,
        )


def through_gnuradio(options: argparse.Namespace, sent: Path, heard: Path, faults: list[str]) -> None:
    air = options.output / "air.c64"
    data = heard.with_suffix(".sigmf-data")
    for flowgraph in (
        ["transmitter.py", str(sent.with_suffix(".sigmf-data")), str(air), *faults],
        ["receiver.py", str(air), str(data)],
    ):
        subprocess.run(
            [options.gnuradio_python, str(HERE / flowgraph[0]), *flowgraph[1:]], check=True, capture_output=True
        )
    about = {"core:datatype": "cf32_le", "core:version": "1.2.0", "lgvsc:samples_per_symbol": RATE}
    heard.with_suffix(".sigmf-meta").write_text(json.dumps({"global": about, "captures": []}))


def symbols_of(recording: Path, *, equalised: bool) -> list[np.ndarray]:
    """The symbols of each burst, as the receiver finds them."""
    worth, synchronisation.WORTH = synchronisation.WORTH, synchronisation.WORTH if equalised else math.inf
    try:
        return [burst.symbols.numpy() for burst in SigmfReader(recording)]
    finally:
        synchronisation.WORTH = worth


def snr_db(heard: list[np.ndarray], sent: list[np.ndarray]) -> str:
    """Over all bursts whose length is right; a dash where there is none."""
    pairs = [(one, other) for one, other in zip(heard, sent, strict=False) if len(one) == len(other)]
    if len(heard) != len(sent) or not pairs:
        return "-"
    wrong = sum(float(np.sum(np.abs(one - other) ** 2)) for one, other in pairs)
    right = sum(float(np.sum(np.abs(other) ** 2)) for _, other in pairs)
    return f"{10 * math.log10(right / wrong):.1f}"


def rebuilt(recording: Path, output: Path) -> tuple[str, str]:
    try:
        got = lgvsc.receive(recording, output, force=True)
    except LgvscError as error:
        return "none", str(error)
    made = ", ".join(f"{count} {origin}" for origin, count in got.origins.items())
    return made, ", ".join(f"{count} {part}" for part, count in got.lost.items()) or "nothing"


if __name__ == "__main__":
    main()
