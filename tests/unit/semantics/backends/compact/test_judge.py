"""The shipped judge: probabilities of one forward pass, and the right direction under each focus."""

from importlib.resources import files

import pytest
import torch

from lgvsc.core.lexicon import Region
from lgvsc.errors import InputError
from lgvsc.semantics.backends.compact.judge import CompactJudge
from lgvsc.semantics.backends.compact.words import Backdrop, Description, Thing
from lgvsc.semantics.prompts import question

WEIGHTS = files("lgvsc.models") / "assets" / "compact-judge.safetensors"

PARK = Description(
    backdrop=Backdrop(setting="outdoors", light="bright", tone="cool", lines="level"),
    regions=(
        Region("large", "light blue", "smooth", "top"),
        Region("large", "green", "textured", "bottom"),
        Region("small", "dark green", "busy", "left"),
    ),
    things=(Thing(kind="person", size="medium", colour=None, place="centre"),),
)
KITCHEN = Description(
    backdrop=Backdrop(setting="somewhere", light="dim", tone="warm", lines="upright"),
    regions=(Region("huge", "brown", "textured", "centre"), Region("medium", "white", "smooth", "right")),
    things=(Thing(kind="object", size="small", colour="red", place="bottom left"),),
)


def empty(scene: Description) -> Description:
    return Description(backdrop=scene.backdrop, regions=scene.regions)


@pytest.fixture(scope="module")
def judge():
    torch.set_num_threads(1)
    return CompactJudge.load(WEIGHTS.read_bytes())


def divergence(judge, focus, first, second, asked=None):
    answer = judge.answer(asked or question(focus), [(str(first), str(second))])[0]
    return answer.p_no - answer.p_yes


@pytest.mark.parametrize("focus", ["general", "main_object", "background"])
@pytest.mark.parametrize("scene", [PARK, KITCHEN, empty(PARK)], ids=["park", "kitchen", "nobody"])
def test_the_same_text_twice_is_the_same(judge, focus, scene):
    assert divergence(judge, focus, scene, scene) < -0.5


@pytest.mark.parametrize("focus", ["general", "main_object", "background"])
def test_another_scene_differs_under_every_focus(judge, focus):
    assert divergence(judge, focus, PARK, KITCHEN) > 0.5
    assert divergence(judge, focus, KITCHEN, PARK) > 0.5


def test_who_comes_or_leaves_matters_to_the_foreground_only(judge):
    """The direction of Fig. 6: high under main object, negative under background."""
    for first, second in ((PARK, empty(PARK)), (empty(PARK), PARK)):
        assert divergence(judge, "main_object", first, second) > 0.35
        assert divergence(judge, "general", first, second) > 0.35
        assert divergence(judge, "background", first, second) < -0.2


def test_another_place_behind_the_same_person_matters_to_the_background(judge):
    moved = Description(backdrop=KITCHEN.backdrop, regions=KITCHEN.regions, things=PARK.things)
    assert divergence(judge, "background", PARK, moved) > 0.35


def test_a_bigger_change_diverges_more(judge):
    """Continuous, not yes or no: sizes of what appears are ordered."""
    first = empty(PARK)
    sizes = ["tiny", "small", "medium"]
    found = []
    for size in sizes:
        thing = Thing(kind="object", size=size, colour="red", place="left")
        second = Description(backdrop=first.backdrop, regions=first.regions, things=(thing,))
        found.append(divergence(judge, "general", first, second))
    assert divergence(judge, "general", first, first) < found[0] < found[1] < found[2] + 0.02


def test_some_probability_goes_to_other_words(judge):
    answer = judge.answer(question("general"), [(str(PARK), str(PARK))])[0]
    assert 0.9 < answer.p_yes + answer.p_no < 0.9999


def test_pictures_in_which_nothing_can_be_seen_open_no_segment(judge):
    """Appendix C: diffuse answers, hence a divergence near zero."""
    dark = Description(clear=False)
    answer = judge.answer(question("general"), [(str(dark), str(dark))])[0]
    assert abs(answer.p_no - answer.p_yes) < 0.35 and answer.p_no + answer.p_yes < 0.8


def test_another_wording_of_the_question_is_understood(judge):
    other = "Compare both descriptions. Focus only on the background. Ignore people. Are they the same? Yes or no?"
    assert divergence(judge, "background", PARK, empty(PARK), other) < 0
    assert divergence(judge, "background", PARK, KITCHEN, other) > 0.35


def test_answers_do_not_depend_on_the_batch(judge):
    pairs = [(str(a), str(b)) for a in (PARK, KITCHEN, empty(PARK)) for b in (PARK, KITCHEN, empty(KITCHEN))] * 3
    together = judge.answer(question("general"), pairs)
    for pair, answer in zip(pairs[:9], together[:9], strict=True):
        alone = judge.answer(question("general"), [pair])[0]
        assert abs(alone.p_yes - answer.p_yes) < 1e-6 and abs(alone.p_no - answer.p_no) < 1e-6


def test_text_of_other_captioners_is_read(judge):
    first = "A zebra drinks at a waterhole while two gazelles watch from the tall grass."
    assert divergence(judge, "general", first, first) < 0
    assert len(judge.answer(question("general"), [("", ""), (first * 40, "x")])) == 2


@pytest.mark.parametrize("damage", [lambda d: d[:100], lambda d: b"", lambda d: b"\xff" * 64, lambda d: d[:-10]])
def test_damaged_weights_are_refused(damage):
    with pytest.raises(InputError):
        CompactJudge.load(damage(WEIGHTS.read_bytes()))
