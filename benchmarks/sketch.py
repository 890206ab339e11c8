"""Sketches: how well they are drawn, and what becomes of them on the air.

    python benchmarks/sketch.py edges MEDIA [--limit 200] [--weights FILE | --upstream FILE --variant V] [--json OUT]
    python benchmarks/sketch.py codec MEDIA [--snr-db -2,0,2,5,8,10] [--sheet OUT.png] [--json OUT]
    python benchmarks/sketch.py speed

``edges`` is the BSDS500 benchmark on ``MEDIA/stills/bsds_test``, which no extractor of ours was trained on: ODS and OIS
with matching within 0.75 % of the diagonal, for the shipped extractor, for any checkpoint of the authors, and for
Canny and Sobel. ``codec`` sends sketches of held-back pictures and frames in 1024 symbols each and compares what
arrives with what was sent; ``--sheet`` shows some.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.pictures.deepjscc import DeepJsccSketchCodec, load_sketch
from lgvsc.core.video import Pixels
from lgvsc.metrics.edges import THRESHOLDS, EdgeTruth, ods_of, thinned_maxima
from lgvsc.models.catalog import load
from lgvsc.nets.pidinet import VARIANTS, PiDiNet
from lgvsc.semantics.sketch import SketchExtractor
from lgvsc.semantics.sketch import load as read_extractor
from lgvsc.training.codes.deepjscc import SIDE, compare
from lgvsc.training.pictures import find_sources, read_still, spread_frames, square
from lgvsc.training.pidinet import TESTED, Drawn, edge_map, find_drawn, spread

EdgeMap = NDArray[np.float32]
SHEET_ROWS = 6
CANNY_LEVELS = np.linspace(0.04, 1.0, 25)  # of the upper threshold, whose greatest value is
CANNY_HIGHEST = 500.0
SHARE_OF_UPPER = 0.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("edges", "codec", "speed"))
    parser.add_argument("media", type=Path, nargs="?")
    parser.add_argument("--limit", type=int, default=200, help="at most so many pictures, evenly spread")
    parser.add_argument("--weights", type=Path, help="of the extractor, instead of the shipped ones")
    parser.add_argument("--codec-weights", type=Path, help="of the sketch codec, instead of the shipped ones")
    parser.add_argument("--upstream", type=Path, help="a checkpoint of PiDiNet's authors, instead")
    parser.add_argument("--variant", default="tiny-l", choices=sorted(VARIANTS))
    parser.add_argument("--detectors", default="pidinet,canny,sobel")
    parser.add_argument("--snr-db", default="-2,0,2,5,8,10")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if chosen.what != "speed" and chosen.media is None:
        parser.error("give the folder MEDIA")
    if chosen.what == "edges":
        rows = edges(chosen)
    elif chosen.what == "codec":
        rows = codec(chosen)
    else:
        rows = speed(chosen)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1))


def edges(chosen: argparse.Namespace) -> list[dict[str, object]]:
    """ODS and OIS of each detector."""
    tests = spread(list(find_drawn(chosen.media, [TESTED])), chosen.limit)
    truths = [EdgeTruth.of_mean(one.edges) for one in tests]
    detectors: dict[str, Callable[[Drawn], EdgeMap]] = {"canny": canny, "sobel": sobel}
    if "pidinet" in chosen.detectors:
        net = network(chosen)

        def pidinet(one: Drawn) -> EdgeMap:
            with torch.inference_mode():
                return thinned_maxima(edge_map(net, one.picture))

        detectors["pidinet"] = pidinet
    rows = []
    for name in chosen.detectors.split(","):
        score = ods_of([detectors[name](one) for one in tests], truths, THRESHOLDS)
        rows.append({"detector": name} | asdict(score))
        print(
            f"{name:<8} n={score.pictures}  ODS {score.ods:.3f} (threshold {score.threshold:.2f}, precision "
            f"{score.precision:.3f}, recall {score.recall:.3f})  OIS {score.ois:.3f}",
            flush=True,
        )
    return rows


def network(chosen: argparse.Namespace) -> PiDiNet:
    if chosen.upstream:
        return PiDiNet(chosen.variant).load_upstream(chosen.upstream).converted().eval()
    return extractor(chosen)._net


def extractor(chosen: argparse.Namespace) -> SketchExtractor:
    if chosen.weights:
        return read_extractor(chosen.weights.read_bytes())
    return load("compact-pidinet")


def sketch_codec(chosen: argparse.Namespace) -> DeepJsccSketchCodec:
    return load_sketch(chosen.codec_weights.read_bytes()) if chosen.codec_weights else load("compact-deepjscc-sketch")


def canny(one: Drawn) -> EdgeMap:
    """For each pixel the highest threshold at which Canny still finds an edge there."""
    grey = cv2.GaussianBlur(cv2.cvtColor(one.picture, cv2.COLOR_RGB2GRAY), (0, 0), 2.0)
    found = np.zeros(grey.shape, np.float32)
    for level in CANNY_LEVELS:
        upper = level * CANNY_HIGHEST
        found[cv2.Canny(grey, SHARE_OF_UPPER * upper, upper, L2gradient=True) > 0] = np.sqrt(level)
    return found


def sobel(one: Drawn) -> EdgeMap:
    """Length of the gradient of the blurred brightness, thinned."""
    grey = cv2.GaussianBlur(cv2.cvtColor(one.picture, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 2.0)
    length = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return thinned_maxima(np.clip(np.sqrt(length / CANNY_HIGHEST), 0, 1).astype(np.float32))


def codec(chosen: argparse.Namespace) -> list[dict[str, object]]:
    """Quality of received sketches over SNR."""
    draw, road = extractor(chosen), sketch_codec(chosen)
    pictures = held_back(chosen.media, chosen.limit)
    sketches = [draw.extract(picture) for picture in pictures]
    shown: dict[float, list[Pixels]] = {}
    rows: list[dict[str, object]] = []
    for snr_db in (float(level) for level in chosen.snr_db.split(",")):
        shown[snr_db] = [over_the_air(road, sketch, snr_db, index) for index, sketch in enumerate(sketches)]
        found = [compare(a[..., None], b[..., None]) for a, b in zip(sketches, shown[snr_db], strict=True)]
        row = {name: round(float(np.mean([one[name] for one in found])), 4) for name in found[0]}
        rows.append({"snr_db": snr_db, "n": len(sketches), "symbols": road.symbol_count} | row)
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    if chosen.sheet:
        step = max(1, len(pictures) // SHEET_ROWS)
        lines = [
            np.hstack([pictures[i], *(np.repeat(s[i][..., None], 3, 2) for s in (sketches, *shown.values()))])
            for i in range(0, len(pictures), step)[:SHEET_ROWS]
        ]
        cv2.imwrite(str(chosen.sheet), cv2.cvtColor(np.vstack(lines), cv2.COLOR_RGB2BGR))
    return rows


def held_back(media: Path, limit: int) -> list[Pixels]:
    """BSDS test photographs and middle frames of clips not trained on, in turn, 256 x 256."""
    clips = [square(spread_frames(path, 1)[0], SIDE) for path in find_sources(media).held_out_clips[: limit // 2]]
    tests = sorted((media / "stills/bsds_test").glob("*.jpg"))[: limit - len(clips)]
    stills = [square(read_still(path), SIDE) for path in tests]
    return [p for pair in zip(clips, stills, strict=False) for p in pair] + stills[len(clips) :]


def over_the_air(road: DeepJsccSketchCodec, sketch: NDArray[np.uint8], snr_db: float, index: int) -> NDArray[np.uint8]:
    channel = AwgnChannel(snr_db, child_generator(0, "sketch benchmark", index, snr_db))
    received = road.decode(channel(road.encode(sketch, snr_db)))
    assert received is not None
    return received


def speed(chosen: argparse.Namespace) -> list[dict[str, object]]:
    """Processor time of one thread for a sketch of 256 x 256, the best of five."""
    picture = cv2.resize(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8), (256, 256))
    draw, road = extractor(chosen), sketch_codec(chosen)
    sketch = draw.extract(picture)
    received = AwgnChannel(5.0, child_generator(0, "speed"))(road.encode(sketch, 5.0))
    rows: list[dict[str, object]] = []
    for name, act in (
        ("draw", lambda: draw.extract(picture)),
        ("encode", lambda: road.encode(sketch, 5.0)),
        ("decode", lambda: road.decode(received)),
    ):
        seconds = []
        for _ in range(5):
            start = time.process_time()
            act()
            seconds.append(time.process_time() - start)
        rows.append({"speed": name, "cpu_s": round(min(seconds), 4)})
        print(f"{name}: {1e3 * min(seconds):.0f} ms of one thread")
    return rows


if __name__ == "__main__":
    main()
