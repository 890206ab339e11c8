"""Configuration to stages: they receive objects, never names or paths. Whole schemes are put together in ``kinds``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.channel.erasures import ErasingChannel
from lgvsc.channel.fading import FadingChannel
from lgvsc.coding.budget import PicturePlan
from lgvsc.coding.frames.standard_codec import coded_size
from lgvsc.coding.frames.structure import structure_frames
from lgvsc.coding.message_codec import MessageCodec
from lgvsc.coding.pictures.ntscc import NtsccPictureCodec, shipped_at
from lgvsc.coding.pictures.roads import PictureRoads, structurally_alike, visibly_alike
from lgvsc.coding.pictures.sketches import SketchRoad
from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Captioner, Channel, Judge, PictureCodec, WorldModel
from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError
from lgvsc.models.catalog import find, load
from lgvsc.semantics.backends.large.server_config import ServerConfig
from lgvsc.semantics.backends.large.text_judge_config import TextJudgeConfig
from lgvsc.semantics.backends.large.vision_language import LargeModelConfig
from lgvsc.semantics.describe_cache import DescribeCache
from lgvsc.semantics.encoder import SemanticEncoder
from lgvsc.semantics.keyframes import Choice, Scorer
from lgvsc.semantics.prompts import load_questions
from lgvsc.semantics.psss import Psss
from lgvsc.semantics.still_filter import StillFilter
from lgvsc.semantics.thresholds import StoredThreshold, ThresholdWarning, misuse
from lgvsc.semantics.turns import Look, SeesWhole
from lgvsc.settings import Config
from lgvsc.world.backends.diffusers.first_frame import FirstFrameWorld
from lgvsc.world.backends.diffusers.video import DiffusersConfig
from lgvsc.world.backends.opensora.opensora import OpenSoraConfig
from lgvsc.world.decoder import SemanticDecoder, takes_sketches
from lgvsc.world.layered import CompactEnhancer, LayeredWorld

PICTURE_CODECS = {0: "digital-picture", 1: "compact-ntscc", 2: "compact-deepjscc-rgb"}  # by their numbers on the air


def encoder(config: Config, watch: Callable[[Choice], None] | None = None, cost: Cost | None = None) -> SemanticEncoder:
    """The semantic encoder: captioner, keyframe selection, motion. ``watch`` sees every choice."""
    similarity = psss(config, cost)
    check_threshold(config, similarity)
    captioner = similarity.captioner
    if config.models.segment_captioner and not config.message.description:
        captioner = language_model(config.models.segment_captioner, config)
        captioner.cost = similarity.cost
    return SemanticEncoder(
        captioner=captioner,
        score=divergence_of(similarity, config),
        keyframes=config.keyframes,
        config=config.message,
        draws=load(config.models.sketch_extractor) if config.message.sketches else None,
        watch=watch,
    )


def psss(config: Config, cost: Cost | None = None) -> Psss:
    """The semantic similarity score, with the captioner and the judge that the configuration names.

    Args:
        cost: Where both write down what they do; a new ledger by default.
    """
    captioner: Captioner = language_model(config.models.captioner, config)
    same = config.models.judge == config.models.captioner  # one model in two roles, which is in memory once
    judge: Judge = captioner if same else language_model(config.models.judge, config)  # type: ignore[assignment]
    captioner.cost = judge.cost = cost or Cost()
    wording = config.judge.questions
    questions = {str(focus): text for focus, text in load_questions(wording).items()} if wording else None
    cache = DescribeCache(Path(config.judge.cache_dir) if config.judge.cache_dir else None)
    return Psss(captioner, judge, config.keyframes.focus, config.judge.rule, questions, config.judge.mode, cache)


def score_identity(config: Config, similarity: Psss) -> dict[str, Any]:
    """What a keyframe threshold holds for: the score's own identity, and how often it is asked for."""
    return similarity.identity | {"sample_fps": config.keyframes.sample_fps}


def check_threshold(config: Config, similarity: Psss) -> None:
    """Warn where the threshold was found for another score than the one that is about to be compared with it."""
    keyframes = config.keyframes
    if keyframes.method != "skem":
        return
    path = config.judge.threshold_file
    stored = StoredThreshold.read(Path(path)) if path else None
    if stored and config.coding.budget:  # a budget raises the threshold
        keyframes = replace(keyframes, threshold=stored.threshold)
    wrong = misuse(keyframes.threshold, score_identity(config, similarity), stored)
    if wrong:
        warnings.warn(wrong, ThresholdWarning, stacklevel=2)


def language_model(name: str, config: Config) -> Any:
    """A captioner or a judge. Large ones stay in memory for the next one who asks."""
    card = find(name)
    if not card.settings:
        return load(name)
    if card.loader.endswith("OpenAIServer"):
        return kept_model(name, config.server)
    return kept_model(name, config.text_judge if card.role == "judge" else config.large_models)


@lru_cache(maxsize=2)
def kept_model(name: str, settings: LargeModelConfig | ServerConfig | TextJudgeConfig) -> Any:
    """A large model under its settings, loaded once in a process."""
    return load(name, settings)


class Divergences:
    """What SKEM compares with its threshold, for a keyframe and each candidate."""

    def __init__(self, similarity: Psss) -> None:
        self._similarity = similarity

    def __call__(self, keyframe: Frame, candidates: Sequence[Frame]) -> list[float | None]:
        return [score.divergence for score in self._similarity.scores(keyframe, candidates)]


class TurnDivergences(Divergences):
    """The same with a captioner that has a look of pictures as a whole."""

    def __init__(self, similarity: Psss, captioner: SeesWhole) -> None:
        super().__init__(similarity)
        self._captioner = captioner

    def look_of(self, frame: Frame) -> Look | None:
        """The captioner's."""
        return self._captioner.look_of(frame)

    def at_turns(self, keyframe: Frame, candidates: Sequence[Frame]) -> list[float | None]:
        """Of candidates that are known to be turns."""
        similarity = self._similarity
        if similarity.focus != "main_object":  # of which a look of the whole says little
            similarity = similarity.with_captioner(self._captioner.at_turns())
        return [score.divergence for score in similarity.scores(keyframe, candidates)]


def divergence_of(similarity: Psss, config: Config) -> Scorer:
    """What SKEM compares with its threshold, for a keyframe and each candidate."""
    captioner = similarity.captioner
    scored = TurnDivergences(similarity, captioner) if isinstance(captioner, SeesWhole) else Divergences(similarity)
    return StillFilter(scored) if config.keyframes.skip_still else scored


def codec(config: Config) -> MessageCodec:
    """The message codec, with every road that a keyframe can take; a receiver reads those not sent with as well."""
    roads = picture_roads(config, config.world.look)
    keyframes = config.keyframes
    plan = None
    if keyframes.planned:
        plan = PicturePlan(keyframes.planned, keyframes.planned_until, config.message.send_closing)
    return MessageCodec(roads, config.belief, config.coding, partial(sketch_road, config), plan=plan)


def picture_roads(config: Config, look: float | None = None) -> PictureRoads:
    """The ways that a keyframe can take, shown in one look or, where that is ``None``, as the transmitter advises."""
    sent_at = config.keyframe_look

    def shown(advised: float | None) -> dict[int, PictureCodec]:
        at = (advised if look is None else look) or 0.0
        return looks(at) if at or sent_at else {}

    alike = visibly_alike if sent_at >= 0.5 else structurally_alike
    return PictureRoads(picture_codecs(config, sent_at), picture_codec, shown, alike)


def picture_codecs(config: Config, look: float = 0.0) -> list[PictureCodec]:
    """The codecs of pictures that a transmitter tries, the learned one at a look and in as many steps as asked for."""
    codecs: list[PictureCodec] = [load(name) for name in config.models.picture_codecs]
    at, steps = looks(look) if look else {}, config.coding.refine_steps
    there = [at.get(codec.codec, codec) for codec in codecs]
    return [codec.refined(steps) if isinstance(codec, NtsccPictureCodec) else codec for codec in there]


def picture_codec(number: int) -> PictureCodec | None:
    """The shipped codec of pictures that bursts call by a number."""
    name = PICTURE_CODECS.get(number)
    return kept_picture_codec(name) if name else None


def looks(look: float) -> dict[int, PictureCodec]:
    """The codec of keyframes that has looks, at one of them, by its number."""
    return {NtsccPictureCodec.codec: shipped_at(look)}


@lru_cache(maxsize=2)
def kept_picture_codec(name: str) -> PictureCodec:
    """A picture codec, loaded once in a process."""
    codec: PictureCodec = load(name)
    return codec


def sketch_road(config: Config) -> SketchRoad:
    """What codes sketches. The part for all but the first of a segment is loaded when there is more than one."""
    return SketchRoad(load(config.models.sketch_codec), partial(load, config.models.sketch_differences))


def decoder(config: Config) -> SemanticDecoder:
    """The semantic decoder: adapter, world model, and what makes frames of structure layers."""
    layered = layered_world(config, config.world.look)
    return SemanticDecoder(world_model(config), config.world, seed=config.seed, layered=layered)


def layered_world(config: Config, look: float | None = None) -> LayeredWorld:
    """What makes frames of structure layers; ``look`` as in :class:`~lgvsc.world.decoder.DecoderConfig`."""
    return LayeredWorld(partial(kept_enhancer, config.models.enhancer), structure_frames, coded_size, look)


@lru_cache(maxsize=1)
def kept_enhancer(name: str) -> CompactEnhancer:
    """The network that enlarges structure layers, loaded once in a process."""
    made: CompactEnhancer = load(name)
    return made


def world_model(config: Config) -> WorldModel:
    """The generator at the receiver, with one that makes a first frame of a sketch where it takes no sketches."""
    world = video_model(config)
    to_frame = config.models.sketch_to_frame
    if not to_frame or takes_sketches(world):
        return world
    if config.message.sketches > 1:
        raise ConfigError(
            f"{config.scheme} sends sketches of many frames, but {config.world_model} goes on from one picture, "
            f"which {to_frame} makes of one sketch. GVSC takes VideoComposer, which is not part of lgvsc; take "
            "--preset gvsc-modern (Wan VACE), or --scheme gvsc-sketch"
        )
    return FirstFrameWorld(world, to_frame, partial(kept_sketch_to_frame, to_frame, config.diffusers))


def video_model(config: Config) -> WorldModel:
    """What makes frames. A large one reads its weights when it makes its first segment, and stays."""
    name = config.world_model
    card = find(name)
    if not card.settings:
        return load(name)
    return kept_world_model(name, config.diffusers if card.library == "diffusers" else config.opensora)


@lru_cache(maxsize=1)
def kept_world_model(name: str, settings: OpenSoraConfig | DiffusersConfig) -> WorldModel:
    """A large world model under its settings, loaded once in a process."""
    made: WorldModel = load(name, settings)
    return made


@lru_cache(maxsize=1)
def kept_sketch_to_frame(name: str, settings: DiffusersConfig) -> Any:
    """A model that makes a picture of a sketch, loaded once in a process."""
    return load(name, settings)


def channel(config: Config, clip: str, trial: int = 0) -> Channel:
    """The physical channel. Its noise depends on seed, clip, SNR and trial alone, so schemes share it."""
    settings = config.channel
    generator = child_generator(config.seed, "channel", clip, settings.snr_db, trial)
    fading, losses = settings.gains(), settings.losses()
    physical: Channel = AwgnChannel(config.esn0_db, generator)
    if fading is not None:
        physical = FadingChannel(fading, config.esn0_db, generator, csi=settings.csi)
    if losses is None:
        return physical
    of_losses = child_generator(config.seed, "erasures", clip, trial)
    return ErasingChannel(physical, losses, of_losses, packet_symbols=settings.packet_symbols)
