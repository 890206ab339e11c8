"""One picture over the air, by any of the picture codecs: what a keyframe looks like at the far end, and its price."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.coding.pictures.ntscc import NtsccPictureCodec, shipped_at
from lgvsc.core.interfaces import PictureCodec
from lgvsc.core.stills import read_picture
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError
from lgvsc.metrics.measuring import PIXEL_METRICS, VideoMeter
from lgvsc.metrics.quality import psnr_db
from lgvsc.metrics.registry import METRICS, parse_metrics
from lgvsc.metrics.ssim import MIN_MS_SSIM_SIDE, MIN_SSIM_SIDE, ms_ssim_and_ssim, ssim
from lgvsc.models.catalog import catalog, load
from lgvsc.semantics.frame_words import describe_pixels

VIVID_REFINE_STEPS = 6
MOST_REFINED_PIXELS = 400_000  # 768x512 and no more: there it takes 1.6 GB


@dataclass(frozen=True, slots=True, eq=False)
class SentPicture:
    """A picture behind the channel.

    Attributes:
        name: Of the picture.
        codec: Which sent it.
        height, width: In pixels.
        snr_db: Es/N0 of the channel.
        believed_snr_db: Es/N0 that the transmitter reckoned with.
        cbr_asked, cbr: Symbols over ``3 x H x W``: the limit, and what was sent, headers and parity included.
        symbols: Complex channel symbols sent.
        psnr_db, ssim, ms_ssim: Against the picture; ``None`` where it was lost, is too small for the metric, or is
            equal to the last bit (PSNR).
        refine_steps: How often the transmitter improved it; 0 for codecs that cannot.
        looks: Further metrics by key; ``None`` where the picture was lost, or weights are not here.
        received: What came out, uint8 ``(H, W, 3)``; ``None`` where it was lost.
    """

    name: str
    codec: str
    height: int
    width: int
    snr_db: float
    believed_snr_db: float
    cbr_asked: float
    cbr: float
    symbols: int
    psnr_db: float | None
    ssim: float | None
    ms_ssim: float | None
    received: Pixels | None
    refine_steps: int = 0
    looks: dict[str, float | None] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The figures; not the pixels."""
        figures = asdict(self)
        figures["lost"] = figures.pop("received") is None
        figures |= figures.pop("looks")
        return figures


def picture_codecs() -> dict[str, str]:
    """Names of the codecs that :func:`load_codec` knows, and the model of the catalogue behind each."""
    models = [name for name, card in catalog().items() if card.role == "picture_codec"]
    return {name.removeprefix("compact-").removesuffix("-picture"): name for name in models}


def load_codec(name: str, refine_steps: int = 0, look: float = 0.0) -> PictureCodec:
    """A picture codec by its short name (``ntscc``, ``digital``) or its name in the catalogue.

    Args:
        refine_steps: Of the compact NTSCC's transmitter for each picture; others take none.
        look: Of the compact NTSCC at both ends, from 0, which errs least, to 1, which looks best; others have none.

    Raises:
        ConfigError: There is none of this name, ``refine_steps`` is negative, or ``look`` is outside its range.
    """
    if not 0 <= look <= 1:
        raise ConfigError(f"the look is {look:g}; it lies between 0 (faithful) and 1 (vivid)")
    known = picture_codecs()
    if name not in known and name not in known.values():
        raise ConfigError(f"no picture codec is called {name!r}; there are {', '.join(known)}")
    codec: PictureCodec = load(known.get(name, name))
    if look and isinstance(codec, NtsccPictureCodec):
        codec = shipped_at(look)
    return codec.refined(refine_steps) if isinstance(codec, NtsccPictureCodec) else codec


def send_picture(
    picture: Pixels,
    codec: PictureCodec,
    *,
    cbr: float,
    snr_db: float,
    believed_snr_db: float | None = None,
    seed: int = 0,
    name: str = "",
    metrics: Sequence[str] = (),
) -> SentPicture:
    """Send a picture over AWGN and measure what arrives.

    Args:
        picture: uint8 RGB ``(H, W, 3)``.
        cbr: Limit on the symbols, over ``3 x H x W``.
        snr_db: Es/N0 of the channel.
        believed_snr_db: What the transmitter takes it to be; the truth unless given.
        seed: Of the noise, which depends on it, the picture's name and the SNR alone.
        metrics: What to measure besides PSNR, SSIM and MS-SSIM.

    Raises:
        ConfigError: The codec cannot carry the picture in so few symbols.
    """
    if not 0 < cbr <= 1:
        raise ConfigError(f"the CBR is {cbr:g}, but it lies in (0, 1]; 0.02 is usual")
    for value in (snr_db, snr_db if believed_snr_db is None else believed_snr_db):
        if not -40 <= value <= 100:
            raise ConfigError(f"the SNR is {value:g}; a channel has -40 to 100 dB")
    height, width = picture.shape[:2]
    believed = snr_db if believed_snr_db is None else believed_snr_db
    coded = codec.encode(picture, max_symbols=int(cbr * picture.size), snr_db=believed)
    heard = AwgnChannel(snr_db, child_generator(seed, "picture", name, snr_db))(coded.symbols)
    received = codec.decode(heard, coded.length, coded.mode, height, width) if coded.length else None
    likeness = structural_similarity(picture, received)
    return SentPicture(
        name=name,
        codec=codec.name,
        height=height,
        width=width,
        snr_db=snr_db,
        believed_snr_db=believed,
        cbr_asked=cbr,
        cbr=coded.symbols.numel() / picture.size,
        symbols=coded.symbols.numel(),
        psnr_db=None if received is None else psnr_db(picture, received),
        ssim=likeness[0],
        ms_ssim=likeness[1],
        received=received,
        refine_steps=codec.refine_steps if isinstance(codec, NtsccPictureCodec) else 0,
        looks=further(metrics, picture, received),
    )


def further(metrics: Sequence[str], picture: Pixels, received: Pixels | None) -> dict[str, float | None]:
    """Metrics by key of one picture; those that compare whole videos are refused.

    Raises:
        ConfigError: One is unknown, or needs more than one frame.
    """
    names = [name for name in (parse_metrics(metrics) if metrics else ()) if name not in PIXEL_METRICS]
    for name in names:
        if METRICS[name].stream != "frame":
            raise ConfigError(f"{name} is a metric of videos, and this is a picture")
    if received is None or not names:
        return {METRICS[name].key: None for name in names}
    meter = VideoMeter(names, look_every=1, describe=describe_pixels)
    meter.add(picture, received)
    return meter.result().values


def structural_similarity(picture: Pixels, received: Pixels | None) -> tuple[float | None, float | None]:
    """SSIM and MS-SSIM, each ``None`` where it cannot be had."""
    side = min(picture.shape[:2])
    if received is None or side < MIN_SSIM_SIDE:
        return None, None
    if side < MIN_MS_SSIM_SIDE:
        return ssim(picture, received), None
    multi_scale, single_scale = ms_ssim_and_ssim(picture, received)
    return single_scale, multi_scale


def send_pictures(
    files: Sequence[Path],
    codec: str,
    *,
    cbrs: Sequence[float],
    snrs_db: Sequence[float],
    believed_snr_db: float | None = None,
    seed: int = 0,
    refine_steps: int | None = None,
    look: float = 0.0,
    metrics: Sequence[str] = (),
    on_note: Callable[[str], None] = lambda _: None,
) -> Iterator[SentPicture]:
    """Every picture at every SNR and CBR, in this order.

    Args:
        refine_steps: As in :func:`load_codec`; unless given, :data:`VIVID_REFINE_STEPS` at any look but the faithful
            one for pictures of up to :data:`MOST_REFINED_PIXELS`; else none.
        on_note: Called with a sentence for everything that was changed on reading a picture.

    Raises:
        InputError: A file is no picture.
        ConfigError: Unknown codec, or too few symbols for it.
    """
    road = load_codec(codec, refine_steps or 0, look)
    for file in files:
        picture = read_picture(file, on_note)
        if refine_steps is None and look and isinstance(road, NtsccPictureCodec):
            small = picture.shape[0] * picture.shape[1] <= MOST_REFINED_PIXELS
            road = road.refined(VIVID_REFINE_STEPS if small else 0)
            if not small:
                on_note(
                    f"{file.name} has more than {MOST_REFINED_PIXELS:,} pixels and is sent as the network "
                    f"says; --refine-steps {VIVID_REFINE_STEPS} refines it nevertheless, and takes long"
                )
        for snr_db in snrs_db:
            for cbr in cbrs:
                yield send_picture(
                    picture,
                    road,
                    cbr=cbr,
                    snr_db=snr_db,
                    believed_snr_db=believed_snr_db,
                    seed=seed,
                    name=file.name,
                    metrics=metrics,
                )
