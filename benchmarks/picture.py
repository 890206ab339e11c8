"""Keyframe codecs side by side: quality at equal bandwidth on pictures that were never trained on, and speed.

    python benchmarks/picture.py MEDIA [--codecs ntscc,ntscc@1,digital,avif] [--snr-db 0,5,10]
        [--believed-snr-db 10] [--json OUT.json] [--weights FILE] [--refine-steps 12] [--metrics lpips,dists]
    python benchmarks/picture.py [--threads 2] [--refine-steps 12]       speed alone

MEDIA is a folder with ``stills/bsds_test``, ``stills/kodak`` and ``train`` (clips; those that training holds out
are used). Everything sent counts: header, rate map, CRC, parity. ``ntscc`` and ``digital`` go through the whole chain,
noise and decoding included; a picture that is lost counts as flat grey. ``avif`` is an upper bound: the best AVIF at
four sizes whose bytes, container left out, are what the best modulation and code for that SNR can carry, with no
errors.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import torch
from PIL import Image

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.modem.digital import LADDER, max_payload_bits, mcs_at
from lgvsc.coding.modem.link_adaptation import required_snr_db
from lgvsc.coding.pictures import ntscc as ntscc_road
from lgvsc.coding.pictures.digital_picture import DigitalPictureCodec
from lgvsc.core.interfaces import PictureCodec
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError
from lgvsc.metrics.measuring import VideoMeter
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.registry import METRICS
from lgvsc.metrics.ssim import ms_ssim_and_ssim
from lgvsc.picture_link import VIVID_REFINE_STEPS, send_picture
from lgvsc.training.pictures import find_sources, read_still, spread_frames, square

AVIF_SCALES = (1.0, 0.75, 0.5, 0.375)
AVIF_QUALITIES = (*range(2, 40, 3), *range(40, 76, 5))

Rebuild = Callable[[Pixels, int, float], tuple[Pixels | None, int]]  # (picture, symbols, SNR) to picture, symbols sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("media", type=Path, nargs="?", help="left out: speed alone")
    parser.add_argument("--codecs", default="ntscc,digital,avif")
    parser.add_argument("--sets", default="bsds,kodak,clips")
    parser.add_argument("--limit", type=int, default=1000, help="at most so many pictures of each set")
    parser.add_argument("--metrics", default="", help="of networks, with commas: lpips, lpips_vgg, dists")
    parser.add_argument("--weights", type=Path, help="of the learned code, instead of the shipped ones")
    parser.add_argument("--snr-db", default="0,5,10")
    parser.add_argument("--cbr", default="0.01,0.02,0.04")
    parser.add_argument("--believed-snr-db", type=float, help="what transmitters take the SNR to be; else the truth")
    parser.add_argument("--refine-steps", type=int, help="of the learned code's transmitter; else as `lgvsc picture`")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(chosen.threads)
    snrs_db, cbrs = ([float(word) for word in text.split(",")] for text in (chosen.snr_db, chosen.cbr))
    further = [name for name in chosen.metrics.split(",") if name]
    results = []
    for codec in chosen.codecs.split(",") if chosen.media else ():
        rebuild = rebuilder(codec, chosen.weights, chosen.believed_snr_db, chosen.refine_steps)
        for name in chosen.sets.split(","):
            pictures = pictures_of(name, chosen.media)[: chosen.limit]
            rows = compare(codec, rebuild, name, pictures, list(product(snrs_db, cbrs)), further)
            print("\n".join(map(as_line, rows)), flush=True)
            results += rows
    if not chosen.media:
        results += speed(learned(chosen.weights, chosen.refine_steps or 0), chosen.threads)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1))


def pictures_of(name: str, media: Path) -> list[Pixels]:
    """Held-out pictures: 24 BSDS test photographs and 12 of Kodak's, and the middle frame of clips not trained on."""
    if name == "bsds":
        return [square(read_still(path), 256) for path in sorted((media / "stills/bsds_test").glob("*.jpg"))[:24]]
    if name == "kodak":
        return [read_still(path) for path in sorted((media / "stills/kodak").glob("*.png"))[:12]]
    clips = find_sources(media).held_out_clips
    return [spread_frames(path, 1)[0] for path in clips]


def rebuilder(
    codec: str, weights: Path | None, believed_snr_db: float | None, refine_steps: int | None = None
) -> Rebuild:
    if codec == "avif":
        return Avif().rebuild
    road: PictureCodec = DigitalPictureCodec() if codec == "digital" else learned(weights, refine_steps or 0)
    _, _, look = codec.partition("@")
    if look:
        steps = VIVID_REFINE_STEPS if refine_steps is None and float(look) else refine_steps or 0
        road = ntscc_road.shipped_at(float(look)).refined(steps)

    def over_the_air(picture: Pixels, symbols: int, snr_db: float) -> tuple[Pixels | None, int]:
        try:
            sent = send_picture(
                picture, road, cbr=symbols / picture.size, snr_db=snr_db, believed_snr_db=believed_snr_db
            )
        except ConfigError:
            return None, 0
        return sent.received, sent.symbols

    return over_the_air


def learned(weights: Path | None, refine_steps: int = 0) -> ntscc_road.NtsccPictureCodec:
    """The learned code, shipped or from a file."""
    if weights is not None:
        return ntscc_road.load(weights.read_bytes()).refined(refine_steps)
    from lgvsc.models.catalog import load

    codec: ntscc_road.NtsccPictureCodec = load("compact-ntscc")
    return codec.refined(refine_steps)


class Avif:
    """AVIF without its container, free to shrink the picture, granted a channel without errors."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[tuple[int, float, Pixels]]] = {}

    def rebuild(self, picture: Pixels, symbols: int, snr_db: float) -> tuple[Pixels | None, int]:
        payload_bits = max(
            (
                bits
                for index in range(len(LADDER))
                if (bits := max_payload_bits(symbols, index))
                and required_snr_db(bits, mcs_at(index, bits), "keyframes") <= snr_db
            ),
            default=0,
        )
        fitting = [(error, shown) for size, error, shown in self._versions(picture) if 8 * size <= payload_bits]
        return (min(fitting, key=lambda version: version[0])[1] if fitting else None), symbols

    def _versions(self, picture: Pixels) -> list[tuple[int, float, Pixels]]:
        """Bytes, squared error and picture for each size and quality; made once for a picture."""
        key = picture.tobytes()
        if key not in self._known:
            self._known = {key: [self._version(picture, s, q) for s in AVIF_SCALES for q in AVIF_QUALITIES]}
        return self._known[key]

    @staticmethod
    def _version(picture: Pixels, scale: float, quality: int) -> tuple[int, float, Pixels]:
        height, width = picture.shape[:2]
        size = (round(width * scale), round(height * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        file = io.BytesIO()
        Image.fromarray(small).save(file, "AVIF", quality=quality, speed=6, max_threads=1)
        decoded = np.asarray(Image.open(io.BytesIO(file.getvalue())).convert("RGB"))
        shown = cv2.resize(decoded, (width, height), interpolation=cv2.INTER_CUBIC) if scale < 1 else decoded
        error = float(np.square(picture.astype(np.float32) - shown).mean())
        return coded_bytes(file.getvalue()), error, shown


def coded_bytes(file: bytes) -> int:
    """Bytes of the picture itself in an AVIF file: the content of its media data box."""
    at = 0
    while at + 8 <= len(file):
        size, kind = int.from_bytes(file[at : at + 4], "big"), file[at + 4 : at + 8]
        if kind == b"mdat":
            return (size or len(file) - at) - 8
        at += size or len(file)
    return len(file)


def compare(
    codec: str,
    rebuild: Rebuild,
    name: str,
    pictures: Iterable[Pixels],
    wanted: Sequence[tuple[float, float]],
    further: Sequence[str] = (),
) -> list[dict[str, object]]:
    """Mean PSNR and MS-SSIM over a set at each SNR and CBR; pictures outside, so that a codec may remember one."""
    points = {point: [] for point in wanted}
    for picture in pictures:
        for snr_db, cbr in points:
            shown, symbols = rebuild(picture, int(cbr * picture.size), snr_db)
            lost = shown is None
            shown = np.full_like(picture, 128) if lost else shown
            looks = look_of(picture, shown, further) if further else []
            points[snr_db, cbr].append(
                (
                    psnr_db(picture, shown) or 99.0,
                    ms_ssim_and_ssim(picture, shown)[0],
                    symbols / picture.size,
                    lost,
                    *looks,
                )
            )
    rows = []
    for (snr_db, cbr), measured in points.items():
        psnr, similarity, spent, lost, *looks = (float(np.mean(column)) for column in zip(*measured, strict=True))
        rows.append(
            {
                "codec": codec,
                "set": name,
                "snr_db": snr_db,
                "cbr": cbr,
                "n": len(measured),
                "psnr_db": round(psnr, 2),
                "ms_ssim": round(similarity, 4),
                "cbr_spent": round(spent, 5),
                "lost": round(lost * len(measured)),
            }
            | {METRICS[metric].key: round(value, 4) for metric, value in zip(further, looks, strict=True)}
        )
    return rows


def look_of(picture: Pixels, shown: Pixels, metrics: Sequence[str]) -> list[float]:
    """What networks say of a picture."""
    meter = VideoMeter(metrics, look_every=1)
    meter.add(picture, shown)
    values = meter.result().values
    return [values[METRICS[metric].key] for metric in metrics]


def as_line(row: dict[str, object]) -> str:
    return (
        f"{row['codec']:<8} {row['set']:<6} n={row['n']:<3} {row['snr_db']:>4} dB  CBR {row['cbr']}  "
        f"{row['psnr_db']:6.2f} dB  {row['ms_ssim']:.4f}  spent {row['cbr_spent']:.5f}  lost {row['lost']}"
        + "".join(f"  {metric} {row[metric]:.4f}" for metric in METRICS if metric in row and metric != "ms_ssim")
    )


def speed(codec: ntscc_road.NtsccPictureCodec, threads: int) -> list[dict[str, object]]:
    """Seconds to encode and decode a keyframe, the median of nine, and which share goes where."""
    rows = []
    for height, width in ((256, 256), (256, 456), (480, 854)):
        picture = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
        picture = cv2.resize(picture, (width, height))
        symbols = int(0.02 * picture.size)
        channel = AwgnChannel(10.0, child_generator(0, "speed"))
        coded = codec.encode(picture, max_symbols=symbols, snr_db=10.0)
        received = channel(coded.symbols)
        with network_time(codec) as in_network:
            encode_s = median_s(lambda p=picture, s=symbols: codec.encode(p, max_symbols=s, snr_db=10.0))
            encode_net_s = in_network.median_s()
            decode_s = median_s(lambda c=coded, r=received, h=height, w=width: codec.decode(r, c.length, c.mode, h, w))
            decode_net_s = in_network.median_s()
        channel_s = median_s(lambda c=coded, air=channel: air(c.symbols))
        rows.append(
            {
                "speed": f"{width}x{height}",
                "threads": threads,
                "encode_s": round(encode_s, 4),
                "decode_s": round(decode_s, 4),
                "network_s": round(encode_net_s + decode_net_s, 4),
                "header_s": round(encode_s + decode_s - encode_net_s - decode_net_s, 4),
                "channel_s": round(channel_s, 5),
            }
        )
        whole = encode_s + decode_s + channel_s
        print(
            f"{width}x{height}: encode {1e3 * encode_s:.0f} ms, decode {1e3 * decode_s:.0f} ms of {threads} thread(s); "
            f"network {(encode_net_s + decode_net_s) / whole:.0%}, rate map and header "
            f"{(encode_s + decode_s - encode_net_s - decode_net_s) / whole:.0%}, channel {channel_s / whole:.1%}"
        )
    return rows


class NetworkTime:
    """Wall clock that a network's calls have taken, call of the codec by call of the codec."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._runs: list[float] = []

    def next_run(self) -> None:
        self._runs.append(self.seconds)
        self.seconds = 0.0

    def median_s(self) -> float:
        taken, self._runs = self._runs, []
        return statistics.median(taken)


@contextmanager
def network_time(codec: ntscc_road.NtsccPictureCodec) -> Iterator[NetworkTime]:
    """Watches the network of a codec; every call of the codec's ``encode`` or ``decode`` is a run."""
    spent, net = NetworkTime(), codec._net

    def watched(act: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            start = time.perf_counter()
            result = act(*arguments)
            spent.seconds += time.perf_counter() - start
            return result

        return call

    def counted(act: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            result = act(*arguments, **named)
            spent.next_run()
            return result

        return call

    with ExitStack() as patches:
        for name in ("analyse", "information", "encode", "decode", "synthesise"):
            patches.enter_context(mock.patch.object(net, name, watched(getattr(net, name))))
        for name in ("encode", "decode"):
            patches.enter_context(mock.patch.object(codec, name, counted(getattr(codec, name))))
        yield spent


def median_s(act: Callable[[], object]) -> float:
    """Wall clock of the middle one of nine runs."""
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
