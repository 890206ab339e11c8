"""The settings themselves: everything that a run depends on besides the video, as one frozen object.

Reading them from presets, schemes and single settings is the business of :mod:`lgvsc.config`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lgvsc.channel.settings import ChannelConfig
from lgvsc.channel.waveform import DATA_SHARE, FRAME_SYMBOLS
from lgvsc.coding.belief import Belief
from lgvsc.coding.budget import Objective
from lgvsc.coding.message_codec import CodingConfig
from lgvsc.errors import ConfigError
from lgvsc.metrics.registry import DEFAULT, LOOK_EVERY, parse_metrics
from lgvsc.schemes.auto import AutoConfig
from lgvsc.schemes.conventional import ConventionalConfig
from lgvsc.schemes.djscc_rgb import DjsccConfig
from lgvsc.schemes.dvst import DvstSchemeConfig
from lgvsc.schemes.gvsc_rates import Accounting
from lgvsc.schemes.ladder import LadderConfig
from lgvsc.schemes.layered_division import StructureConfig
from lgvsc.schemes.table_1 import PaperRow, paper_row
from lgvsc.semantics.backends.large.server_config import ServerConfig
from lgvsc.semantics.backends.large.text_judge_config import TextJudgeConfig
from lgvsc.semantics.backends.large.vision_language import LargeModelConfig
from lgvsc.semantics.encoder import EncoderConfig
from lgvsc.semantics.keyframes import KeyframeConfig
from lgvsc.world.backends.diffusers.video import DiffusersConfig
from lgvsc.world.backends.opensora.opensora import OpenSoraConfig
from lgvsc.world.decoder import DecoderConfig

ONE_RATE = (
    "channel.snr_def = 'ebn0' needs one code rate and modulation for all that is sent, as in "
    "conventional.mode = 'paper'; give Es/N0 here"
)


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


class EvaluationConfig(BaseModel):
    """Who looks at rebuilt videos in the papers' tasks, by names of the catalogue; changes no symbol."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    describer: str = "compact-captioner"  # any captioner
    draws: int = Field(default=3, ge=1)  # of a describer that draws words by chance, as in GVSC, section III-B
    action: str = "timesformer-base-k400"
    depth: str = "depth-anything-v2-small"


class Config(BaseModel):
    """Everything that a run depends on besides the video."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    scheme: str
    seed: int = 0
    objective: Objective = "look"  # what a budget is spent for, see lgvsc.planning_trials
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
    text_judge: TextJudgeConfig = TextJudgeConfig()
    link: LinkConfig = LinkConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    conventional: ConventionalConfig = ConventionalConfig()
    djscc: DjsccConfig = DjsccConfig()
    dvst: DvstSchemeConfig = DvstSchemeConfig()
    structure: StructureConfig = StructureConfig()
    auto: AutoConfig = AutoConfig()
    ladder: LadderConfig = LadderConfig()
    chosen_by: str = ""  # the scheme that chose this one, where the user did not

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
    def keyframe_look(self) -> float:
        """How keyframes are shown by a receiver of this configuration, which has learned what is advised."""
        return self.coding.look if self.world.look is None else self.world.look

    @property
    def belief(self) -> Belief:
        """What the transmitter believes of the channel."""
        share, framed = self.channel.data_share, self.coding.framed
        return Belief(
            self._as_esn0_db(self.believed_snr_db),
            self.coding.text_mcs,
            data_share=share * DATA_SHARE if framed else share,
            frame_symbols=FRAME_SYMBOLS if framed else 0,
        )

    @property
    def esn0_db(self) -> float:
        """Es/N0 of the channel, from whatever ``channel.snr_def`` says that its SNR is.

        Eb/N0 is per information bit of what is sent: Es/N0 = Eb/N0 + 10 log10(code rate x bits per symbol).

        Raises:
            ConfigError: Eb/N0, and the code rate is chosen while the video is sent.
        """
        return self._as_esn0_db(self.channel.snr_db)

    @property
    def paper_row(self) -> PaperRow | None:
        """The row of LGVSC's Table I that a standard codec is sent by; ``None`` in its other modes.

        Raises:
            ConfigError: The table has no such codec.
        """
        settings = self.conventional
        return paper_row(settings.codec, self.believed_snr_db) if settings.mode == "paper" else None

    def _as_esn0_db(self, snr_db: float) -> float:
        if self.channel.snr_def == "esn0":
            return snr_db
        row = self.paper_row  # only a kind of scheme that has one rate is let through, see kinds.check
        if row is None:
            raise ConfigError(ONE_RATE)
        return row.esn0_db(snr_db, "ebn0")


def with_chosen_scheme(config: Config, scheme: str) -> Config:
    """The configuration under the scheme that ``auto`` or ``gvsc-adaptive`` chose.

    What the scheme's own file sets comes before the rest.
    """
    data = config.model_dump() | {"scheme": scheme, "chosen_by": config.scheme}
    merge(data, of_scheme(scheme))
    return Config.model_validate(data)


def of_scheme(name: str) -> dict[str, Any]:
    """What a scheme's own file sets; nothing where it has none."""
    file = packaged() / "schemes" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def packaged() -> Any:
    """The folder of presets that lgvsc ships."""
    return resources.files("lgvsc") / "presets"


def merge(data: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Lay changes over data, section by section."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(data.get(key), dict):
            merge(data[key], value)
        else:
            data[key] = value
