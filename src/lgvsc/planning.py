"""From a budget to settings: keyframe threshold, keyframe quality and caption length that fit it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from lgvsc import build
from lgvsc.coding.budget import MIN_KEYFRAME_CBR, Budget
from lgvsc.coding.burst.control import MessageControl
from lgvsc.coding.message_codec import bits_per_symbol
from lgvsc.coding.modem.digital import symbol_count
from lgvsc.coding.modem.link_adaptation import choose_mcs
from lgvsc.coding.words.side import COLOURS, MOTION, side_bits
from lgvsc.core.video import Frame, VideoFormat, VideoReader
from lgvsc.semantics.calibration import ClipCurve, Prices, calibrate_threshold, clip_curve
from lgvsc.settings import Config

TRIAL_S = 60.0  # of the video, looked at beforehand
GOOD_KEYFRAME_CBR = 0.012  # what a keyframe should be able to cost; fewer and better ones beat many bad ones
CAPTION_SHARE = 0.15  # of a segment's budget
MIN_CAPTION_BYTES = 24
NOT_OF_THE_CURVE = {
    "scheme",
    "seed",
    "message",
    "coding",
    "channel",
    "world",
    "link",
    "conventional",
    "dvst",
    "auto",
    "ladder",
    "chosen_by",
}
BITS_PER_CAPTION_BYTE = 2.0  # what the entropy coder takes for plain words, on the safe side


def fit_message(source: VideoReader, config: Config) -> tuple[Config, list[str]]:
    """Settings for one video under ``coding.budget``, and what was chosen, in words.

    The threshold is only ever raised: a video in which little happens may stay under its budget. Keyframe quality
    itself follows the budget while the video is sent, see :class:`~lgvsc.coding.budget.KeyframeAllowance`.
    """
    if not config.coding.budget:
        return config, []
    video = source.format
    budget = Budget.parse(config.coding.budget)
    per_frame = budget.symbols_per_frame(video, bits_per_symbol(config.believed_snr_db))
    allowed_per_s = per_frame * float(video.fps)
    choices = [f"budget {config.coding.budget} is {allowed_per_s:.0f} symbols/s"]

    usual_s = 2.0  # a segment's usual length; the caption must leave room for a picture in it
    room = CAPTION_SHARE * allowed_per_s * usual_s
    caption_bytes = config.message.caption_max_bytes
    while caption_bytes > MIN_CAPTION_BYTES and _caption_symbols(caption_bytes, config) > room:
        caption_bytes -= 8
    caption_bytes = max(caption_bytes, min(MIN_CAPTION_BYTES, config.message.caption_max_bytes))
    choices.append(f"captions of at most {caption_bytes} bytes")

    threshold = config.keyframes.threshold
    if config.keyframes.method == "skem":
        pictures = GOOD_KEYFRAME_CBR if config.message.send_keyframes else 0.0
        prices = Prices(keyframe_cbr=pictures, segment_symbols=_segment_symbols(caption_bytes, config))
        curve = curve_of(source, config)
        found = calibrate_threshold([curve], symbols_per_s=allowed_per_s, prices=prices)
        threshold = max(threshold, found.threshold)
        choices.append(f"threshold {threshold:.2f}, about {found.chosen.keyframes:.0f} keyframes in the part looked at")
        if not found.within:
            choices.append(
                f"even one segment costs more than the budget at a keyframe CBR of {GOOD_KEYFRAME_CBR}; "
                f"pictures go down to {MIN_KEYFRAME_CBR}"
            )
    return (
        config.model_copy(
            update={
                "keyframes": replace(config.keyframes, threshold=threshold),
                "message": replace(config.message, caption_max_bytes=caption_bytes),
            }
        ),
        choices,
    )


def curve_of(source: VideoReader, config: Config) -> ClipCurve:
    """How many segments each threshold makes of a video's beginning.

    It hangs on no channel and no budget, so the last one is kept: who compares budgets over one clip has it once.
    """
    about = source.path.stat()
    settings = repr(config.model_dump(exclude=NOT_OF_THE_CURVE))
    key = source.path.resolve(), about.st_size, about.st_mtime_ns, settings
    if key not in _last_curve:
        score = build.divergence_of(build.psss(config), config)
        curve = clip_curve(beginning(source, source.format), source.format, config.keyframes, score)
        _last_curve.clear()
        _last_curve[key] = curve
    return _last_curve[key]


_last_curve: dict[tuple[Path, int, int, str], ClipCurve] = {}


def pay_for_pilots(config: Config, sections: Iterable[str], own: str) -> tuple[Config, list[str]]:
    """The same settings with budgets for what is sent between pilots, so that both together stay within them.

    Args:
        sections: Those of the configuration that have a budget of their own, beside ``coding``.
        own: The one of the scheme at hand; empty where it has none.
    """
    pilots = config.channel.pilots()
    if pilots is None:
        return config, []
    budgets = {section: getattr(config, section) for section in ("coding", *sections)}
    changed = {
        section: replace(settings, budget=Budget.parse(settings.budget).times(pilots.data_share))
        for section, settings in budgets.items()
        if settings.budget
    }
    within = ", within the budget" if config.coding.budget or own else ""
    return config.model_copy(update=changed), [f"one symbol in {pilots.spacing} is a pilot{within}"]


def allowed_cbr(video: VideoFormat, config: Config) -> float | None:
    """The budget as CBR; ``None`` without one."""
    if not config.coding.budget:
        return None
    per_frame = Budget.parse(config.coding.budget).symbols_per_frame(video, bits_per_symbol(config.believed_snr_db))
    return per_frame / (3 * video.height * video.width)


def beginning(source: VideoReader, video: VideoFormat) -> Iterator[Frame]:
    """The first minute."""
    return takewhile(lambda frame: frame.index < TRIAL_S * float(video.fps), source)


def segment_symbols(config: Config) -> float:
    """What a segment sends besides its picture, in symbols, with a caption of full length."""
    return _segment_symbols(config.message.caption_max_bytes, config)


def _segment_symbols(caption_bytes: int, config: Config) -> float:
    symbols = MessageControl.head_symbols(config.believed_snr_db)
    if config.message.send_captions:
        symbols += _caption_symbols(caption_bytes, config)
    side = side_bits(MOTION * config.message.send_motion + COLOURS * config.message.send_colours)
    if side:
        symbols += symbol_count(side, choose_mcs(side, config.believed_snr_db, "side", config.coding.text_mcs))
    return symbols


def _caption_symbols(caption_bytes: int, config: Config) -> int:
    bits = max(1, round(BITS_PER_CAPTION_BYTE * caption_bytes))
    return symbol_count(bits, choose_mcs(bits, config.believed_snr_db, "captions", config.coding.text_mcs))
