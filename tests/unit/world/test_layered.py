from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from lgvsc.core.message import Segment, StructureLayer
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError, InputError
from lgvsc.nets.enhancer import Enhancer, EnhancerConfig
from lgvsc.world.backends.compact.interpolation import MotionInterpolation
from lgvsc.world.decoder import SemanticDecoder
from lgvsc.world.enhancing import as_coarse, move_onto, texture_of
from lgvsc.world.layered import CompactEnhancer, LayeredWorld, Structure, filled_in, load
from lgvsc.world.spans import Span

CODED = (48, 64)
STRUCTURE = Structure(coded=CODED, quantiser=45.0, interval_s=0.2)


def scene(shift: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    wide = cv2.GaussianBlur(cv2.resize(noise, (360, 240), interpolation=cv2.INTER_CUBIC), (0, 0), 1.0)
    return np.ascontiguousarray(wide[24:216, 40 + shift : 296 + shift])


def untrained() -> CompactEnhancer:
    config = EnhancerConfig(width=4, blocks=1)
    weights = Enhancer(config).state_dict()
    return CompactEnhancer(config, weights, weights)


def error(one: np.ndarray, other: np.ndarray) -> float:
    inner = (slice(16, -16), slice(16, -16))
    return float(np.abs(one[inner].astype(int) - other[inner].astype(int)).mean())


def test_a_keyframe_moved_onto_a_small_frame_is_nearer_to_the_truth_than_either() -> None:
    key, truth = scene(0), scene(5)
    plain = as_coarse(truth, CODED)
    moved, trust, flows = texture_of(plain, [(key, as_coarse(key, CODED))], [None])
    assert error(moved, truth) < 0.6 * min(error(plain, truth), error(key, truth))
    assert trust.shape == truth.shape[:2] and flows[0] is not None


def test_a_keyframe_of_something_else_is_not_trusted() -> None:
    other = np.ascontiguousarray(255 - scene(0)[::-1])
    right = move_onto(as_coarse(scene(4), CODED), as_coarse(scene(0), CODED)).trust
    wrong = move_onto(as_coarse(scene(4), CODED), as_coarse(other, CODED)).trust
    assert float(wrong.mean()) < 0.3 * float(right.mean())


def test_untrained_it_shows_the_small_frames_as_they_are() -> None:
    plain = [as_coarse(scene(shift), CODED) for shift in (0, 3, 6)]
    for keys in ([], [scene(0)], [scene(0), scene(6)]):
        made = list(untrained().enhanced(plain, STRUCTURE, keys, look=0.5))
        assert len(made) == 3 and all(np.array_equal(a, b) for a, b in zip(made, plain, strict=True))


def test_a_look_beyond_its_ends_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"look is 1\.5"):
        list(untrained().enhanced([scene(0)], STRUCTURE, look=1.5))


def test_frames_between_small_frames_move() -> None:
    made = list(filled_in([(2, scene(0)), (6, scene(8))], 10))
    assert len(made) == 10 and np.array_equal(made[0], scene(0)) and np.array_equal(made[9], scene(8))
    assert np.array_equal(made[2], scene(0)) and np.array_equal(made[6], scene(8))
    assert error(made[4], scene(4)) < 0.5 * error(scene(0), scene(4))


def test_from_no_pictures_no_frames_are_made() -> None:
    with pytest.raises(ConfigError, match="there are no pictures"):
        list(filled_in([], 4))


def test_other_bytes_are_no_weights() -> None:
    with pytest.raises(InputError, match="weights of an enhancer"):
        load(b"nonsense and more")


# Segments with a structure layer, through the decoder

VIDEO = VideoFormat(192, 256, Fraction(12), 24)
LAYER = StructureLayer(codec=2, eighths=2, step=4, quantiser=45, payload=b"small frames")
PLACES = (2, 6, 10)


def read(layer: StructureLayer, height: int, width: int, length: int) -> list[tuple[int, np.ndarray]]:
    """A stand-in for the codec: as many small frames as the payload has words."""
    return [(place, as_coarse(scene(place), CODED)) for place in PLACES[: len(layer.payload.split())]]


def decoded(segments: list[Segment], layered: bool = True) -> tuple[np.ndarray, list[str]]:
    world = LayeredWorld(untrained, read, lambda height, width, eighths: CODED)
    decoder = SemanticDecoder(MotionInterpolation(), layered=world if layered else None)
    pieces = list(decoder.videos(segments))
    return np.concatenate([piece.video.frames for piece in pieces]), [o for piece in pieces for o in piece.provenance]


def segments(structure: StructureLayer | None, **changes: object) -> list[Segment]:
    first = Segment(video=VIDEO, start=0, stop=12, keyframe=scene(0), caption="a pan", structure=structure)
    second = Segment(video=VIDEO, start=12, stop=24, keyframe=scene(12), caption="a pan", last=True)
    return [first.changed(**changes), second]


def test_a_structure_layer_says_where_things_are() -> None:
    frames, origin = decoded(segments(LAYER, keyframe=None, caption=None))
    assert len(frames) == 24 and origin[:12] == ["generated"] * 12
    assert all(np.array_equal(frames[place], as_coarse(scene(place), CODED)) for place in PLACES[:2])
    assert error(frames[8], scene(8)) < error(frames[8], scene(2))


class Follows(MotionInterpolation):
    """A world model that makes frames from small frames itself."""

    takes_small_frames = True

    def __init__(self) -> None:
        super().__init__()
        self.given: list[list[int]] = []

    def generate(self, conditions):  # type: ignore[no-untyped-def]
        self.given.append([index for index, _ in conditions.small_frames])
        return super().generate(conditions)


def test_a_world_model_that_takes_small_frames_is_given_them_where_they_stand() -> None:
    world = Follows()
    layered = LayeredWorld(lambda: pytest.fail("the network is not needed"), read, lambda *_: CODED)
    pieces = list(SemanticDecoder(world, layered=layered).videos(segments(LAYER)))
    assert world.given == [list(PLACES[:2]), []] and sum(len(piece.video.frames) for piece in pieces) == 24
    lost = segments(replace(LAYER, payload=b""), keyframe=None, caption=None)
    assert len(list(SemanticDecoder(Follows(), layered=layered).videos(lost))) > 0


@pytest.mark.parametrize("structure", [None, replace(LAYER, payload=b"")])
def test_without_one_or_with_one_that_cannot_be_decoded_the_video_is_as_ever(structure: StructureLayer | None) -> None:
    frames, origin = decoded(segments(structure))
    ever, as_ever = decoded(segments(None), layered=False)
    assert np.array_equal(frames, ever) and origin == as_ever


def test_where_nothing_else_arrived_and_it_cannot_be_decoded_the_last_picture_is_held() -> None:
    nothing = Segment(video=VIDEO, start=12, stop=24, last=True, structure=replace(LAYER, payload=b""))
    frames, origin = decoded([segments(LAYER)[0], nothing])
    assert origin[12:] == ["missing"] * 12 and error(frames[12], frames[11]) < 12


def test_where_its_end_was_lost_frames_go_on_to_the_next_keyframe() -> None:
    frames, _ = decoded(segments(replace(LAYER, payload=b"one"), keyframe=None))
    assert np.array_equal(frames[2], as_coarse(scene(2), CODED)) and len(frames) == 24
    assert error(frames[11], scene(12)) < error(frames[3], scene(12))


def test_frames_of_a_lost_burst_are_concealed_from_its_last_small_frame_on() -> None:
    first, second = segments(LAYER)
    frames, origin = decoded([first, second.changed(start=18, keyframe=scene(18))])
    assert origin[:12] == ["generated"] * 12 and origin[12:18] == ["concealed"] * 6
    assert error(frames[17], scene(18)) < error(frames[11], scene(18))


# What the transmitter advises


def world(look: float | None = None) -> LayeredWorld:
    """With a network whose faithful end darkens what it is given and whose vivid end makes it brighter."""
    config = EnhancerConfig(width=4, blocks=1)
    ends = [Enhancer(config).state_dict() for _ in range(2)]
    for weights, change in zip(ends, (-0.1, 0.1), strict=True):
        weights["leave.bias"][: 3 * 16] = change
    return LayeredWorld(lambda: CompactEnhancer(config, *ends), read, lambda height, width, eighths: CODED, look)


def spanned(layer: StructureLayer, fps: int = 12) -> Span:
    return Span(
        video=replace(VIDEO, fps=Fraction(fps)),
        start=0,
        stop=12,
        announced=range(12),
        last_index=12,
        structure=layer,
        segment_frames=12,
    )


def brightness(layer: StructureLayer, look: float | None = None, fps: int = 12) -> float:
    span = spanned(layer, fps)
    frames = list(world(look).frames(span))
    assert len(frames) == 12
    glimpses = world(look).glimpses(span, [2, 5, 10, 11])
    assert all(error(frames[place], picture) < 3 for place, picture in glimpses.items()) and len(glimpses) == 4
    return float(np.mean(frames) - np.mean([picture for _, picture in read(layer, 0, 0, 0)]))


def test_a_glimpse_costs_one_picture_and_what_it_warms_up_with(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    forward = Enhancer.forward
    monkeypatch.setattr(Enhancer, "forward", lambda net, known: (made.append(1), forward(net, known))[1])
    span = spanned(LAYER_3)
    for warm_up, cost in ((0, 1), (1, 2)):
        made.clear()
        shown = world().glimpses(span, [10], warm_up)
        assert len(made) == cost and list(shown) == [10]


LAYER_3 = replace(LAYER, payload=b"small frames here")


def test_the_look_that_is_advised_is_shown_unless_the_receiver_has_one_of_its_own() -> None:
    faithful, plain, half, vivid = (brightness(replace(LAYER_3, look=look)) for look in range(4))
    assert faithful < plain - 10 < plain + 10 < vivid and abs(half - plain) < 4
    assert brightness(replace(LAYER_3, look=0), look=1.0) == pytest.approx(vivid, abs=0.5)


def test_a_receiver_may_change_its_look_between_segments() -> None:
    """A segment is made when the next one arrives, and then as the look stands."""
    decoder = SemanticDecoder(MotionInterpolation(), layered=world(0.0))

    def arriving() -> Iterator[Segment]:
        for start, look in ((0, 0.0), (12, 1.0), (24, 0.0)):
            decoder.change_look(look)
            yield Segment(video=VIDEO, start=start, stop=start + 12, structure=LAYER_3, last=start == 24)

    frames = np.concatenate([piece.video.frames for piece in decoder.videos(arriving())])
    vivid, faithful, last = (frames[start : start + 12].mean() for start in (0, 12, 24))
    assert vivid > faithful + 10 and last == pytest.approx(faithful, abs=2)


def test_of_more_small_frames_than_there_is_time_for_some_are_enhanced_and_their_detail_is_moved_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few, run = [], Enhancer.forward
    monkeypatch.setattr(Enhancer, "forward", lambda net, known: few.append(known) or run(net, known))
    usual = brightness(replace(LAYER_3, look=3))
    enhanced, few[:] = len(few), []
    assert brightness(replace(LAYER_3, look=3), fps=48) == pytest.approx(usual, abs=2)
    assert len(few) < enhanced


def test_near_pictures_are_filled_in_the_quick_way_and_move_as_well() -> None:
    pair = [(0, scene(0)), (4, scene(8))]
    made = list(filled_in(pair, 5, quick_gap=4))
    assert error(made[2], scene(4)) < 0.5 * error(scene(0), scene(4))
    assert not np.array_equal(made[2], list(filled_in(pair, 5))[2])
