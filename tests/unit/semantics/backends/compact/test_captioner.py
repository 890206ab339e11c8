"""The compact captioner: the same words for the same thing, other words for another one."""

import cv2
import numpy as np
import pytest
from skimage import data

from lgvsc.core.interfaces import Detection
from lgvsc.core.lexicon import read_regions
from lgvsc.core.message import Motion
from lgvsc.core.video import Frame
from lgvsc.semantics.backends.compact import captioner as captioner_module
from lgvsc.semantics.backends.compact import recognition
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner
from lgvsc.semantics.backends.compact.recognition import Recogniser, Sight
from lgvsc.semantics.backends.compact.scene_tags import SceneTags

cv2.setNumThreads(1)


@pytest.fixture(scope="module")
def coffee():
    return cv2.resize(data.coffee()[:, :600], (384, 256), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def cat():
    return cv2.resize(data.chelsea(), (384, 256), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def woman():
    return cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)


def described(first, second):
    return CompactCaptioner().describe_pair(Frame(0, first), Frame(1, second))


def as_bytes(picture):
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def shaken(picture):
    matrix = cv2.getRotationMatrix2D((192, 128), 1.2, 1.0)
    matrix[:, 2] += (5, -4)
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def with_ball(picture, x, y, radius=32):
    picture = picture.copy()
    cv2.circle(picture, (x, y), radius, (30, 60, 220), -1, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize(
    "disturb",
    [
        lambda p: p,
        lambda p: cv2.GaussianBlur(p, (0, 0), 1.5),
        lambda p: as_bytes(p + np.random.default_rng(0).normal(0, 8, p.shape)),
        lambda p: as_bytes(p * 1.15),
        lambda p: as_bytes(p * 0.85),
        lambda p: as_bytes(255 * (p / 255) ** 1.15),
        lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], cv2.IMREAD_COLOR),
        shaken,
    ],
    ids=["copy", "blur", "noise", "brighter", "darker", "gamma", "jpeg", "shake"],
)
@pytest.mark.parametrize("picture", ["coffee", "cat"])
def test_what_is_no_content_changes_no_word(picture, disturb, request):
    picture = request.getfixturevalue(picture)
    first, second = described(picture, disturb(picture))
    assert first == second
    assert len(read_regions(first)) >= 2  # it did say something


def test_an_object_that_comes_is_named_in_the_second_text_only(coffee):
    first, second = described(coffee, with_ball(coffee, 60, 60))
    assert "blue object at top left" in second and "blue object" not in first
    assert first.split("Foreground")[0] == second.split("Foreground")[0]


def test_an_object_that_leaves_is_named_in_the_first_text_only(coffee):
    first, second = described(with_ball(coffee, 60, 60), coffee)
    assert "blue object at top left" in first and "blue object" not in second


def test_an_object_that_moves_is_the_same_object_elsewhere(coffee):
    first, second = described(with_ball(coffee, 60, 60), with_ball(coffee, 320, 60))
    assert "blue object at top left, still" in first
    assert "blue object at top right, moved right" in second


def test_a_cut_changes_both_parts(coffee, cat):
    first, second = described(coffee, cat)
    assert first.split("Foreground")[0] != second.split("Foreground")[0]
    shared = set(map(str, read_regions(first))) & set(map(str, read_regions(second)))
    assert len(shared) <= 1


def test_night_falls_in_the_background_only(coffee):
    first, second = described(coffee, as_bytes(coffee * 0.3))
    assert "even light" in first or "dim light" in first
    assert "dark light" in second
    assert first.split("Foreground")[1] == second.split("Foreground")[1]


def test_a_face_is_seen_and_keeps_its_words_through_noise(woman):
    noisy = as_bytes(woman + np.random.default_rng(1).normal(0, 8, woman.shape))
    first, second = described(woman, noisy)
    assert "face at" in first
    assert first == second


def test_a_cat_is_seen(cat):
    assert "cat at" in described(cat, cat)[0]


def test_a_pan_to_new_content_tells_of_it(coffee, cat):
    wide = np.hstack((coffee, cat))
    first, near = described(wide[:, :384], wide[:, 30:414])
    assert first == near  # a small pan is the camera's affair
    first, far = described(wide[:, :384], wide[:, 330:714])
    assert first.split("Foreground")[0] != far.split("Foreground")[0]


def test_blank_pictures_say_that_nothing_can_be_seen():
    black = np.zeros((96, 160, 3), np.uint8)
    assert described(black, black) == ("Nothing can be made out.", "Nothing can be made out.")


@pytest.mark.parametrize("size", [(1, 1), (16, 400), (400, 16), (33, 47), (256, 144)])
def test_any_size_is_described(coffee, size):
    picture = cv2.resize(coffee, size[::-1])
    first, second = described(picture, picture[::-1].copy())
    assert first and second


def test_the_same_pair_always_gets_the_same_words(coffee, cat):
    assert described(coffee, cat) == described(coffee.copy(), cat.copy())


def test_memory_of_frames_is_bounded(coffee):
    captioner = CompactCaptioner()
    small = coffee[::4, ::4]
    for i in range(10):
        captioner.describe_pair(Frame(i, small), Frame(i + 1, small))
    assert len(captioner._facts) <= 8


@pytest.mark.parametrize("max_bytes", [0, 20, 60, 120, 400])
def test_captions_fit_and_are_whole_sentences(coffee, max_bytes):
    frames = [Frame(0, coffee), Frame(1, with_ball(coffee, 60, 60))]
    text = CompactCaptioner().caption(frames, Motion(score=3.0, camera="pan left"), max_bytes)
    assert len(text.encode()) <= max_bytes
    assert text == "" or text.endswith(".")
    if max_bytes == 400:
        assert len(read_regions(text)) >= 3
        assert "pan left" in text and "then" in text.lower() and "blue object" in text


@pytest.mark.parametrize("level", [0, 6, 128, 255])
def test_a_bare_picture_is_told_apart_from_every_scene_and_from_another_colour(coffee, cat, level):
    captioner = CompactCaptioner()
    noise = np.random.default_rng(0).normal(0, 2, coffee.shape)
    bare = Frame(0, as_bytes(np.full(coffee.shape, level) + noise))
    other = Frame(1, as_bytes(np.full(coffee.shape, (level + 120) % 256) + noise))
    for scene in (Frame(2, coffee), Frame(3, cat)):
        for answer in (captioner.tell_apart(bare, scene), captioner.tell_apart(scene, bare)):
            assert answer is not None and answer.p_no - answer.p_yes > 0.9
    assert captioner.tell_apart(bare, other).p_no > 0.9
    assert captioner.tell_apart(bare, Frame(4, bare.pixels.copy())) is None
    assert captioner.tell_apart(Frame(2, coffee), Frame(3, cat)) is None


class Names:
    """A recogniser that knows what it is told: things and words by frame."""

    tags = None

    def __init__(self, things, said=(), likeness=None, shown=()):
        self.things, self.said, self.identity = things, frozenset(said), {"detector": "told"}
        self.likeness, self.shown = likeness, shown

    def look_of(self, sight):
        return None

    def whole(self, pixels):
        return None

    def doubts(self, wholes):
        return False

    def shown_in(self, wholes):
        return self.shown

    def alike(self, first, second, by_look=False):
        return self.likeness

    def least_alike(self, first, second):
        return 0.0, 0.75, 0.25, 1.0

    def see(self, pixels):
        found = self.things(pixels) if callable(self.things) else self.things
        nothing = np.zeros(0, np.float32)
        return Sight(tuple(found), nothing, self.said, nothing, nothing)

    def said_of(self, sights, wholes=()):
        return self.said


CAR = Detection("car", 0.7, (0.3, 0.1, 0.6, 0.5))
DOG = Detection("dog", 0.6, (0.65, 0.6, 0.9, 0.9))


def test_captions_name_what_is_recognised(coffee):
    frames = [Frame(i, coffee) for i in range(4)]
    text = CompactCaptioner(Names([CAR], ("out", "street"))).caption(frames, Motion(score=3.0), 400)
    assert text.startswith("A car outdoors on a street. Medium ")
    assert "car at left." in text and "Camera static, slow." in text


def test_where_something_acts_something_moves(coffee):
    frames = [Frame(i, coffee.copy()) for i in range(8)]
    still = CompactCaptioner(Names([CAR], ("out",))).caption(frames, Motion(score=0.2), 400)
    assert "Camera static, nothing moves." in still
    gone = Names(lambda pixels: [CAR] if any(pixels is one.pixels for one in frames[:6]) else [], ("out",))
    left = CompactCaptioner(gone).caption(frames, Motion(score=0.2), 400)
    assert "car at left, leaves." in left and "Camera static, slow." in left


def test_the_whole_picture_gives_things_their_names(coffee):
    frames = [Frame(i, coffee) for i in range(4)]
    text = CompactCaptioner(Names([DOG], ("out",), shown=("fox", "valley"))).caption(frames, None, 400)
    assert text.startswith("A fox outdoors in a valley. ") and "fox at bottom right" in text and "dog" not in text


def test_at_a_turn_less_likeness_has_both_described_anew(coffee):
    captioner = CompactCaptioner(Names([CAR], likeness=0.65))
    pair = Frame(0, coffee), Frame(1, coffee[:, ::-1].copy())
    steady, turned = captioner.describe_pair(*pair), captioner.at_turns().describe_pair(*pair)
    assert steady[0].split(";")[0] == steady[1].split(";")[0]
    alone = captioner.describe(pair)
    assert turned == (alone[0], alone[1].replace(", still", ", in another pose")) and "car at left" in alone[0]
    assert captioner.at_turns().tell_apart(*pair) is None  # which is for the judge to say
    alike = CompactCaptioner(Names([CAR], likeness=0.9))
    assert alike.at_turns().describe_pair(*pair) == alike.describe_pair(*pair)
    assert captioner.describe_pair(*pair) == steady


def test_at_a_turn_what_has_no_name_acts_where_the_pictures_look_least_alike():
    slope = np.repeat(np.tile(np.linspace(40, 200, 384), (256, 1))[..., None], 3, axis=2)
    pair = Frame(0, as_bytes(slope)), Frame(1, as_bytes(slope + 9))
    first, second = CompactCaptioner(Names([], likeness=0.65)).at_turns().describe_pair(*pair)
    assert first.count("object at top right, still") == second.count("object at top right, in another pose") == 1


def test_the_part_that_looks_least_alike_is_found():
    tags = SceneTags(["out"], np.ones((2, 1)), np.zeros(1), np.zeros(2), np.ones(2), {}, "told")
    sights = []
    for turned in (False, True):
        parts = np.ones((2, 4, 4), np.float32)
        parts[1, 2, 3] = -1.0 if turned else 1.0
        sights.append(Sight((), np.zeros(1), frozenset(), np.zeros(2), parts))
    assert Recogniser(None, tags).least_alike(*sights) == (0.5, 0.75, 0.75, 1.0)
    assert Recogniser(None).least_alike(*sights) == (0.0, 0.0, 1.0, 1.0)


def test_nobody_is_named_whom_the_detector_sees_nothing_of(coffee):
    frames = [Frame(i, coffee) for i in range(2)]
    words = ("in", "person", "kitchen")
    assert CompactCaptioner(Names([], words)).caption(frames, None, 400).startswith("A kitchen indoors.")
    faint = Detection("person", 0.2, (0.2, 0.2, 0.8, 0.8))
    assert (
        CompactCaptioner(Names([faint], words)).caption(frames, None, 400).startswith("A person indoors in a kitchen.")
    )


def test_where_nothing_is_recognised_regions_come_first(coffee):
    frames = [Frame(i, coffee) for i in range(2)]
    text = CompactCaptioner(Names([])).caption(frames, None, 400)
    assert text.split(".")[:4] == CompactCaptioner().caption(frames, None, 400).split(".")[:4]
    assert CompactCaptioner(Names([], ("in",))).caption(frames, None, 400).startswith("Indoors, ")


def test_a_thing_keeps_its_name_where_the_detector_is_less_sure_of_it(coffee):
    other = as_bytes(coffee * 0.97)
    faint = Detection("truck", 0.2, (0.3, 0.12, 0.6, 0.5))
    names = Names(lambda pixels: [CAR] if pixels is coffee else [faint])
    first, second = CompactCaptioner(names).describe_pair(Frame(0, coffee), Frame(1, other))
    assert first == second and "car at left, still" in first


def test_what_comes_and_what_goes_is_in_one_text_only(coffee):
    other = coffee.copy()
    names = Names(lambda pixels: [CAR, DOG] if pixels is coffee else [CAR])
    first, second = CompactCaptioner(names).describe_pair(Frame(0, coffee), Frame(1, other))
    assert "dog" in first and "dog" not in second
    back, forth = CompactCaptioner(names).describe_pair(Frame(1, other), Frame(0, coffee))
    assert "dog" not in back and "dog" in forth


def test_only_what_is_beyond_doubt_comes_or_goes(coffee):
    for doubtful in (Detection("dog", 0.4, DOG.box), Detection("dog", 0.9, (0.7, 0.7, 0.75, 0.75))):
        names = Names(lambda pixels, one=doubtful: [CAR, one] if pixels is coffee else [CAR])
        first, second = CompactCaptioner(names).describe_pair(Frame(0, coffee), Frame(1, coffee.copy()))
        assert first == second


def test_a_scene_seen_from_elsewhere_keeps_its_words_and_another_one_does_not(coffee):
    turned = coffee[:, ::-1].copy()
    moved = Detection("car", 0.7, (0.3, 0.5, 0.6, 0.9))
    things = lambda pixels: [CAR] if pixels is coffee else [moved]  # noqa: E731
    pair = Frame(0, coffee), Frame(1, turned)
    first, second = CompactCaptioner(Names(things, likeness=0.8)).describe_pair(*pair)
    assert first == second and "car" in first
    first, second = CompactCaptioner(Names(things, likeness=0.1)).describe_pair(*pair)
    assert first != second


def test_focuses_are_about_what_they_say(coffee):
    names = Names(lambda pixels: [CAR, DOG] if pixels is coffee else [CAR])
    captioner, pair = CompactCaptioner(names), (Frame(0, coffee), Frame(1, coffee.copy()))
    everything = captioner.describe_pair_for(*pair, "general")
    assert "dog" in everything[0] and everything[0] != everything[1]
    first, second = captioner.describe_pair_for(*pair, "main_object")
    assert "car" in first and "dog" not in first and first == second
    first, second = captioner.describe_pair_for(*pair, "background")
    assert "car" not in first and "dog" not in first and first == second


def test_without_the_detector_weights_everything_is_measured(monkeypatch, coffee):
    monkeypatch.setattr(recognition, "asset_there", lambda card: False)
    assert Recogniser.shipped() is None
    captioner = captioner_module.load()
    assert captioner.identity == CompactCaptioner().identity
    frames = [Frame(0, coffee), Frame(1, coffee[::-1].copy())]
    assert captioner.caption(frames, None, 160) == CompactCaptioner().caption(frames, None, 160)


def test_the_shipped_weights_name_what_they_were_shown():
    picture = cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    shipped = Recogniser.shipped()
    assert shipped.tags.detector == shipped.identity["detector"]
    text = CompactCaptioner(shipped).caption([Frame(i, picture) for i in range(2)], None, 160)
    assert "person" in text or "woman" in text


def test_the_ledger_counts_pictures_and_words(coffee):
    captioner = CompactCaptioner(Names([CAR]))
    text = captioner.caption([Frame(i, coffee) for i in range(4)], None, 160)
    cost = captioner.cost
    assert (cost.captions, cost.caption_words, cost.pictures_detected, cost.pictures_classified) == (
        1,
        len(text.split()),
        4,
        0,
    )
    assert 0 < cost.detector_s < cost.captions_s and cost.seconds == 0
