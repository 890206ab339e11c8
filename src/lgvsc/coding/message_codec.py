"""Segments to bursts and back: the transmitter's and the receiver's view of the same few parts.

A burst is a preamble and a control block, then the parts of ``coding/parts`` that are sent, in their order. Every part
has its own code and can be lost by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from torch import Tensor

from lgvsc.channel.common import erase_bad
from lgvsc.coding.belief import Belief
from lgvsc.coding.budget import Budget, KeyframeAllowance, PicturePlan
from lgvsc.coding.burst.control import AdvisedControl, MessageControl, described
from lgvsc.coding.burst.control_block import MAX_CONTROL_SYMBOLS
from lgvsc.coding.burst.framing import ControlRead, bursts
from lgvsc.coding.modem.link_adaptation import McsRule
from lgvsc.coding.parts import PARTS
from lgvsc.coding.parts.part import Coded, Heard, MessagePart, Terms, Tools
from lgvsc.coding.parts.pictures import Keyframe
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.coding.pictures.sketches import SketchRoad
from lgvsc.core.air import Burst, Reception
from lgvsc.core.bare import is_bare
from lgvsc.core.message import LOOKS, PartStatus, Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError

INSURES_BELOW = 0.2  # of the small frames' symbols: a keyframe of fewer is for their loss, and put away where they are


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingConfig:
    """How a message is put on the air.

    Attributes:
        budget: Limit on all symbols, for example ``"6e-4cbr"``; empty for none.
        framed: Every limit has to pay for radio frames around bursts, too, as with ``send --samples-per-symbol``.
        keyframe_cbr: Symbols of one keyframe over ``3 x H x W`` where there is no budget.
        max_cbr: Where there is none, keyframes that come thick get less, so that a video of three seconds or more
            stays below this CBR. 0 for no such limit.
        sketch_symbols: Of each sketch after the first of a segment, on average; the first has always 1024. GVSC's
            0.0026 for eight sketches of a video leaves 438.
        believed_snr_db: What the transmitter thinks the channel's Es/N0 is; ``None``: it knows.
        mcs: How captions and side information are modulated and coded: ``adaptive`` to the believed SNR, as in LGVSC's
            Table I (``lgvsc-table-1``, or ``paper``), or by turbo code and 4-QAM (``gvsc``). Keyframes adapt always.
        refine_steps: How often the transmitter improves each keyframe's analogue symbols (compact NTSCC) for the
            receiver that it knows; 12 bring most of it, at 60 ms each for 256x256 pixels. Where it advises the vivid
            look they lower LPIPS and DISTS as well and take four times as long; 6 bring most of it there.
        look: How the transmitter advises to show keyframes: 0, faithful, which need not be said, 0.5, or 1, vivid.
    """

    budget: str = ""
    framed: bool = False
    keyframe_cbr: float = 0.02
    max_cbr: float = 0.0
    sketch_symbols: int = 438
    believed_snr_db: float | None = None
    mcs: Literal["adaptive", "lgvsc-table-1", "gvsc", "paper"] = "adaptive"
    refine_steps: int = 0
    look: float = 0.0

    def __post_init__(self) -> None:
        if self.budget:
            Budget.parse(self.budget)
        if not 0 <= self.max_cbr <= 1:
            raise ConfigError(f"coding.max_cbr is {self.max_cbr}, but it lies in [0, 1]; 0 is no limit")
        if not 0 < self.keyframe_cbr <= 1:
            raise ConfigError(f"coding.keyframe_cbr is {self.keyframe_cbr}, but it lies in (0, 1]; 0.02 is usual")
        if not 16 <= self.sketch_symbols <= 1024:
            raise ConfigError(f"coding.sketch_symbols is {self.sketch_symbols}; give 16 to 1024 for each sketch")
        if self.mcs not in (*get_args(McsRule), "paper"):
            raise ConfigError(f"coding.mcs is {self.mcs!r}; there are {', '.join(get_args(McsRule))} and paper")
        if self.refine_steps < 0:
            raise ConfigError(f"coding.refine_steps is {self.refine_steps}; give 0 for none; 12 bring most of the gain")
        if self.look not in LOOKS:
            raise ConfigError(f"coding.look is {self.look}; what can be advised is 0 (faithful), 0.5 or 1 (vivid)")

    @property
    def text_mcs(self) -> McsRule:
        """The rule for captions and side information; ``paper`` is LGVSC's."""
        return "lgvsc-table-1" if self.mcs == "paper" else self.mcs

    @property
    def layout(self) -> type[MessageControl]:
        """The layout of control of what has no part that needs one of its own."""
        return AdvisedControl if self.look else MessageControl


class MessageCodec:
    """Puts segments on the air and reads them back.

    Args:
        roads: The ways that a keyframe can take.
        belief: What the transmitter believes of the channel. The receiver does not use it.
        config: Budget and keyframe quality.
        make_sketches: Loads what codes sketches; called when there is one to send or to read. ``None``: cannot.
        parts: What a burst may hold, in the order sent.
        plan: Which keyframes will come, where that was settled beforehand.
    """

    def __init__(
        self,
        roads: PictureRoads,
        belief: Belief,
        config: CodingConfig,
        make_sketches: Callable[[], SketchRoad] | None = None,
        *,
        parts: Sequence[type[MessagePart]] = PARTS,
        plan: PicturePlan | None = None,
    ) -> None:
        self._parts = tuple(part(Tools(roads, make_sketches)) for part in parts)
        self._belief = belief
        self._config = config
        self._plan = plan
        self._latest: type[MessageControl] = MessageControl  # layout that was read; the next burst's is likely the same

    def encode(self, segments: Iterable[Segment]) -> Iterator[tuple[Segment, Burst]]:
        """One burst for each segment. Only the budget remembers anything from one to the next."""
        yield from ((segment, burst) for segment, burst, _ in self._coded(segments))

    def try_out(
        self, segments: Iterable[Segment], channel: Callable[[Tensor], Reception]
    ) -> Iterator[tuple[Segment, Burst, Segment]]:
        """Each segment, its burst, and what arrives of it where control does; that is not read, which takes long, and
        neither is a keyframe that would be put away.

        Args:
            segments: As for :meth:`encode`.
            channel: What the transmitter believes to be between it and the receiver.
        """
        for segment, burst, control in self._coded(segments):
            head = len(burst.parts[0].symbols)
            yield segment, burst, self._decode_segment(control, channel(burst.symbols)[head:], trial=True)

    def decode(self, receptions: Iterable[Reception]) -> Iterator[Segment]:
        """Segments whose control could be read, in the order of arrival, with whatever else was intact."""
        for control, body in bursts(receptions, self._read_control, control_symbols=MAX_CONTROL_SYMBOLS):
            yield self._decode_segment(control, body)

    def body_symbols(self, control: MessageControl) -> int | None:
        """Symbols that follow a control block; ``None`` where it announces what cannot be read here."""
        lengths = [part.length(control) for part in self._parts if isinstance(control, part.control)]
        known = [length for length in lengths if length is not None]
        return sum(known) if len(known) == len(lengths) else None

    # Transmitter

    def _coded(self, segments: Iterable[Segment]) -> Iterator[tuple[Segment, Burst, MessageControl]]:
        allowance: KeyframeAllowance | None = None
        for index, segment in enumerate(segments):
            allowance = allowance or self._allowance(segment.video)
            yield segment, *self._encode_segment(segment, index, allowance)

    def _encode_segment(
        self, segment: Segment, index: int, allowance: KeyframeAllowance
    ) -> tuple[Burst, MessageControl]:
        terms = Terms(belief=self._belief, sketch_symbols=self._config.sketch_symbols)
        coded = {part: part.encode(segment, terms) for part in self._parts if not part.fills}
        layout = _layout_for([part.control for part, sent in coded.items() if sent])
        layout = self._config.layout if layout is MessageControl else layout
        spent = self._belief.head_symbols(layout) + sum(len(sent) for sent in coded.values() if sent)
        pictures = [picture for picture in (segment.keyframe, segment.closing_keyframe) if picture is not None]
        bare = sum(is_bare(picture) for picture in pictures)
        bare = bare if bare < len(pictures) else 0
        symbols = allowance.picture_symbols(len(segment), spent, len(pictures) - bare, bare)
        terms = replace(terms, picture_symbols=symbols)
        filling = {part: part.encode(segment, terms) for part in self._parts if part.fills}
        allowance.spend(sum(len(sent) for sent in filling.values() if sent))
        sent = [both for part in self._parts if (both := (coded | filling)[part])]
        values = described(segment.video, segment.start, len(segment), segment.last)
        values["cut"] = segment.cut - segment.start if segment.cut is not None else 0
        if layout is AdvisedControl:
            values["look"] = LOOKS.index(self._config.look)
        control = layout.saying(**values, **_announced(sent))
        head = control.part(self._belief.esn0_db, self._belief.insured_db)
        return Burst(index, (head, *(piece for part in sent for piece in part.pieces))), control

    def _allowance(self, video: VideoFormat) -> KeyframeAllowance:
        config, belief = self._config, self._belief
        per_frame = belief.symbols_per_frame(config.budget, video) if config.budget else None
        max_cbr = config.max_cbr * belief.data_share
        return KeyframeAllowance(video, config.keyframe_cbr, per_frame, self._plan, max_cbr)

    # Receiver

    def _read_control(self, received: Reception) -> ControlRead[MessageControl] | None:
        """What follows a preamble, as control; ``None`` where it is none."""
        read = read_control(received, [type(part) for part in self._parts], likely=self._latest)
        if read is None or (symbols := self.body_symbols(read[0])) is None:
            return None
        self._latest = type(read[0])
        return ControlRead(*read, symbols)

    def _decode_segment(self, control: MessageControl, body: Reception, trial: bool = False) -> Segment:
        body, erased = erase_bad(body)
        found: dict[str, object] = {}
        status: dict[str, PartStatus] = {"control": "ok"}
        symbols: dict[str, int] = {}
        at = 0
        for part in self._parts:
            heard = Heard(status=dict.fromkeys(part.names, "absent"))
            if isinstance(control, part.control):
                length = symbols[part.names[0]] = part.length(control) or 0
                insures = isinstance(part, Keyframe) and length < INSURES_BELOW * symbols.get("structure", 0)
                put_away = insures and found.get("structure") is not None
                if not (put_away and trial):
                    heard = part.decode(body[at : at + length], control)
                if put_away:
                    heard = Heard(status=heard.status)
                at += length
            found |= heard.found
            status |= heard.status
        return control.segment().changed(**found, erased_symbols=erased, status=status)


def read_control(
    received: Reception, parts: Iterable[type[MessagePart]] = PARTS, likely: type[MessageControl] = MessageControl
) -> tuple[MessageControl, int] | None:
    """The control block that a reception begins with, in any layout of these parts, and how many symbols it took.

    Args:
        received: What follows a preamble.
        likely: The layout that is tried first.
    """
    announced: list[type[MessageControl]] = [MessageControl, AdvisedControl, *(part.control for part in parts)]
    whole = dict.fromkeys(announced)
    layouts = dict.fromkeys([likely, *(each for layout in whole for each in (layout, *layout.shorter))])
    return next((read for layout in layouts if (read := layout.read(received))), None)


def _layout_for(needed: Iterable[type[MessageControl]]) -> type[MessageControl]:
    """The layout that announces all that is sent: of those needed the one that has the fields of every other."""
    best: type[MessageControl] = MessageControl
    for layout in needed:
        if issubclass(layout, best):
            best = layout
        elif not issubclass(best, layout):
            raise ConfigError(
                f"no layout of control announces both what {best.__name__} and what {layout.__name__} do; send one"
            )
    return best


def _announced(sent: Iterable[Coded]) -> dict[str, int]:
    return {name: value for part in sent for name, value in part.announced.items()}
