"""From a budget to settings: keyframes and caption length that fit it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from math import ceil
from pathlib import Path

from lgvsc import build
from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import seeded
from lgvsc.coding.budget import CEILING_S, LEAST_SYMBOLS, MIN_KEYFRAME_CBR
from lgvsc.coding.pictures.ntscc import NtsccPictureCodec
from lgvsc.coding.pictures.roads import TRIAL_SEED, PictureRoads
from lgvsc.coding.words.side import COLOURS, MOTION, side_bits
from lgvsc.core.video import Frame, Pixels, VideoFormat, VideoReader
from lgvsc.errors import ConfigError
from lgvsc.planning_passages import better_places
from lgvsc.planning_trials import Code, Economy, plan_pieces
from lgvsc.semantics.calibration import ClipCurve, Prices, calibrate_threshold, clip_curve
from lgvsc.semantics.cuts import CutDetector
from lgvsc.semantics.keyframes import choose_keyframes, skim_lengths
from lgvsc.semantics.stretches import marked_keyframes
from lgvsc.settings import Config

TRIAL_S = 60.0  # of the video, looked at beforehand
MARKED = "pictures come or go"  # what a first look at the file has found
TOLD = "the budget "  # so begins what has to be said first: that it cannot be kept, or was passed
CAPTION_SHARE = 0.15  # of a segment's budget
MIN_CAPTION_BYTES = 24
NOT_OF_THE_CURVE = {
    "scheme",
    "seed",
    "objective",
    "message",
    "coding",
    "channel",
    "world",
    "link",
    "conventional",
    "dvst",
    "structure",
    "auto",
    "ladder",
    "evaluation",
    "chosen_by",
}
LOOKS = {"look": 1.0, "structure": 0.0}  # how an objective has the keyframes of the learned code shown
TYPICAL_CAPTION_BYTES = 48  # what most captions stay below; longer ones leave their keyframe a little less
BITS_PER_CAPTION_BYTE = 2.0  # what the entropy coder takes for plain words, on the safe side


def fit_message(source: VideoReader, config: Config) -> tuple[Config, list[str]]:
    """Settings for one video under ``coding.budget``, and what was chosen, in words.

    Keyframes are planned by trials, see :mod:`lgvsc.planning_trials`; behind the part looked at, and where none are
    sent, the threshold is raised until the budget is kept. Keyframe quality itself follows the budget while the video
    is sent, see :class:`~lgvsc.coding.budget.KeyframeAllowance`.
    """
    if not config.coding.budget:
        return stay_below_ceiling(source, config)
    video = source.format
    per_frame = config.belief.symbols_per_frame(config.coding.budget, video)
    allowed_per_s = per_frame * float(video.fps)
    choices = [f"budget {config.coding.budget} is {allowed_per_s / config.belief.data_share:.0f} symbols/s"]

    usual_s = 2.0  # a segment's usual length; the caption must leave room for a picture in it
    room = CAPTION_SHARE * allowed_per_s * usual_s
    caption_bytes = config.message.caption_max_bytes
    while caption_bytes > MIN_CAPTION_BYTES and _caption_symbols(caption_bytes, config) > room:
        caption_bytes -= 8
    caption_bytes = max(caption_bytes, min(MIN_CAPTION_BYTES, config.message.caption_max_bytes))
    choices.append(f"captions of at most {caption_bytes} bytes")

    message = replace(config.message, caption_max_bytes=caption_bytes)
    keyframes = replace(config.keyframes, mean_spacing_frames=0)  # the budget says how many there may be
    config = config.model_copy(update={"message": message, "keyframes": keyframes})
    if config.world.look is None and config.message.send_keyframes:
        config = advised(config)
        shown = "vividly" if config.coding.look else "faithfully"
        choices.append(f"keyframes shown {shown}, for objective {config.objective} (coding.look)")
    if config.keyframes.method != "skem":
        _, count = skim_lengths(video, config.keyframes)
        return config, beyond_budget(video, config, per_frame, count or 1) + choices
    if config.message.send_keyframes and config.message.send_closing:
        return plan_keyframes(source, config, per_frame, choices)
    return raise_threshold(source, config, allowed_per_s, beyond_budget(video, config, per_frame, 1) + choices)


def advised(config: Config) -> Config:
    """The configuration with the advice how keyframes should be shown for its objective."""
    return config.model_copy(update={"coding": replace(config.coding, look=LOOKS[config.objective])})


def stay_below_ceiling(source: VideoReader, config: Config) -> tuple[Config, list[str]]:
    """Without a budget: as many keyframes as the smallest pictures leave room for below ``coding.max_cbr``.

    Where pictures come or go, those of the first minute come there and evenly between, or all at equal distances, if
    that is tried and comes closer.
    """
    keyframes, message = config.keyframes, config.message
    if keyframes.method != "skem" or not (message.send_keyframes and message.send_closing):
        return config, []
    video = source.format
    volume = 3 * video.height * video.width
    picture = max(MIN_KEYFRAME_CBR * volume, LEAST_SYMBOLS)
    each = segment_symbols(config, min(TYPICAL_CAPTION_BYTES, message.caption_max_bytes)) + picture
    max_cbr = config.coding.max_cbr * config.belief.data_share
    choices = []

    def affords(frames: int) -> int:
        """Segments with the smallest pictures below the ceiling, the closing picture taken off."""
        ceiling = max_cbr * volume * max(frames, CEILING_S * float(video.fps))
        return int((ceiling - picture) / each) if ceiling else frames

    widest = ceil(each / (max_cbr * volume)) if max_cbr else 0
    if 0 < keyframes.mean_spacing_frames < widest:
        keyframes = replace(keyframes, mean_spacing_frames=widest)
        choices.append(f"keyframes at least {widest} frames apart on average: of a small picture each costs much")
    if video.frames is not None and not affords(video.frames):
        choices.insert(0, f"a CBR of {config.coding.max_cbr:g} cannot be kept: so small is the video, or so short")
    marked, until = marked_keyframes(beginning(source, video), video, keyframes, CutDetector(message.cuts), affords)
    if marked:
        choices.append(f"{MARKED}: {len(marked)} keyframes there and evenly between, others where the meaning changes")
    keyframes = replace(keyframes, marked=marked, marked_until=until if marked else 0)
    if until:
        score = build.divergence_of(build.psss(config), config)
        found = choose_keyframes(beginning(source, video), video, keyframes, score, CutDetector(message.cuts))
        starts, even = better_places(found, video, keyframes)
        keyframes = replace(keyframes, planned=(starts,), planned_until=until)
        if even:
            choices = [words for words in choices if not words.startswith(MARKED)]
            choices.append(f"{MARKED}; {len(starts)} segments at equal distances come closer than those of SKEM")
    return config.model_copy(update={"keyframes": keyframes}), choices


def plan_keyframes(
    source: VideoReader, config: Config, per_frame: float, choices: list[str]
) -> tuple[Config, list[str]]:
    """Number, place and quality of the keyframes of the first minute, tried out; a threshold for what follows."""
    video, snr_db = source.format, config.belief.esn0_db
    economy = Economy(
        symbols_per_frame=per_frame,
        segment_symbols=segment_symbols(config, min(TYPICAL_CAPTION_BYTES, config.message.caption_max_bytes)),
        code=coding_of(config),
        objective=config.objective,
    )
    score = build.divergence_of(build.psss(config), config)
    plans = list(plan_pieces(beginning(source, video), video, config.keyframes, economy, score))
    if not plans:
        return config, choices
    starts = tuple(plan.starts for plan in plans)
    until = plans[-1].stop
    count = sum(map(len, starts))
    cbr = sum(plan.keyframe_cbr * len(plan.starts) for plan in plans) / count
    meant = sum(plan.by_meaning for plan in plans)
    measure = "1 - LPIPS" if config.objective == "look" else "MS-SSIM"
    choices = [
        *beyond_budget(video, config, per_frame, count),
        *choices,
        f"objective {config.objective}: {count} segments in {until} frames, keyframes at a CBR of about {cbr:.4f}, "
        f"{measure} {sum(p.quality * (p.stop - p.starts[0]) for p in plans) / until:.3f} tried at {snr_db:g} dB; "
        f"places by meaning in {meant} of {len(plans)} pieces, else by trial",
    ]
    keyframes = replace(config.keyframes, planned=starts, planned_until=until)
    config = config.model_copy(update={"keyframes": keyframes})
    if video.frames is not None and video.frames <= until:
        return config, choices
    prices = Prices(keyframe_cbr=cbr, segment_symbols=segment_symbols(config))
    return raise_threshold(source, config, per_frame * float(video.fps), choices, prices)


def keyframe_places(
    frames: Sequence[Pixels], video: VideoFormat, symbols: int, wanted: Callable[[], bool], config: Config
) -> list[int]:
    """Where keyframes stand best that show some frames by themselves in so many symbols, tried out; the first at 0.

    Args:
        wanted: Asked again and again; once it says no, the rest is not tried and what is returned is of no use.
    """
    code = coding_of(config)
    economy = Economy(
        symbols_per_frame=symbols / len(frames),
        segment_symbols=segment_symbols(config, min(TYPICAL_CAPTION_BYTES, config.message.caption_max_bytes)),
        code=lambda picture, symbols: code(picture, symbols) if wanted() else None,
        objective=config.objective,
    )
    numbered = (Frame(index, pixels) for index, pixels in enumerate(frames))
    coarser = replace(config.keyframes, sample_fps=config.keyframes.sample_fps / 2)  # in a third of the time
    plans = plan_pieces(numbered, replace(video, frames=len(frames)), coarser, economy, None)
    return [start for plan in plans for start in plan.starts] or [0]


def coding_of(config: Config) -> Code:
    """Sends a picture as a keyframe is, and shows it so: by the learned code where it takes part, as it is the fastest
    to try.
    """
    codecs = build.picture_codecs(config, config.keyframe_look)
    learned = [codec for codec in codecs if isinstance(codec, NtsccPictureCodec)]
    road = learned[0].refined(0) if learned else PictureRoads(codecs)
    snr_db = config.belief.esn0_db

    def arrived(picture: Pixels, symbols: int) -> Pixels | None:
        noise = seeded(TRIAL_SEED)
        try:
            if isinstance(road, NtsccPictureCodec):
                return road.preview(picture, max_symbols=symbols, snr_db=snr_db, noise=noise)
            coded = road.encode(picture, max_symbols=symbols, snr_db=snr_db)
        except ConfigError:
            return None
        return road.decode(AwgnChannel(snr_db, noise)(coded.symbols), coded.header, *picture.shape[:2])

    return arrived


def raise_threshold(
    source: VideoReader, config: Config, allowed_per_s: float, choices: list[str], prices: Prices | None = None
) -> tuple[Config, list[str]]:
    """The lowest threshold, no lower than the configured one, at which the budget is kept."""
    if prices is None:
        pictures = config.coding.keyframe_cbr if config.message.send_keyframes else 0.0
        prices = Prices(keyframe_cbr=pictures, segment_symbols=segment_symbols(config))
    found = calibrate_threshold([curve_of(source, config)], symbols_per_s=allowed_per_s, prices=prices)
    threshold = max(config.keyframes.threshold, found.threshold)
    where = "afterwards " if config.keyframes.planned else ""
    choices = [
        *choices,
        f"{where}threshold {threshold:.2f}, about {found.chosen.keyframes:.0f} keyframes in the part looked at",
    ]
    if not found.within:
        choices.append(
            f"even one segment costs more than the budget at a keyframe CBR of {prices.keyframe_cbr:.4f}; "
            f"pictures go down to {MIN_KEYFRAME_CBR}"
        )
    return config.model_copy(update={"keyframes": replace(config.keyframes, threshold=threshold)}), choices


def beyond_budget(video: VideoFormat, config: Config, per_frame: float, segments: int) -> list[str]:
    """What has to be said first where a budget cannot be kept, however bad the pictures."""
    if video.frames is None:
        return []
    pictures = segments + config.message.send_closing if config.message.send_keyframes else 0
    volume = 3 * video.height * video.width
    shortest = min(MIN_CAPTION_BYTES, config.message.caption_max_bytes)
    for caption_bytes, certainty in ((shortest, "cannot"), (config.message.caption_max_bytes, "may not")):
        least = pictures * MIN_KEYFRAME_CBR * volume + segments * segment_symbols(config, caption_bytes)
        if least > per_frame * video.frames:
            share = least / (per_frame * video.frames)
            count = "one segment" if segments == 1 else f"{segments} segments"
            smallest = " with the smallest pictures" if pictures else ""
            take = "takes" if segments == 1 else "take"
            return [f"the budget {certainty} be kept: {count}{smallest} {take} {share:.3g} times it"]
    return []


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


def paid_first(config: Config, budgeted: bool) -> list[str]:
    """What the air adds to what is sent, in words; a budget pays for it first, as ``Belief`` has it.

    Args:
        budgeted: Whether there is a budget.
    """
    within = ", within the budget" if budgeted else ""
    pilots = config.channel.pilots()
    words = [f"one symbol in {pilots.spacing} is a pilot{within}"] if pilots else []
    return [*words, *([f"each burst travels in a radio frame{within}"] if config.coding.framed else [])]


def allowed_cbr(video: VideoFormat, config: Config, own_budget: str = "") -> float | None:
    """The budget as CBR, a scheme's own one where the user gave none; ``None`` where there is neither."""
    budget = config.coding.budget or own_budget
    if not budget:
        return None
    belief = config.belief
    per_frame = belief.symbols_per_frame(budget, video) / belief.data_share
    return per_frame / (3 * video.height * video.width)


def foremost(choices: list[str]) -> list[str]:
    """The choices, what has to be said of a budget before the rest."""
    return sorted(choices, key=lambda words: not words.startswith(TOLD))


def with_passed(choices: list[str], spent_cbr: float, allowed_cbr: float | None) -> list[str]:
    """The choices, and first of all whether more was sent than was allowed, unless they begin with it."""
    told = choices[:1] and choices[0].startswith(TOLD)
    if allowed_cbr is None or told or spent_cbr <= allowed_cbr * (1 + 1e-9):
        return choices
    return [f"the budget was passed: {spent_cbr / allowed_cbr:.3g} times as much was sent", *choices]


def beginning(source: VideoReader, video: VideoFormat) -> Iterator[Frame]:
    """The first minute."""
    return takewhile(lambda frame: frame.index < TRIAL_S * float(video.fps), source)


def segment_symbols(config: Config, caption_bytes: int | None = None) -> float:
    """What a segment sends besides its picture, in symbols; with a caption of full length, unless told otherwise."""
    symbols = config.belief.head_symbols(config.coding.layout)
    longest = config.message.caption_max_bytes if caption_bytes is None else caption_bytes
    if config.message.send_captions:
        symbols += _caption_symbols(longest, config)
    side = side_bits(MOTION * config.message.send_motion + COLOURS * config.message.send_colours)
    if side:
        symbols += config.belief.symbols(side, "side")
    return symbols


def _caption_symbols(caption_bytes: int, config: Config) -> int:
    bits = max(1, round(BITS_PER_CAPTION_BYTE * caption_bytes))
    return config.belief.symbols(bits, "captions")
