"""What the stages ask of each other: small protocols, implemented by presets' models and by tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

from lgvsc.core.air import Burst, Reception
from lgvsc.core.cost import Cost
from lgvsc.core.message import Motion, Segment
from lgvsc.core.video import Frame, Pixels, Video, VideoFormat

Focus: TypeAlias = Literal["general", "main_object", "background"]
Provenance: TypeAlias = Literal["received", "generated", "concealed", "missing"]

FOCUSES: tuple[Focus, ...] = ("general", "main_object", "background")


class Captioner(Protocol):
    """Puts frames into words. ``cost`` is where its work is written down."""

    name: str
    cost: Cost

    def describe_pair(self, first: Frame, second: Frame) -> tuple[str, str]:
        """One description of each, in the same words where the two show the same thing."""
        ...

    def caption(self, frames: Sequence[Frame], motion: Motion | None, max_bytes: int) -> str:
        """One caption for a segment, made for the world model, at most ``max_bytes`` of UTF-8."""
        ...


@dataclass(frozen=True, slots=True)
class Detection:
    """Something that a detector knows.

    Attributes:
        kind: What it is, in English.
        score: How sure the detector is, 0..1.
        box: Top, left, bottom, right, as fractions of the picture.
    """

    kind: str
    score: float
    box: tuple[float, float, float, float]


class Detector(Protocol):
    """Finds things in pictures."""

    name: str

    def detect(self, pixels: Pixels) -> tuple[Detection, ...]:
        """Everything that it knows in an RGB picture, likeliest first."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """Probabilities of the two labels at the answer position, from a softmax over the whole vocabulary."""

    p_yes: float
    p_no: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer and the two descriptions that it is about."""

    answer: Answer
    texts: tuple[str, str]


class Judge(Protocol):
    """A language model that is asked a yes/no question and never samples. ``cost`` as with the captioner."""

    name: str
    cost: Cost

    def answer(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        """One forward pass for each pair of descriptions."""
        ...


@runtime_checkable
class FrameDescriber(Protocol):
    """A captioner that also describes frames one by one, so that each needs describing once."""

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that a description depends on besides the frame."""
        ...

    def describe(self, frames: Sequence[Frame]) -> list[str]:
        """One description of each frame."""
        ...


@runtime_checkable
class FollowsFocus(Protocol):
    """A captioner that describes a pair for the aspect that the judge will be asked about."""

    def describe_pair_for(self, first: Frame, second: Frame, focus: Focus) -> tuple[str, str]:
        """As ``describe_pair``, about what the focus is about."""
        ...


@runtime_checkable
class TellsApart(Protocol):
    """A captioner that measures, and so knows of some pairs by itself what a judge of its words would only guess."""

    def tell_apart(self, first: Frame, second: Frame) -> Answer | None:
        """The answer whether both show the same, where there is nothing to judge; ``None`` leaves it to the judge."""
        ...


@runtime_checkable
class SeeingJudge(Protocol):
    """A judge that sees the frames itself."""

    def compare(self, question: str, keyframe: Frame, candidates: Sequence[Frame]) -> list[Comparison]:
        """Describe both frames, then answer, in one conversation for each candidate."""
        ...

    def look(self, question: str, keyframe: Frame, candidates: Sequence[Frame]) -> list[Answer]:
        """Answer at once, without a description."""
        ...


class PictureHeader(NamedTuple):
    """What the control stream says of a picture; all zero where none is sent.

    Attributes:
        codec: Which :class:`PictureCodec` reads it, 0..3.
        length: Size of the payload in units of the codec (bytes on the digital road), below 2^17.
        mode: Modulation and coding scheme on the digital road, below 32.
    """

    codec: int
    length: int
    mode: int


@dataclass(frozen=True, slots=True, eq=False)
class CodedPicture:
    """A picture as channel symbols, with the few numbers that the control stream must carry for it.

    Attributes:
        symbols: complex64 ``(n,)``, unit mean energy.
        codec: Which :class:`PictureCodec` reads them, 0..3.
        length: Size of the payload in units of the codec (bytes on the digital road), below 2^17.
        mode: Modulation and coding scheme on the digital road, below 32.
        payload_bits: Information bits carried; 0 for analogue symbols.
        expected: What the receiver will see where nothing is lost; ``None`` where that depends on the noise.
    """

    symbols: Tensor
    codec: int
    length: int
    mode: int
    payload_bits: int = 0
    expected: Pixels | None = None

    @property
    def header(self) -> PictureHeader:
        """What the control stream must carry."""
        return PictureHeader(self.codec, self.length, self.mode)


class PictureCodec(Protocol):
    """Sends one picture within a symbol budget: the digital road, or a learned joint source-channel code."""

    name: str
    codec: int

    def encode(self, picture: Pixels, *, max_symbols: int, snr_db: float) -> CodedPicture:
        """The best picture that fits. ``snr_db`` is what the transmitter believes of the channel."""
        ...

    def symbol_count(self, length: int, mode: int, height: int, width: int) -> int:
        """How many symbols the receiver must take for a picture announced with these numbers."""
        ...

    def decode(self, received: Reception, length: int, mode: int, height: int, width: int) -> Pixels | None:
        """The picture, or ``None`` where it cannot be had."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditions:
    """Everything a world model is given to make a segment.

    Attributes:
        video: Size and rate of what is to be made.
        start, stop: Half-open range of frames to make.
        first: Picture at ``start``.
        last: Picture at ``last_index``, which is ``stop`` (the next keyframe) or ``stop - 1`` (the video's last).
        caption, motion: As received.
        colours: Mean colours of the picture's cells over the segment, as received: uint8 RGB ``(8, 8, 3)``.
        cut: First frame of a new shot, in ``(start, stop]``.
        latent_frames: What the adapter settled on, in the world model's own units.
        seed: Of the segment's own generator.
        sketches: Drawings of single frames, each with its index in the video: uint8 ``(H, W)``, 255 on a contour. Only
            for world models that take them.
        small_frames: Frames of the structure layer, decoded and enlarged, each with its index in the video: uint8
            ``(H, W, 3)``, blurred and in the right place. Only for world models that take them.
    """

    video: VideoFormat
    start: int
    stop: int
    first: Pixels | None
    last: Pixels | None
    last_index: int
    caption: str | None
    motion: Motion | None
    cut: int | None
    latent_frames: int
    seed: int
    sketches: tuple[tuple[int, Pixels], ...] = ()
    colours: Pixels | None = None
    small_frames: tuple[tuple[int, Pixels], ...] = ()


class WorldModel(Protocol):
    """Makes the frames of a segment from what was received of it."""

    name: str

    def latent_frames(self, frames: int) -> int:
        """Temporal size of the latent for a segment of so many frames."""
        ...

    def generate(self, conditions: Conditions) -> Iterator[Pixels]:
        """Exactly ``stop - start`` frames, uint8 ``(H, W, 3)``, one by one."""
        ...


class Channel(Protocol):
    """A physical channel."""

    kind: str
    snr_db: float

    def __call__(self, symbols: Tensor) -> Reception:
        """Pass complex symbols through; noise comes from the channel's own generator."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Rebuilt:
    """A piece of the rebuilt video and, for each frame, where it came from."""

    video: Video
    provenance: tuple[Provenance, ...]


class Scheme(Protocol):
    """A complete way to send video."""

    @property
    def name(self) -> str:
        """Scheme id."""
        ...

    def transmit(self, frames: Iterable[Frame], video: VideoFormat) -> Iterator[tuple[Segment, Burst]]:
        """One burst for each segment, as soon as it is known."""
        ...

    def reconstruct(
        self, receptions: Iterable[Reception], on_segment: Callable[[Segment], None] = ...
    ) -> Iterator[Rebuilt]:
        """The video, piece by piece, from what arrived; each segment is shown as it was received."""
        ...
