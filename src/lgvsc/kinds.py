"""What tells one kind of scheme from another, one record for each: how it is made, fitted, and what it is made of.

Everyone else asks here. A new kind is a record in ``KINDS``; nothing outside this file goes by the name of a scheme.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from typing import Any, TypeAlias, TypeVar

from lgvsc import build, planning
from lgvsc.coding.frames.elementary import CODECS
from lgvsc.coding.frames.standard_codec import ENCODERS
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.coding.words.text_model import SHIPPED as TEXT_MODEL
from lgvsc.core.clock import Stopwatch
from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Scheme
from lgvsc.core.video import VideoFormat, VideoReader
from lgvsc.errors import ConfigError
from lgvsc.models.catalog import find, load
from lgvsc.models.hub import revision_here
from lgvsc.schemes.auto import DISTANCES, AutoReceiver, Family, Goal, choose_scheme
from lgvsc.schemes.conventional import ConventionalConfig, ConventionalScheme
from lgvsc.schemes.djscc_rgb import DjsccRgbScheme
from lgvsc.schemes.dvst import DvstScheme, DvstSchemeConfig
from lgvsc.schemes.generative import GenerativeScheme
from lgvsc.schemes.ladder import choose_rung
from lgvsc.schemes.layered import LayeredScheme
from lgvsc.schemes.layered_division import Divider, StructureConfig
from lgvsc.schemes.piloted import PilotedScheme
from lgvsc.semantics.backends.compact.recognition import names_here
from lgvsc.semantics.keyframes import Choice
from lgvsc.settings import ONE_RATE, Config, with_chosen_scheme

Fitted: TypeAlias = tuple[Config, list[str]]  # settings for one video, and what was chosen, in words
HasBudget = TypeVar("HasBudget", ConventionalConfig, DvstSchemeConfig, StructureConfig)
Models: TypeAlias = dict[str, dict[str, Any]]  # name, revision and digest, by role


@dataclass(frozen=True, slots=True)
class Observers:
    """Who looks on while a scheme works.

    Attributes:
        clock: Counts the seconds of each stage.
        watch: Sees every choice of a keyframe.
        cost: Where captioner and judge write down what they do.
    """

    clock: Stopwatch = field(default_factory=Stopwatch)
    watch: Callable[[Choice], None] | None = None
    cost: Cost | None = None


def _as_it_is(source: VideoReader, config: Config) -> Fitted:
    return config, []


def _nothing(config: Config) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of scheme.

    Attributes:
        schemes: Ids of the schemes of this kind. What one of them sets stands in ``presets/schemes/ID.toml``, if
            it sets anything.
        make: Both ends of the link, without pilots.
        fit: Settings for one video under the budget, and what was chosen, in words.
        choose: For a kind that sends nothing itself: the configuration under the scheme that it takes, and why.
        models: What a run has models for, by role; see :func:`of_catalogue`.
        generated: Whether the receiver makes frames that nobody sent.
        asks: Whether the transmitter asks a judge where the meaning changes.
        own_budget: The section of the configuration whose budget holds where ``coding.budget`` is empty.
        one_rate: Whether one code rate and modulation, known beforehand, holds for all that is sent.
        check: Raises :class:`ConfigError` for settings that contradict the scheme.
        probe: Loads what may be missing here; raises where it is.
    """

    schemes: tuple[str, ...]
    make: Callable[[Config, Observers], Scheme]
    fit: Callable[[VideoReader, Config], Fitted] = _as_it_is
    choose: Callable[[VideoFormat, Config], tuple[Config, str]] | None = None
    models: Callable[[Config], Models] = lambda config: {}
    generated: bool = False
    asks: bool = False
    own_budget: str = ""
    one_rate: Callable[[Config], bool] = lambda config: False
    check: Callable[[Config], None] = _nothing
    probe: Callable[[Config], object] = _nothing


# Asking


def schemes() -> tuple[str, ...]:
    """Ids of all schemes."""
    return tuple(scheme for kind in KINDS for scheme in kind.schemes)


def kind_of(scheme: str) -> Kind:
    """The kind of a scheme.

    Raises:
        ConfigError: There is no such scheme.
    """
    found = next((kind for kind in KINDS if scheme in kind.schemes), None)
    if found is None:
        raise ConfigError(f"no scheme is called {scheme!r}; there are {', '.join(schemes())}")
    return found


def scheme(
    config: Config,
    clock: Stopwatch | None = None,
    watch: Callable[[Choice], None] | None = None,
    cost: Cost | None = None,
) -> Scheme:
    """Both ends of the link. The receiver's half uses nothing of the configuration but its static contract.

    For ``auto`` and ``gvsc-adaptive`` a receiver alone: a transmitter has made its choice by then, in
    :func:`fit_to_budget`.
    """
    observers = Observers(clock or Stopwatch(), watch, cost)
    made = kind_of(config.scheme).make(config, observers)
    pilots = config.channel.pilots()
    return PilotedScheme(made, pilots, observers.clock) if pilots else made


def fit_to_budget(source: VideoReader, config: Config) -> Fitted:
    """Settings for one video under its budget, pilots paid first, and what was chosen, in words."""
    kind = kind_of(config.scheme)
    if kind.choose is not None:
        config, reason = kind.choose(source.format, config)
        config, choices = fit_to_budget(source, config)
        return config, planning.foremost([reason, *choices])
    paid = planning.paid_first(config, bool(config.coding.budget or kind.own_budget))
    config, choices = kind.fit(source, config)
    return config, planning.foremost(paid + choices)


def allowed_cbr(video: VideoFormat, config: Config) -> float | None:
    """What may be sent, by the user's budget or the scheme's own one; ``None`` where nothing limits it."""
    kind = kind_of(config.scheme)
    own = "" if not kind.own_budget or kind.one_rate(config) else getattr(config, kind.own_budget).budget
    return planning.allowed_cbr(video, config, own)


def models(config: Config) -> Models:
    """Name, revision and digest of every model in a run, by role; several of one role are numbered."""
    return kind_of(config.scheme).models(config)


def check(config: Config) -> None:
    """Refuse settings that contradict the scheme.

    Raises:
        ConfigError: They do.
    """
    kind = kind_of(config.scheme)
    if config.channel.snr_def == "ebn0" and not kind.one_rate(config):
        raise ConfigError(ONE_RATE)
    kind.check(config)


def of_catalogue(named: dict[str, str]) -> Models:
    """Models by role, from their names in the catalogue."""
    cards = {role: find(name) for role, name in named.items()}
    return {role: {"name": c.name, "revision": revision_here(c), "sha256": c.sha256} for role, c in cards.items()}


# Words and keyframes, and a world model


def _generative(config: Config, observers: Observers) -> Scheme:
    return GenerativeScheme(
        config.scheme,
        partial(build.encoder, config, observers.watch, observers.cost),
        build.codec(config),
        partial(build.decoder, config),
        clock=observers.clock,
    )


def _of_generative(config: Config) -> Models:
    roles, sketches = config.models, config.message.sketches
    named = {"captioner": roles.captioner, "judge": roles.judge, "text_coder": TEXT_MODEL}
    if roles.segment_captioner and not config.message.description:
        named["segment_captioner"] = roles.segment_captioner
    if "compact-captioner" in named.values():
        named |= names_here()
    if sketches:
        named |= {"sketch_extractor": roles.sketch_extractor, "sketch_codec": roles.sketch_codec}
        named |= {"sketch_differences": roles.sketch_differences} if sketches > 1 else {}
        named |= {"sketch_to_frame": roles.sketch_to_frame} if roles.sketch_to_frame else {}
    codecs = roles.picture_codecs
    named |= {f"picture_codec{'' if len(codecs) == 1 else f'_{i}'}": name for i, name in enumerate(codecs, 1)}
    if config.keyframe_look and "compact-ntscc" in codecs:
        named["picture_look"] = "compact-ntscc-vivid"
    return of_catalogue(named | {"world_model": config.world_model})


def _probe_sketches(config: Config) -> None:
    if config.message.sketches > 1:
        load(config.models.sketch_differences)


GENERATIVE = Kind(
    schemes=("skem-dsa", "skim-sfa", "skim-dsa", "text-only", "gvsc-first-frame", "gvsc-sketch", "gvsc-sketches"),
    make=_generative,
    fit=planning.fit_message,
    models=_of_generative,
    generated=True,
    asks=True,
    probe=_probe_sketches,
)


# Small frames, keyframes and words, and a world model


def _layered(config: Config, observers: Observers) -> Scheme:
    return LayeredScheme(
        config.scheme,
        partial(build.encoder, config, observers.watch, observers.cost),
        build.codec(config),
        partial(build.decoder, config),
        clock=observers.clock,
        make_divider=partial(_divider, config),
    )


def _divider(config: Config) -> Divider:
    settings, world = with_budget(config.structure, config), build.layered_world(config)
    return Divider(
        build.picture_roads(config),
        config.coding,
        config.belief,
        settings,
        config.objective,
        world,
        partial(planning.keyframe_places, config=config),
    )


def _layered_words(source: VideoReader, config: Config) -> Fitted:
    """The budget is divided while the video is sent, one group of frames after the other."""
    settings = with_budget(config.structure, config)
    fast = ", as fast as the video" if settings.effort == "live" else ""
    divided = f"divided for {config.objective} between small frames, keyframes and words{fast}"
    choices = [f"budget {settings.budget}, {divided}"]
    if find(config.world_model).settings:  # a large one, which was asked for
        makes = f"{config.models.enhancer} makes the video, unless {config.world_model} takes small frames"
        choices.append(f"where small frames are sent {makes}; --scheme skem-dsa sends none")
    return planning.advised(config), choices


def _of_layered(config: Config) -> Models:
    return _of_generative(config) | of_catalogue({"enhancer": config.models.enhancer})


LAYERED = Kind(
    schemes=("layered-dsa",),
    make=_layered,
    fit=_layered_words,
    models=_of_layered,
    generated=True,
    asks=True,
    own_budget="structure",
)


# Schemes that leave the choice to a table; they only receive under their own name


def _climb(video: VideoFormat, config: Config) -> tuple[Config, str]:
    chosen, reason = choose_rung(config.belief.esn0_db, config.ladder, max_cbr=planning.allowed_cbr(video, config))
    return with_chosen_scheme(config, chosen), reason


def _any_rung(config: Config, observers: Observers) -> Scheme:
    """Any of its kind reads what each burst says that it has."""
    return _generative(with_chosen_scheme(config, "gvsc-sketch"), observers)


ADAPTIVE = Kind(
    schemes=("gvsc-adaptive",), make=_any_rung, choose=_climb, models=_of_generative, generated=True, asks=True
)


def _choose(video: VideoFormat, config: Config) -> tuple[Config, str]:
    cbr = planning.allowed_cbr(video, config)
    if cbr is None:
        raise ConfigError("scheme auto weighs schemes at a budget; give one, for example --budget 6e-4cbr")
    goal: Goal = config.auto.objective or ("lpips" if config.objective == "look" else "ms_ssim")
    verdict = choose_scheme(config.belief.esn0_db, cbr, goal)
    measured_for = {"objective": "look" if goal in DISTANCES else "structure"}
    return with_chosen_scheme(config, verdict.scheme).model_copy(update=measured_for), verdict.reason


def _whoever_sends(config: Config, observers: Observers) -> Scheme:
    readers: dict[Family, str] = {"generative": "skem-dsa", "conventional": "h265-ldpc"}  # each reads all of its kind

    def make(family: Family) -> Scheme:
        chosen = with_chosen_scheme(config, readers[family])
        return kind_of(chosen.scheme).make(chosen, observers)

    return AutoReceiver(make)


AUTO = Kind(schemes=("auto",), make=_whoever_sends, choose=_choose, models=_of_generative, generated=True)


# A standard video codec


def _conventional(config: Config, observers: Observers) -> Scheme:
    settings = with_budget(config.conventional, config)
    return ConventionalScheme(config.scheme, config.belief, settings, config.paper_row, clock=observers.clock)


def _conventional_words(source: VideoReader, config: Config) -> Fitted:
    """It looks at the pictures themselves while it codes them."""
    settings, channel, budget = config.conventional, config.channel, config.coding.budget
    choices = with_budget(settings, config).in_words(config.believed_snr_db)
    if row := config.paper_row:
        if budget:
            choices.append(f"the budget {budget} is ignored, as the table fixes the rate")
        if row.above_capacity(channel.snr_db, channel.snr_def):
            choices.append("this rate is above the channel's capacity, so no code can bring it through")
    return config, choices


def _of_conventional(config: Config) -> Models:
    encoder = ENCODERS[config.conventional.codec]
    return {"video_codec": {"name": encoder, "revision": f"PyAV {version('av')}", "sha256": None}}


def _check_codec(config: Config) -> None:
    codec = config.conventional.codec
    if config.scheme != f"{codec}-ldpc":
        raise ConfigError(
            f"conventional.codec = {codec!r} contradicts the scheme {config.scheme}; take --scheme {codec}-ldpc"
        )


CONVENTIONAL = Kind(
    schemes=tuple(f"{codec}-ldpc" for codec in CODECS),
    make=_conventional,
    fit=_conventional_words,
    models=_of_conventional,
    own_budget="conventional",
    one_rate=lambda config: config.conventional.mode == "paper",
    check=_check_codec,
)


# Every frame as analogue symbols


def _djscc(config: Config, observers: Observers) -> Scheme:
    return DjsccRgbScheme(load(config.models.frame_codec), config.belief, config.djscc, observers.clock)


def _frames_within(source: VideoReader, config: Config) -> Fitted:
    budget = config.coding.budget
    if not budget:
        return config, []
    codec = load(config.models.frame_codec)
    settings = config.djscc.within(budget, codec, source.format, config.belief)
    words = f"{settings.reals} reals for each 8x8 pixels of every frame"
    return config.model_copy(update={"djscc": settings}), [words]


DJSCC = Kind(
    schemes=("djscc-rgb",),
    make=_djscc,
    fit=_frames_within,
    models=lambda config: of_catalogue({"frame_codec": config.models.frame_codec}),
)


# Keyframes and differences as analogue symbols


def _dvst(config: Config, observers: Observers) -> Scheme:
    roads = PictureRoads(build.picture_codecs(config))
    settings = with_budget(config.dvst, config)
    return DvstScheme(roads, load(config.models.frame_differences), config.belief, settings, observers.clock)


def _of_dvst(config: Config) -> Models:
    keyframes = {f"picture_codec_{i}": name for i, name in enumerate(config.models.picture_codecs, 1)}
    return of_catalogue(keyframes | {"frame_differences": config.models.frame_differences})


DVST = Kind(
    schemes=("dvst",),
    make=_dvst,
    fit=lambda source, config: (config, [with_budget(config.dvst, config).in_words()]),
    models=_of_dvst,
    own_budget="dvst",
    probe=lambda config: _dvst(config, Observers()),
)


def with_budget(settings: HasBudget, config: Config) -> HasBudget:
    """A section's settings, where ``coding.budget`` comes before their own."""
    return replace(settings, budget=config.coding.budget) if config.coding.budget else settings


KINDS: tuple[Kind, ...] = (GENERATIVE, LAYERED, ADAPTIVE, CONVENTIONAL, DJSCC, DVST, AUTO)
