"""From a budget to settings: keyframe threshold, keyframe quality and caption length that fit it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from lgvsc import build
from lgvsc.coding.budget import MIN_KEYFRAME_CBR, Budget
from lgvsc.coding.burst.control import FramesControl, MessageControl
from lgvsc.coding.message_codec import bits_per_symbol
from lgvsc.coding.modem.digital import symbol_count
from lgvsc.coding.modem.link_adaptation import choose_mcs
from lgvsc.coding.words.side import COLOURS, MOTION, side_bits
from lgvsc.config import AUTO, DJSCC, DVST, GVSC_ADAPTIVE, Config, with_chosen_scheme
from lgvsc.core.video import Frame, VideoFormat, VideoReader
from lgvsc.errors import ConfigError
from lgvsc.schemes.auto import choose_scheme
from lgvsc.schemes.djscc_rgb import REALS
from lgvsc.schemes.ladder import choose_rung
from lgvsc.schemes.table_1 import paper_row
from lgvsc.semantics.calibration import ClipCurve, Prices, calibrate_threshold, clip_curve

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


def fit_to_budget(source: VideoReader, config: Config) -> tuple[Config, list[str]]:
    """Settings for one video under ``coding.budget``, and what was chosen, in words.

    The threshold is only ever raised: a video in which little happens may stay under its budget. Keyframe quality
    itself follows the budget while the video is sent, see :class:`~lgvsc.coding.budget.KeyframeAllowance`.
    """
    if config.scheme == AUTO:
        config, reason = choose(source.format, config)
        config, choices = fit_to_budget(source, config)
        return config, [reason, *choices]
    if config.scheme == GVSC_ADAPTIVE:
        config, reason = climb(source.format, config)
        config, choices = fit_to_budget(source, config)
        return config, [reason, *choices]
    config, choices = pay_for_pilots(config)
    if config.is_conventional:
        return config, choices + conventional_choices(config)
    if config.scheme == DVST:
        return config, [*choices, dvst_choice(config)]
    if not config.coding.budget:
        return config, choices
    video = source.format
    if config.scheme == DJSCC:
        return frames_within(video, config, choices)
    budget = Budget.parse(config.coding.budget)
    per_frame = budget.symbols_per_frame(video, bits_per_symbol(config.believed_snr_db))
    allowed_per_s = per_frame * float(video.fps)
    choices += [f"budget {config.coding.budget} is {allowed_per_s:.0f} symbols/s"]

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


def frames_within(video: VideoFormat, config: Config, choices: list[str]) -> tuple[Config, list[str]]:
    """``djscc-rgb`` at the highest rate that the budget allows, control blocks paid first.

    Raises:
        ConfigError: Even the lowest rate costs more.
    """
    snr_db, settings = config.believed_snr_db, config.djscc
    per_frame = Budget.parse(config.coding.budget).symbols_per_frame(video, bits_per_symbol(snr_db))
    head = FramesControl.head_symbols(snr_db)
    frames = video.frames or settings.burst_frames
    control = head * -(-frames // settings.burst_frames) / frames
    fewest = build.frame_codec(config).min_symbols(video.height, video.width)
    reals = min(int((per_frame - control) * REALS[0] / fewest), REALS[-1])
    if reals < REALS[0]:
        least = (fewest + control) / (3 * video.height * video.width)
        raise ConfigError(
            f"djscc-rgb sends every frame and costs a CBR of {least:.4f} at least, above coding.budget = "
            f"{config.coding.budget!r}; give it more, or take another scheme"
        )
    changed = config.model_copy(update={"djscc": replace(settings, reals=reals)})
    return changed, [*choices, f"{reals} reals for each 8x8 pixels of every frame"]


def dvst_choice(config: Config) -> str:
    """What ``dvst`` goes by, in words."""
    settings = config.dvst
    keyframes = f"a keyframe every {settings.gop_frames} frames" if settings.gop_frames else "one keyframe"
    reals = f", {settings.eta:g} reals for each bit of information at most" if settings.eta else ""
    return f"budget {config.coding.budget or settings.budget}, {keyframes}{reals}"


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


def pay_for_pilots(config: Config) -> tuple[Config, list[str]]:
    """The same settings with budgets for what is sent between pilots, so that both together stay within them."""
    pilots = config.channel.pilots()
    if pilots is None:
        return config, []
    changed = {
        section: replace(settings, budget=Budget.parse(settings.budget).times(pilots.data_share))
        for section, settings in (
            ("coding", config.coding),
            ("conventional", config.conventional),
            ("dvst", config.dvst),
        )
        if settings.budget
    }
    within = ", within the budget" if config.coding.budget or config.is_conventional or config.scheme == DVST else ""
    return config.model_copy(update=changed), [f"one symbol in {pilots.spacing} is a pilot{within}"]


def choose(video: VideoFormat, config: Config) -> tuple[Config, str]:
    """The scheme that ``auto`` takes for a video, and why.

    Raises:
        ConfigError: No budget is given.
    """
    if not config.coding.budget:
        raise ConfigError("scheme auto weighs schemes at a budget; give one, for example --budget 6e-4cbr")
    snr_db = config.believed_snr_db
    per_frame = Budget.parse(config.coding.budget).symbols_per_frame(video, bits_per_symbol(snr_db))
    verdict = choose_scheme(snr_db, per_frame / (3 * video.height * video.width), config.auto.objective)
    return with_chosen_scheme(config, verdict.scheme), verdict.reason


def climb(video: VideoFormat, config: Config) -> tuple[Config, str]:
    """The scheme that ``gvsc-adaptive`` takes at the SNR that the transmitter believes, and why."""
    snr_db, max_cbr = config.believed_snr_db, None
    if config.coding.budget:
        per_frame = Budget.parse(config.coding.budget).symbols_per_frame(video, bits_per_symbol(snr_db))
        max_cbr = per_frame / (3 * video.height * video.width)
    scheme, reason = choose_rung(snr_db, config.ladder, max_cbr=max_cbr)
    return with_chosen_scheme(config, scheme), reason


def conventional_choices(config: Config) -> list[str]:
    """What a conventional scheme goes by, in words. It looks at the pictures themselves while it codes them."""
    settings, channel = config.conventional, config.channel
    if settings.mode == "gvsc":
        budget = config.coding.budget or settings.budget
        return [f"budget {budget}, filled by the quantiser alone under 4-QAM and LDPC of rate 3/4"]
    if settings.mode == "adaptive":
        return [f"budget {config.coding.budget or settings.budget}; size, frame rate and quantiser are searched"]
    row = paper_row(settings.codec, config.believed_snr_db)
    choices = [f"Table I of LGVSC at {config.believed_snr_db:g} dB: {row.in_words()}"]
    if config.coding.budget:
        choices.append(f"the budget {config.coding.budget} is ignored, as the table fixes the rate")
    if row.above_capacity(channel.snr_db, channel.snr_def):
        choices.append("this rate is above the channel's capacity, so no code can bring it through")
    return choices


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
