"""Configuration: a preset, a scheme laid over it, and single settings on top. Reading one runs no code of ours.

A preset is a TOML file that names one model for each role and one value for each setting; a scheme is a TOML file
that changes a few of them. Unknown keys are errors that name the nearest known one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lgvsc.channel.settings import ChannelConfig
from lgvsc.coding.frames.elementary import CODECS
from lgvsc.coding.message_codec import CodingConfig
from lgvsc.errors import ConfigError
from lgvsc.metrics.registry import DEFAULT, LOOK_EVERY, parse_metrics
from lgvsc.schemes.auto import AutoConfig
from lgvsc.schemes.conventional import ConventionalConfig
from lgvsc.schemes.djscc_rgb import DjsccConfig
from lgvsc.schemes.dvst import DvstSchemeConfig
from lgvsc.schemes.gvsc_rates import Accounting
from lgvsc.schemes.ladder import LadderConfig
from lgvsc.schemes.table_1 import paper_row
from lgvsc.semantics.backends.large.openai_server import ServerConfig
from lgvsc.semantics.backends.large.vision_language import LargeModelConfig
from lgvsc.semantics.encoder import EncoderConfig
from lgvsc.semantics.keyframes import KeyframeConfig
from lgvsc.semantics.thresholds import StoredThreshold
from lgvsc.world.adapters import check_combination
from lgvsc.world.backends.diffusers.video import DiffusersConfig
from lgvsc.world.backends.opensora.opensora import OpenSoraConfig
from lgvsc.world.decoder import DecoderConfig

GENERATIVE = ("skem-dsa", "skim-sfa", "skim-dsa", "text-only", "gvsc-first-frame", "gvsc-sketch", "gvsc-sketches")
CONVENTIONAL = tuple(f"{codec}-ldpc" for codec in CODECS)
DJSCC = "djscc-rgb"
DVST = "dvst"
AUTO = "auto"
GVSC_ADAPTIVE = "gvsc-adaptive"
SCHEMES = (*GENERATIVE, GVSC_ADAPTIVE, *CONVENTIONAL, DJSCC, DVST, AUTO)


class ModelRoles(BaseModel):
    """Which model of the catalogue plays each role."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    captioner: str
    judge: str
    picture_codecs: tuple[str, ...]  # the transmitter tries each and sends the best
    world_model: str
    frame_codec: str = "compact-deepjscc-rgb"  # of djscc-rgb
    frame_differences: str = "compact-dvst"  # of dvst, for all frames but keyframes
    enhancer: str = "compact-enhancer"  # of structure layers, at the receiver
    segment_captioner: str = ""  # describes segments for the world model, where the captioner is not to do it
    sketch_extractor: str = "compact-pidinet"
    sketch_codec: str = "compact-deepjscc-sketch"  # of a segment's first sketch
    sketch_differences: str = "compact-dvst-sketch"  # of the others
    sparse_world_model: str = ""  # where not every segment has a keyframe at both ends; else ``world_model``
    sketch_to_frame: str = ""  # makes a first frame of a sketch, for a world model that takes no sketches


class JudgeConfig(BaseModel):
    """How the judge is asked.

    ``questions`` is a TOML file with another wording for one or more focuses. ``mode`` is what the judge goes by, see
    :class:`~lgvsc.semantics.psss.Psss`. ``cache_dir`` keeps descriptions of frames on disk in cached mode; empty keeps
    them in memory. ``threshold_file`` is what ``lgvsc calibrate`` stored; its threshold replaces the preset's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    questions: str = ""
    rule: Literal["relative", "absolute"] = "relative"  # S_rel, or P(No) alone (LGVSC, Appendix C)
    mode: Literal["joint", "cached", "direct"] = "joint"
    cache_dir: str = ""
    threshold_file: str = ""


class LinkConfig(BaseModel):
    """What is said, shown and measured about the link; changes no symbol."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol_rate_hz: float = Field(default=10_000.0, gt=0)  # for airtime only
    max_side: int = Field(default=0, ge=0)  # larger videos are made smaller on reading; 0 takes them as they are
    pixel_format: Literal["yuv420p", "yuv444p"] = "yuv420p"  # of rebuilt videos; 4:4:4 plays in fewer places
    metrics: tuple[str, ...] = DEFAULT  # by name, see lgvsc.metrics.registry
    metrics_every: int = Field(default=1, ge=1)  # measure one frame in so many
    look_every: int = Field(default=LOOK_EVERY, ge=1)  # the same for metrics that are networks
    accounting: Accounting = "measured"  # "paper" says beside it what GVSC would have counted
    badge: bool = False  # write on each frame that was not received how it was made
    threads: int = Field(default=0, ge=0)  # of PyTorch, on the command line; 0 leaves it to PyTorch

    @field_validator("metrics", mode="before")
    @classmethod
    def known_metrics(cls, value: Any) -> Any:
        return parse_metrics(value) if isinstance(value, str | list | tuple) else value


class Config(BaseModel):
    """Everything that a run depends on besides the video."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    scheme: str
    seed: int = 0
    models: ModelRoles
    keyframes: KeyframeConfig
    message: EncoderConfig
    coding: CodingConfig
    channel: ChannelConfig
    world: DecoderConfig
    opensora: OpenSoraConfig = OpenSoraConfig()
    diffusers: DiffusersConfig = DiffusersConfig()
    judge: JudgeConfig = JudgeConfig()
    large_models: LargeModelConfig = LargeModelConfig()
    server: ServerConfig = ServerConfig()
    link: LinkConfig = LinkConfig()
    conventional: ConventionalConfig = ConventionalConfig()
    djscc: DjsccConfig = DjsccConfig()
    dvst: DvstSchemeConfig = DvstSchemeConfig()
    auto: AutoConfig = AutoConfig()
    ladder: LadderConfig = LadderConfig()
    chosen_by: Literal["", "auto", "gvsc-adaptive"] = ""  # who chose the scheme, where the user did not

    @property
    def is_conventional(self) -> bool:
        """Whether a standard video codec does it, instead of words and keyframes."""
        return self.scheme in CONVENTIONAL

    @property
    def is_generative(self) -> bool:
        """Whether words and keyframes are sent, and the receiver makes frames of its own."""
        return not self.is_conventional and self.scheme not in (DJSCC, DVST)

    @property
    def world_model(self) -> str:
        """Name of the world model: another one may be there for segments without a keyframe at both ends."""
        bounded = self.message.send_keyframes and self.message.send_closing
        return self.models.world_model if bounded else self.models.sparse_world_model or self.models.world_model

    @property
    def believed_snr_db(self) -> float:
        """SNR that the transmitter reckons with; the true one unless the configuration says otherwise."""
        believed = self.coding.believed_snr_db
        return self.channel.snr_db if believed is None else believed

    @property
    def esn0_db(self) -> float:
        """Es/N0 of the channel, from whatever ``channel.snr_def`` says that its SNR is.

        Eb/N0 is per information bit of what is sent: Es/N0 = Eb/N0 + 10 log10(code rate x bits per symbol).

        Raises:
            ConfigError: Eb/N0, and the code rate is chosen while the video is sent.
        """
        if self.channel.snr_def == "esn0":
            return self.channel.snr_db
        if self.is_conventional and self.conventional.mode == "paper":
            row = paper_row(self.conventional.codec, self.believed_snr_db)
            return row.esn0_db(self.channel.snr_db, self.channel.snr_def)
        raise ConfigError(
            "channel.snr_def = 'ebn0' needs one code rate and modulation for all that is sent, as in "
            "conventional.mode = 'paper'; give Es/N0 here"
        )


def with_chosen_scheme(config: Config, scheme: str) -> Config:
    """The configuration under the scheme that ``auto`` or ``gvsc-adaptive`` chose.

    What the scheme's own file sets comes before the rest.
    """
    data = config.model_dump() | {"scheme": scheme, "chosen_by": config.scheme}
    _merge(data, _scheme(scheme))
    return Config.model_validate(data)


def load_config(
    preset: str = "compact", scheme: str = "skem-dsa", settings: Sequence[str] | Mapping[str, Any] = ()
) -> Config:
    """Resolve a configuration.

    Args:
        preset: Name of a preset that lgvsc ships, or path of a TOML file.
        scheme: Scheme id, for example ``skem-dsa``.
        settings: Changes on top, as ``"section.key=value"`` strings or a mapping from dotted keys to values.

    Raises:
        ConfigError: Unknown preset, scheme or key; a value out of range; settings that contradict each other.
    """
    data = _preset(preset) | {"preset": preset, "scheme": scheme}
    _merge(data, _scheme(scheme))
    for key, value in parse_settings(settings).items():
        _set(data, key, value)
    _check_keys(data, Config)
    _take_threshold(data, explicit="keyframes.threshold" in parse_settings(settings))
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
    check_combination(config.keyframes.method, config.world.adapter)
    _ = config.esn0_db  # refuses Eb/N0 where it means nothing
    if config.is_conventional and scheme != f"{config.conventional.codec}-ldpc":
        raise ConfigError(
            f"conventional.codec = {config.conventional.codec!r} contradicts the scheme {scheme}; "
            f"take --scheme {config.conventional.codec}-ldpc"
        )
    return config


def presets() -> list[str]:
    """Names of the presets that lgvsc ships."""
    return sorted(p.name.removesuffix(".toml") for p in _files().iterdir() if p.name.endswith(".toml"))


def _files() -> Any:
    return resources.files("lgvsc") / "presets"


def _preset(name: str) -> dict[str, Any]:
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise ConfigError(f"preset file {path} does not exist")
        data = path.read_bytes()
    elif name in presets():
        data = (_files() / f"{name}.toml").read_bytes()
    else:
        raise ConfigError(f"no preset is called {name!r}; there are {', '.join(presets())}, or give a .toml file")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also: not UTF-8, integers of thousands of digits, deep nesting
        raise ConfigError(f"preset {name} is not valid TOML: {error}") from error


def _scheme(name: str) -> dict[str, Any]:
    if name == "skem-sfa":
        check_combination("skem", "sfa")
    if name not in SCHEMES:
        raise ConfigError(f"no scheme is called {name!r}" + _near(name, SCHEMES) + f"; there are {', '.join(SCHEMES)}")
    return tomllib.loads((_files() / "schemes" / f"{name}.toml").read_text(encoding="utf-8"))


def parse_settings(settings: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a mapping from dotted keys to values; ``"a.b=0.2"`` has a number, ``"a.b=word"`` a string."""
    return dict(settings) if isinstance(settings, Mapping) else dict(_parse_setting(text) for text in settings)


def _parse_setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"setting {text!r} has no '='; write for example keyframes.threshold=0.2")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return key.strip(), value.strip()  # a bare word is a string


def _take_threshold(data: dict[str, Any], explicit: bool) -> None:
    """The threshold out of ``judge.threshold_file``, where one is named and no other one is."""
    judge, keyframes = data.get("judge"), data.get("keyframes")
    path = judge.get("threshold_file") if isinstance(judge, dict) else None
    if isinstance(path, str) and path and isinstance(keyframes, dict) and not explicit:
        keyframes["threshold"] = StoredThreshold.read(Path(path)).threshold


def _merge(data: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(data.get(key), dict):
            _merge(data[key], value)
        else:
            data[key] = value


def _set(data: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, key = dotted.split(".")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{dotted!r}: {section!r} is a value, not a section")
    data[key] = value


def _check_keys(data: Mapping[str, Any], kind: Any, where: str = "") -> None:
    """Refuse unknown keys, at any depth, with the nearest known one."""
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)] if is_dataclass(kind) else list(kind.model_fields)
    for key, value in data.items():
        if key not in known:
            raise ConfigError(f"no setting is called {where + key!r}" + _near(where + key, [where + k for k in known]))
        if isinstance(value, dict) and (is_dataclass(hints[key]) or hasattr(hints[key], "model_fields")):
            _check_keys(value, hints[key], f"{where}{key}.")


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=2, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else f"; known are {', '.join(known)}"
