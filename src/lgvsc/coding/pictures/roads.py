"""Which road a keyframe takes: the transmitter tries each and sends what looks best at the far end."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.pictures.digital_picture import DigitalPictureCodec
from lgvsc.core.air import Reception
from lgvsc.core.interfaces import CodedPicture, PictureCodec, PictureHeader
from lgvsc.core.tensors import as_batch
from lgvsc.core.video import Pixels
from lgvsc.errors import ConfigError
from lgvsc.metrics.lpips import lpips_distance
from lgvsc.metrics.ssim import MIN_MS_SSIM_SIDE, MIN_SSIM_SIDE, ms_ssim_and_ssim, ssim
from lgvsc.nets.picture_features import MIN_ALEXNET_SIDE

TRIAL_SEED = 0  # of the noise in which an analogue picture is tried


def structurally_alike(picture: Pixels, seen: Pixels) -> float:
    """How alike two pictures are in structure, at most 1: MS-SSIM; SSIM or minus the mean error of small ones."""
    side = min(picture.shape[:2])
    if side >= MIN_MS_SSIM_SIDE:
        return ms_ssim_and_ssim(picture, seen)[0]
    if side >= MIN_SSIM_SIDE:
        return ssim(picture, seen)
    return -float(np.abs(picture.astype(np.float32) - seen).mean()) / 255


@torch.inference_mode()
def visibly_alike(picture: Pixels, seen: Pixels) -> float:
    """How alike two pictures look, at most 0: minus LPIPS; by structure where they are too small for it."""
    if min(picture.shape[:2]) < MIN_ALEXNET_SIDE:
        return structurally_alike(picture, seen)
    return -float(lpips_distance(as_batch(picture), as_batch(seen)))


class PictureRoads:
    """Several picture codecs as one.

    With one codec there is nothing to choose. With several, each codes the picture within the same symbols, and the
    transmitter looks at what the receiver will: the decoded picture of the digital road, and the analogue one behind
    noise of the SNR that it believes in. The one that is most alike is sent.

    Args:
        codecs: At least one, each with a number of its own.
        others: Finds a codec that is not sent with but may be read, by its number; ``None`` where there is none. Called
            when a burst announces such a picture.
        shown: What a receiver decodes with instead, by number: another look of the same symbols. It is told the look
            that came with the picture, ``None`` where none did.
        alike: How alike the picture and what will be seen of it are; higher is better.
    """

    def __init__(
        self,
        codecs: Sequence[PictureCodec],
        others: Callable[[int], PictureCodec | None] = lambda number: None,
        shown: Callable[[float | None], Mapping[int, PictureCodec]] = lambda look: {},
        alike: Callable[[Pixels, Pixels], float] = structurally_alike,
    ) -> None:
        self._codecs = {codec.codec: codec for codec in codecs}
        self._others = others
        self._shown = shown
        self._alike = alike
        if not codecs or len(self._codecs) < len(codecs):
            raise ConfigError("a keyframe needs at least one road, and no two with the same number")

    @property
    def analogue(self) -> bool:
        """Whether some road has a worse picture come through a worse channel, where a digital one has none."""
        return any(number != DigitalPictureCodec.codec for number in self._codecs)

    def encode(self, picture: Pixels, *, max_symbols: int, snr_db: float, lasting: bool = False) -> CodedPicture:
        """The best of all roads. One that cannot carry the picture is passed over.

        Args:
            picture: uint8 RGB.
            max_symbols: That it may take.
            snr_db: For which it is coded.
            lasting: By analogue roads alone, where one can: the channel may be much worse.

        Raises:
            ConfigError: No road can.
        """
        tried: list[CodedPicture] = []
        refused: ConfigError | None = None
        for number, codec in self._codecs.items():
            if lasting and number == DigitalPictureCodec.codec:
                continue
            try:
                tried.append(codec.encode(picture, max_symbols=max_symbols, snr_db=snr_db))
            except ConfigError as error:
                refused = error
        if lasting and not tried:
            return self.encode(picture, max_symbols=max_symbols, snr_db=snr_db)
        if refused and not tried:
            raise refused
        if len(tried) == 1:
            return tried[0]
        return max(tried, key=lambda coded: self._likeness(coded, picture, snr_db))

    def symbol_count(self, header: PictureHeader, height: int, width: int) -> int:
        """Symbols of a picture announced by a header; 0 where none was sent, or by a road unknown here."""
        road = self._codec(header.codec) if header.length else None
        return road.symbol_count(header.length, header.mode, height, width) if road else 0

    def decode(
        self, received: Reception, header: PictureHeader, height: int, width: int, look: float | None = None
    ) -> Pixels | None:
        """The picture, or ``None`` where there is none to be had.

        Args:
            received: Its symbols.
            header: What was announced of it.
            height, width: In pixels.
            look: As the transmitter advises, from 0 (faithful) to 1 (vivid).
        """
        road = self._codec(header.codec) if header.length else None
        road = self._shown(look).get(header.codec, road)
        return road.decode(received, header.length, header.mode, height, width) if road else None

    def _codec(self, number: int) -> PictureCodec | None:
        """What reads pictures of a kind."""
        return self._codecs.get(number) or self._others(number)

    def _likeness(self, coded: CodedPicture, picture: Pixels, snr_db: float) -> float:
        """How alike the picture and what will be seen of it are; minus infinity where nothing will."""
        seen = coded.expected
        if seen is None and coded.length:
            behind_noise = AwgnChannel(snr_db, seeded(TRIAL_SEED))(coded.symbols)
            seen = self._codecs[coded.codec].decode(behind_noise, coded.length, coded.mode, *picture.shape[:2])
        return -math.inf if seen is None else self._alike(picture, seen)
