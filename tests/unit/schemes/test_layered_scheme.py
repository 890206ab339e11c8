"""The layered link: groups, how a budget is divided, and the whole way of a video through it."""

from __future__ import annotations

import time
from fractions import Fraction
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from lgvsc import link
from lgvsc.coding.belief import Belief
from lgvsc.coding.frames.standard_codec import coded_size
from lgvsc.coding.frames.structure import structure_frames
from lgvsc.coding.message_codec import CodingConfig
from lgvsc.coding.parts.structure import LookAndPictureControl
from lgvsc.coding.pictures.digital_picture import DigitalPictureCodec
from lgvsc.coding.pictures.roads import PictureRoads
from lgvsc.config import load_config
from lgvsc.core.message import LOOKS, Motion, Segment
from lgvsc.core.video import Frame, Video, VideoFormat, read_video, write_video
from lgvsc.errors import ConfigError
from lgvsc.nets.enhancer import Enhancer, EnhancerConfig
from lgvsc.schemes import layered_division
from lgvsc.schemes.layered import _least_frames
from lgvsc.schemes.layered_division import Divider, StructureConfig
from lgvsc.schemes.layered_groups import FrameGroup, Kept, begun_at, divided, groups_of, thinned
from lgvsc.world.layered import CompactEnhancer, LayeredWorld

VIDEO = VideoFormat(96, 128, Fraction(24), 48)


def scene(shift: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (24, 48, 3), dtype=np.uint8)
    wide = cv2.resize(noise, (384, 192), interpolation=cv2.INTER_CUBIC)
    move = np.float32([[1, 0, -40 - shift], [0, 1, -20]])
    return cv2.warpAffine(wide, move, (128, 96))


def pan(count: int = 48) -> list[np.ndarray]:
    return [scene(index) for index in range(count)]


# Groups


def gathered(segments: list[Segment], longest: int, least: int = 12, *, moves: bool = False) -> list[FrameGroup]:
    """Frames whose first sample is their index. From 20 on they are bright, or each second one is where all moves."""

    def picture(index: int) -> np.ndarray:
        made = np.full((96, 128, 3), 200 * (index % 2 if moves else index >= 20), np.uint8)
        made[0, 0, 0] = index
        return made

    kept = Kept(Frame(index, picture(index)) for index in range(segments[-1].stop))
    passed = list(kept)
    assert len(passed) == segments[-1].stop
    groups = list(groups_of(segments, kept, longest, least))
    assert [int(frame[0, 0, 0]) for group in groups for frame in group.frames] == list(range(segments[-1].stop))
    assert all(sum(map(len, group.segments)) == len(group) for group in groups)
    return groups


def parts(*ends: int, **last: object) -> list[Segment]:
    starts = (0, *ends[:-1])
    made = [
        Segment(video=VIDEO, start=a, stop=b, caption=f"{a}", keyframe=np.full((96, 128, 3), a, np.uint8))
        for a, b in zip(starts, ends, strict=True)
    ]
    return [*made[:-1], made[-1].changed(last=True, **last)]


def test_a_group_goes_over_several_segments_and_is_never_longer_than_allowed() -> None:
    groups = gathered(parts(10, 30, 70), 32)
    assert [(group.start, len(group)) for group in groups] == [(0, 32), (32, 32), (64, 6)]
    assert [len(group.segments) for group in groups] == [3, 1, 1]
    assert groups[-1].whole().last and not groups[0].whole().last
    assert int(groups[1].segments[0].keyframe[0, 0, 0]) == 32  # the frame with which it begins, not SKEM's keyframe


def test_a_hard_cut_begins_a_group() -> None:
    at_end, inside = parts(20, 48), parts(48)
    at_end[0] = at_end[0].changed(cut=20)
    inside[0] = inside[0].changed(cut=20)
    for segments in (at_end, inside):
        assert [(group.start, len(group)) for group in gathered(segments, 240)] == [(0, 20), (20, 28)]
        assert len(gathered(segments, 240, moves=True)) == 1  # it does not stand out, so it may be none
    soon = [parts(5, 48)[0].changed(cut=5), parts(5, 48)[1]]
    assert len(gathered(soon, 240)) == 1  # beginning anew after five frames would cost more than it brings
    assert len(gathered(at_end, 240, 21)) == 1


def test_where_little_may_be_spent_control_takes_no_more_than_half_of_a_group() -> None:
    for budget, least in (("6e-3cbr", 12), ("2e-4cbr", None)):
        divider = SimpleNamespace(belief=Belief(10.0), config=StructureConfig(budget=budget))
        found = _least_frames(divider, VIDEO)
        per_frame = 3 * 96 * 128 * float(budget.removesuffix("cbr"))
        control = 2 * Belief(10.0).head_symbols(LookAndPictureControl)
        assert found == least or (found - 1) * per_frame < control <= found * per_frame


def test_a_divided_segment_has_its_motion_divided_too() -> None:
    whole = parts(40)[0].changed(motion=Motion(pan=0.4))
    before, after = divided(whole, 10, scene(0))
    assert before.motion is not None and after.motion is not None
    assert (before.motion.pan, after.motion.pan) == (pytest.approx(0.1), pytest.approx(0.3))
    assert after.last and not before.last and len(before) == 10


def test_where_the_meaning_changes_least_no_segment_begins() -> None:
    segments = [
        segment.changed(divergence=divergence)
        for segment, divergence in zip(parts(10, 20, 48), (None, 0.2, 0.9), strict=True)
    ]
    two = thinned(segments, 2)
    assert [(segment.start, segment.stop, segment.caption) for segment in two] == [(0, 20, "0"), (20, 48, "20")]
    assert two[1].last and len(thinned(segments, 5)) == 3
    (whole,) = thinned(segments, 0)
    assert (whole.start, whole.stop, whole.caption, whole.last) == (0, 48, "20", True)


def test_segments_that_begin_elsewhere_have_pictures_from_there_and_the_words_of_their_longest_part() -> None:
    frames = pan(48)
    moved = begun_at(parts(10, 20, 48), [0, 14, 40], frames)
    assert [(segment.start, segment.stop, segment.caption) for segment in moved] == [
        (0, 14, "0"),
        (14, 40, "20"),
        (40, 48, "20"),
    ]
    assert all(segment.keyframe is not None for segment in moved)
    assert np.array_equal(moved[1].keyframe, frames[14]) and moved[-1].last and not moved[0].last  # type: ignore[arg-type]


# Division


def divider(objective: str, **config: object) -> Divider:
    sizes = EnhancerConfig(width=4, blocks=1)
    weights = Enhancer(sizes).state_dict()
    world = LayeredWorld(lambda: CompactEnhancer(sizes, weights, weights), structure_frames, coded_size)
    roads = PictureRoads([DigitalPictureCodec()])
    settings = StructureConfig(**config)  # type: ignore[arg-type]
    return Divider(roads, CodingConfig(), Belief(10.0), settings, objective, world, lambda *_: (0, 20))  # type: ignore[arg-type]


def group(frames: list[np.ndarray]) -> FrameGroup:
    whole = Segment(video=VIDEO, start=0, stop=len(frames), keyframe=frames[0], caption="a pan", last=True)
    return FrameGroup(frames, [whole.changed(closing_keyframe=frames[-1])])


def test_a_motion_goes_into_small_frames_and_a_still_picture_into_a_keyframe(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried decides: the same budget is divided in other ways for other videos."""
    ((moving, burst),) = divider("structure").divide(group(pan()), 1500)
    assert moving.structure is not None and len(burst) <= 1500
    tried: list[tuple[bool, bool]] = []
    unwatched = Divider._tried

    def watched(self, segments, *args):
        tried.append((segments[0].structure is not None, segments[0].keyframe is not None))
        return unwatched(self, segments, *args)

    monkeypatch.setattr(Divider, "_tried", watched)
    divider("structure").divide(group([scene(0)] * 48), 1500)
    assert {(True, False), (False, True)} <= set(tried)


def test_for_look_keyframes_beside_small_frames_are_drafted_too_and_what_is_sent_is_the_best_that_was_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drafted, tried = [], []
    draft, trial = Divider._draft, Divider._tried

    def drafts(*args):
        drafted.append(draft(*args))
        return drafted[-1]

    def tries(*args):
        tried.append(trial(*args))
        return tried[-1]

    monkeypatch.setattr(Divider, "_draft", drafts)
    monkeypatch.setattr(Divider, "_tried", tries)
    sent = divider("look").divide(group(pan()), 3000)
    assert [each.segment.keyframe is not None for each in drafted] == [False, True, True][: len(drafted)]
    assert [each.arrived.keyframe is not None for each in drafted] == [False, True, True][: len(drafted)]
    assert len(drafted) == 3 or drafted[1].worth <= drafted[0].worth
    fitting = [each for each in tried if len(each) <= 3000]
    assert sent is max(fitting, key=lambda each: each.worth).sent and len(tried) >= 2
    assert any(each.sent[0][0].structure is not None for each in tried)


def test_of_the_drafts_those_are_carried_out_that_come_near_to_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    worths = iter((0.0, -0.02, -0.04))
    finished: list[float] = []
    unwatched = Divider._finished

    def watched(self, draft, *args):
        finished.append(draft.worth)
        return unwatched(self, draft, *args)

    monkeypatch.setattr(Divider, "_promise", lambda *_: next(worths))
    monkeypatch.setattr(Divider, "_textured", lambda *_: None)
    monkeypatch.setattr(Divider, "_finished", watched)
    divider("look").divide(group(pan()), 3000)
    assert sorted(finished) == [-0.02, 0.0]
    worths, finished[:] = iter((0.0, -0.2)), []
    divider("look").divide(group(pan()), 3000)
    assert finished == [0.0]


@pytest.mark.slow
def test_groups_are_divided_the_same_way_whichever_thread_is_first() -> None:
    def sent() -> list[bytes]:
        divides, frames = divider("look"), pan()
        pairs = [pair for part in (frames[:24], frames[24:]) for pair in divides.divide(group(part), 1500)]
        return [burst.symbols.numpy().tobytes() for _, burst in pairs]

    assert sent() == sent()


def test_a_budget_too_small_for_a_codec_sends_what_is_cheapest() -> None:
    ((segment, _),) = divider("structure").divide(group(pan()), 200)
    assert segment.structure is None


@pytest.mark.parametrize("near", [1000.0, -1000.0])
def test_other_places_for_keyframes_are_tried_where_keyframes_come_near_and_looked_for_until_they_do_not(
    monkeypatch: pytest.MonkeyPatch, near: float
) -> None:
    tried: list[list[int]] = []
    trial = Divider._tried

    def tries(self, segments, *args):
        tried.append([segment.start for segment in segments])
        return trial(self, segments, *args)

    def places(frames, video, symbols, wanted):
        ends = time.monotonic() + 60
        while near < 0 and wanted() and time.monotonic() < ends:
            time.sleep(0.01)
        assert wanted() == (near > 0)
        return 0, 20

    divides = divider("look")
    monkeypatch.setattr(layered_division, "NEAR", near)
    monkeypatch.setattr(divides, "_places", places)
    monkeypatch.setattr(Divider, "_tried", tries)
    divides.divide(group(pan()), 3000)
    assert ([0, 20] in tried) == (near > 0)


def test_keyframes_in_the_places_where_they_stood_are_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[list[int]] = []
    trial = Divider._tried

    def tries(self, segments, *args):
        tried.append([segment.start for segment in segments if segment.structure is None])
        return trial(self, segments, *args)

    divides = divider("look")
    monkeypatch.setattr(Divider, "_tried", tries)
    monkeypatch.setattr(layered_division, "NEAR", 1000.0)
    for places in ((0, 20), (0,)):
        monkeypatch.setattr(divides, "_places", lambda *_, places=places: places)
        divides.divide(group(pan()), 3000)
    assert [starts for starts in tried if starts] == [[0], [0, 20], [0]]


def test_who_wants_no_keyframes_gets_none() -> None:
    bare = FrameGroup(pan(), [Segment(video=VIDEO, start=0, stop=48, caption="a pan", last=True)])
    sent = divider("look").divide(bare, 3000)
    assert [segment.keyframe for segment, _ in sent] == [None]


def test_words_come_along_where_they_are_cheap_and_looks_are_asked_for() -> None:
    assert divider("look")._words(group(pan()), 100_000) is not None
    assert divider("look")._words(group(pan()), 1000) is None
    assert divider("structure")._words(group(pan()), 100_000) is None


def test_the_look_that_is_advised_is_one_that_was_tried() -> None:
    for objective in ("structure", "look"):
        ((segment, _),) = divider(objective).divide(group(pan()), 1500)
        if segment.structure is not None:
            vivid = objective == "look"
            assert segment.structure.look in ([LOOKS.index(1.0)] if vivid else [LOOKS.index(0.0), LOOKS.index(None)])


def test_live_sends_the_first_candidate_that_fits_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Divider, "_worth", lambda *_: pytest.fail("live looks at nothing"))
    ((segment, burst),) = divider("structure", effort="live").divide(group(pan()), 1500)
    assert segment.structure is not None and len(burst) <= 1500


def test_each_encoder_is_given_presets_that_it_has() -> None:
    ((segment, burst),) = divider("structure", codec="h264", effort="live").divide(group(pan()), 3000)
    assert segment.structure is not None and len(burst) <= 3000


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"codec": "mpeg2"}, "codec"), ({"effort": "more"}, "effort"), ({"group_frames": 2000}, "group_frames")],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=f"structure.{said}"):
        StructureConfig(**wrong)  # type: ignore[arg-type]


# The whole way


@pytest.mark.parametrize("effort", [pytest.param("best", marks=pytest.mark.slow), "live"])
def test_a_video_crosses_the_link_within_its_budget(tmp_path, effort: str) -> None:
    write_video(tmp_path / "pan.mp4", Video(np.stack(pan()), Fraction(24)))
    settings = {"coding.budget": "3e-3cbr", "structure.effort": effort, "objective": "structure"}
    config = load_config(scheme="layered-dsa", settings=settings)
    report = link.run(tmp_path / "pan.mp4", config, output=tmp_path / "out.mp4").report()
    assert report["symbols"]["structure"] > 0 and report["cbr"] <= 3e-3
    assert report["models"]["enhancer"]["name"] == "compact-enhancer"
    source, shown = read_video(tmp_path / "pan.mp4").frames, read_video(tmp_path / "out.mp4").frames
    assert shown.shape == source.shape
    held = np.abs(source.astype(float) - source[24]).mean()
    assert np.abs(source.astype(float) - shown).mean() < 0.6 * held


def test_without_a_budget_of_the_link_it_has_its_own(tmp_path) -> None:
    write_video(tmp_path / "pan.mp4", Video(np.stack(pan(24)), Fraction(24)))
    config = load_config(scheme="layered-dsa", settings={"structure.budget": "4e-3cbr", "structure.effort": "live"})
    report = link.run(tmp_path / "pan.mp4", config, output=tmp_path / "out.mp4").report()
    assert 0 < report["cbr"] <= 4e-3 and any("4e-3cbr" in choice for choice in report["choices"])
