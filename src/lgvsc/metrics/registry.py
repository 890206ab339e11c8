"""Every metric of a rebuilt video: its name, which way is better, which version, whose weights, how it streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, TypeAlias

from lgvsc.errors import ConfigError
from lgvsc.models.catalog import find

Direction: TypeAlias = Literal["higher", "lower", "as source"]
Stream: TypeAlias = Literal["frame", "neighbours", "file"]

LOOK_EVERY = 6  # of the frames, where a network looks and nobody says how often


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What must be known of a metric to read its number.

    Attributes:
        name: As ``--metrics`` takes it.
        key: As reports call it.
        label: As tables and plots call it.
        direction: ``higher`` or ``lower`` is better, or best ``as source``: the source's own value stands beside it.
        version: Of the definition.
        stream: What it sees at once: a ``frame`` and its source, ``neighbours`` in time, or whole files.
        digits: Behind the point, in tables.
        model: The catalogue's name of its weights; empty: it has none.
        other_models: Further weights that it needs.
    """

    name: str
    key: str
    label: str
    direction: Direction
    version: str
    stream: Stream
    digits: int = 3
    model: str = ""
    other_models: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """Its key, but in tables in which ``clip`` is the name of the video."""
        return "clip_score" if self.key == "clip" else self.key

    @property
    def sha256(self) -> str | None:
        """Digest of its weights; with several, the digests joined by ``+``. ``None`` without weights."""
        found = [find(name).sha256 for name in (self.model, *self.other_models) if name]
        return "+".join(digest for digest in found if digest) or None


_ALL = (
    Metric(name="psnr", key="psnr_db", label="PSNR dB", direction="higher", version="per frame, 8-bit RGB",
           stream="frame", digits=2),
    Metric(name="ssim", key="ssim", label="SSIM", direction="higher", version="Wang 2004, 11x11, RGB", stream="frame"),
    Metric(name="ms_ssim", key="ms_ssim", label="MS-SSIM", direction="higher", version="Wang 2003, RGB",
           stream="frame"),
    Metric(name="vmaf", key="vmaf", label="VMAF", direction="higher", version="vmaf_v0.6.1", stream="file", digits=1),
    Metric(name="vmaf_neg", key="vmaf_neg", label="VMAF-NEG", direction="higher", version="vmaf_v0.6.1neg",
           stream="file", digits=1),
    Metric(name="lpips", key="lpips", label="LPIPS", direction="lower", version="0.1, AlexNet", stream="frame",
           model="lpips-alexnet"),
    Metric(name="lpips_vgg", key="lpips_vgg", label="LPIPS-VGG", direction="lower", version="0.1, VGG16",
           stream="frame", model="lpips-vgg16"),
    Metric(name="dists", key="dists", label="DISTS", direction="lower", version="0.1, not resized", stream="frame",
           model="dists", other_models=("lpips-vgg16",)),
    Metric(name="flicker", key="flicker", label="flicker", direction="as source",
           version="mean absolute second difference of luma over time, 8-bit levels", stream="neighbours"),
    Metric(name="e_warp", key="e_warp", label="E_warp", direction="as source",
           version="Lai 2018, DIS flow of the source, times 1000", stream="neighbours"),
    Metric(name="sharpness", key="sharpness", label="sharpness", direction="as source",
           version="mean gradient of luma, 8-bit levels per pixel", stream="frame", digits=2),
    Metric(name="objects_kept", key="objects_kept", label="objects", direction="higher",
           version="average precision, IoU 0.5, all frames and kinds pooled; the source's detections are the truth",
           stream="frame", model="compact-detector"),
    Metric(name="clip", key="clip", label="CLIP", direction="higher",
           version="cosine of the image embeddings of frame and source, ViT-B/32", stream="frame",
           model="clip-vit-b-32"),
    Metric(name="bert", key="bert", label="BERT", direction="higher",
           version="BERT score, RoBERTa-large, layer 17, of the compact captioner's words for frame and source",
           stream="frame", model="roberta-large"),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
BY_KEY: dict[str, Metric] = {metric.key: metric for metric in _ALL}
BY_COLUMN: dict[str, Metric] = {metric.column: metric for metric in _ALL}
DEFAULT = ("psnr", "ssim", "ms_ssim", "vmaf", "lpips")  # of a run; VMAF where the extra ``bench`` is installed


def parse_metrics(text: str | Sequence[str]) -> tuple[str, ...]:
    """Names of metrics, from a list or from words with commas between them, each once.

    Raises:
        ConfigError: One is not known, or there is none.
    """
    words = text.split(",") if isinstance(text, str) else text
    names = tuple(dict.fromkeys(word.strip() for word in words if word.strip()))
    for name in names:
        if name not in METRICS:
            near = get_close_matches(name, METRICS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"no metric is called {name!r}{hint}; there are {', '.join(METRICS)}")
    if not names:
        raise ConfigError(f"name at least one metric; there are {', '.join(METRICS)}")
    return names
