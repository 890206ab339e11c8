"""What captions and keyframes cost before the channel code: bits per character, and quality at a number of bytes.

    python benchmarks/coding.py [--media MEDIA] [--pictures N]

MEDIA is a folder with ``captions.json``, ``train`` (clips) and ``stills/bsds_test``. Captions are those of clips that
the shipped text model has never seen; without MEDIA they are made up, and so is the picture. "8 bits per token" is
how GVSC accounts for text; its tokenizer is not known, so words and punctuation marks are counted as tokens. zstd
codes each caption by itself at level 19, without checksum or content size. "AVIF payload" is the best AVIF at four
sizes (1, 3/4, 1/2, 3/8), libaom at speed 6, with all 275 bytes of container and the sequence header left out.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from safetensors import safe_open

from lgvsc.coding.pictures.digital_picture import decode_picture, encode_picture
from lgvsc.coding.words.text import decode_text, encode_text
from lgvsc.coding.words.text_model import SHIPPED
from lgvsc.core.video import Pixels
from lgvsc.training.language.caption_corpus import clip_captions, english_captions, grammar_captions

BUDGETS = (  # bytes of a 256x256 keyframe: CBR, channel SNR and information bits per symbol as in the header
    (8, "smallest"),
    (40, "thumbnail"),
    (163, "0.01 at 0 dB"),
    (368, "0.01 at 5 dB"),
    (655, "0.01 at 10 dB"),
    (1310, "0.02 at 10 dB"),
    (2621, "0.04 at 10 dB"),
)
AVIF_OVERHEAD = 275 + 15  # container; temporal delimiter, sequence header and head of the frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--media", type=Path)
    parser.add_argument("--pictures", type=int, default=24)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print(f"{'captions':<22} {'n':>4} {'characters':>10} {'model':>7} {'zstd':>7} {'8/token':>8}   encode    decode")
    for name, lines in captions(given.media).items():
        text_row(name, lines)
    print()
    print(f"{'bytes':>5}  {'CBR':<14} {'PSNR dB':>8} {'AVIF payload':>13}   search    decode   (CPU time, means)")
    pictures = photographs(given.media, given.pictures)
    for max_bytes, meaning in BUDGETS:
        picture_row(pictures, max_bytes, meaning)


def captions(media: Path | None) -> dict[str, list[str]]:
    """Captions that the shipped model has not seen."""
    if media is None:
        return {
            "measured (made up)": grammar_captions(100, seed=99),
            "written (made up)": english_captions(100, seed=99),
        }
    with (
        resources.as_file(resources.files("lgvsc.models.assets").joinpath(f"{SHIPPED}.safetensors")) as path,
        safe_open(path, "np") as file,
    ):
        held_out = json.loads(file.metadata()["held_out"])
    written = json.loads((media / "captions.json").read_text(encoding="utf-8"))
    measured = clip_captions(media / "train", names=held_out)
    return {
        "compact captioner": [line for name in held_out for line in measured[name]],
        "written sentences": [written[name] for name in held_out],
    }


def text_row(name: str, lines: Sequence[str]) -> None:
    """Bits per character of one kind of captions."""
    encode_text("")  # loads the model
    started = time.process_time()
    coded = [encode_text(line) for line in lines]
    encoded = time.process_time()
    assert [decode_text(bits) for bits in coded] == list(lines)
    decoded = time.process_time()
    characters = sum(map(len, lines))
    tokens = sum(len(re.findall(r"\w+|[^\w\s]", line)) for line in lines)
    print(
        f"{name:<22} {len(lines):>4} {characters / len(lines):>10.0f} {sum(map(len, coded)) / characters:>7.2f} "
        f"{zstd_bits(lines) / characters:>7.2f} {8 * tokens / characters:>8.2f} "
        f"{1e3 * (encoded - started) / len(lines):>6.1f} ms {1e3 * (decoded - encoded) / len(lines):>6.1f} ms"
    )


def zstd_bits(lines: Sequence[str]) -> float:
    """Bits of all lines under zstd; not a number where it is not installed."""
    try:
        import zstandard
    except ImportError:
        return float("nan")
    packer = zstandard.ZstdCompressor(level=19, write_checksum=False, write_content_size=False)
    return 8 * sum(len(packer.compress(line.encode())) for line in lines)


def photographs(media: Path | None, count: int) -> list[Pixels]:
    """Centre crops of 256x256, short side scaled to 256."""
    if media is None:
        noise = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        return [np.asarray(Image.fromarray(noise).resize((256, 256), Image.Resampling.BICUBIC))]
    pictures = []
    for path in sorted((media / "stills" / "bsds_test").iterdir())[:count]:
        picture = Image.open(path).convert("RGB")
        scale = 256 / min(picture.size)
        width, height = (max(256, round(side * scale)) for side in picture.size)
        left, top = (width - 256) // 2, (height - 256) // 2
        resized = picture.resize((width, height), Image.Resampling.LANCZOS)
        pictures.append(np.asarray(resized.crop((left, top, left + 256, top + 256))))
    return pictures


def picture_row(pictures: Sequence[Pixels], max_bytes: int, meaning: str) -> None:
    """Quality of the picture road and of bare AVIF at one budget."""
    encode_picture(pictures[0], 100)  # checks the encoder
    started = time.process_time()
    coded = [encode_picture(picture, max_bytes) for picture in pictures]
    encoded = time.process_time()
    shown = [decode_picture(data, *picture.shape[:2]) for data, picture in zip(coded, pictures, strict=True)]
    decoded = time.process_time()
    ours = [psnr_db(picture, got) for picture, got in zip(pictures, shown, strict=True) if got is not None]
    avif = [score for picture in pictures if (score := best_avif_db(picture, max_bytes)) is not None]
    beside = f"{np.mean(avif):.2f} ({len(avif)})" if avif else "none fits"
    print(
        f"{max_bytes:>5}  {meaning:<14} {np.mean(ours):>8.2f} {beside:>13} "
        f"{1e3 * (encoded - started) / len(pictures):>6.0f} ms {1e3 * (decoded - encoded) / len(pictures):>6.1f} ms"
    )


def best_avif_db(picture: Pixels, max_bytes: int) -> float | None:
    """PSNR of the best AVIF whose bytes, those that every such file shares left out, fit; ``None`` where none does."""
    scores = []
    for scale in (1.0, 0.75, 0.5, 0.375):
        side = round(256 * scale)
        small = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
        low, high = -1, 100
        while low < high:  # the highest quality that fits
            middle = (low + high + 1) // 2
            low, high = (middle, high) if len(avif(small, middle)) - AVIF_OVERHEAD <= max_bytes else (low, middle - 1)
        if low >= 0:
            shown = Image.open(io.BytesIO(avif(small, low))).convert("RGB").resize((256, 256), Image.Resampling.BICUBIC)
            scores.append(psnr_db(picture, np.asarray(shown)))
    return max(scores, default=None)


def avif(picture: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, "AVIF", quality=quality, speed=6, subsampling="4:2:0", max_threads=1)
    return file.getvalue()


def psnr_db(a: Pixels, b: Pixels) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


if __name__ == "__main__":
    main()
