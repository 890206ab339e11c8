"""Configuration to objects. The only place that knows both: stages receive objects, never names or paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lgvsc.channel.awgn import AwgnChannel
from lgvsc.channel.common import child_generator
from lgvsc.channel.erasures import ErasingChannel
from lgvsc.channel.fading import FadingChannel
from lgvsc.coding.message_codec import MessageCodec
from lgvsc.coding.roads import PictureRoads
from lgvsc.config import AUTO, Config, with_chosen_scheme
from lgvsc.core.clock import Stopwatch
from lgvsc.core.interfaces import Captioner, Channel, Judge, Scheme
from lgvsc.models.catalog import load
from lgvsc.schemes.auto import AutoReceiver, Family
from lgvsc.schemes.conventional import ConventionalScheme
from lgvsc.schemes.generative import GenerativeScheme
from lgvsc.schemes.piloted import PilotedScheme
from lgvsc.semantics.encoder import SemanticEncoder
from lgvsc.semantics.keyframes import Choice, Scorer
from lgvsc.semantics.prompts import load_questions
from lgvsc.semantics.psss import Psss
from lgvsc.world.decoder import SemanticDecoder


def scheme(config: Config, clock: Stopwatch | None = None, watch: Callable[[Choice], None] | None = None) -> Scheme:
    """Both ends of the link. The receiver's half uses nothing of the configuration but its static contract."""
    clock = clock or Stopwatch()
    built = without_pilots(config, clock, watch)
    pilots = config.channel.pilots()
    return PilotedScheme(built, pilots, clock) if pilots else built


def without_pilots(config: Config, clock: Stopwatch, watch: Callable[[Choice], None] | None = None) -> Scheme:
    """The scheme itself. For ``auto`` a receiver alone, as a transmitter has made its choice by now."""
    if config.scheme == AUTO:
        kinds: dict[Family, str] = {"generative": "skem-dsa", "conventional": "h265-ldpc"}  # each reads all of its kind
        return AutoReceiver(lambda kind: without_pilots(with_chosen_scheme(config, kinds[kind]), clock))
    if config.is_conventional:
        return conventional(config, clock)
    return GenerativeScheme(config.scheme, encoder(config, watch), codec(config), decoder(config), clock=clock)


def conventional(config: Config, clock: Stopwatch | None = None) -> ConventionalScheme:
    """A standard video codec over LDPC and QAM. ``coding.budget`` comes before ``conventional.budget``."""
    settings = config.conventional
    if config.coding.budget:
        settings = replace(settings, budget=config.coding.budget)
    return ConventionalScheme(
        config.scheme, config.believed_snr_db, settings, snr_def=config.channel.snr_def, clock=clock
    )


def encoder(config: Config, watch: Callable[[Choice], None] | None = None) -> SemanticEncoder:
    """The semantic encoder: captioner, keyframe selection, motion. ``watch`` sees every choice."""
    similarity = psss(config)
    return SemanticEncoder(
        captioner=similarity.captioner,
        score=divergence_of(similarity),
        keyframes=config.keyframes,
        config=config.message,
        watch=watch,
    )


def psss(config: Config) -> Psss:
    """The semantic similarity score, with the captioner and the judge that the configuration names."""
    captioner: Captioner = load(config.models.captioner)
    judge: Judge = load(config.models.judge)
    wording = config.judge.questions
    questions = {str(focus): text for focus, text in load_questions(wording).items()} if wording else None
    return Psss(captioner, judge, config.keyframes.focus, config.judge.rule, questions)


def divergence_of(similarity: Psss) -> Scorer:
    """What SKEM compares with its threshold, for a keyframe and a candidate."""
    return lambda keyframe, candidate: similarity.divergence(keyframe, candidate).divergence


def codec(config: Config) -> MessageCodec:
    """The message codec, with every road that a keyframe can take."""
    roads = PictureRoads([load(name) for name in config.models.picture_codecs])
    return MessageCodec(roads, config.believed_snr_db, config.coding)


def decoder(config: Config) -> SemanticDecoder:
    """The semantic decoder: adapter and world model."""
    return SemanticDecoder(load(config.models.world_model), config.world, seed=config.seed)


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
