"""Words about a picture as a whole."""

import json

import numpy as np
import pytest
from safetensors.numpy import save

from lgvsc.errors import InputError
from lgvsc.semantics.backends.compact.scene_tags import SceneTags

WORDS = ("sea", "street", "food")


def stored(**changes):
    tensors = {
        "weight": np.array([[2.0, 0, 0], [0, 2.0, 0]], np.float32),
        "offset": np.array([0.0, 0.0, 9.0], np.float32),
        "mean": np.zeros(2, np.float32),
        "scale": np.ones(2, np.float32),
    }
    about = {"words": json.dumps(WORDS), "least": json.dumps({"sea": 0.6, "street": 0.6}), "detector": "abc"}
    return save(tensors | changes.pop("tensors", {}), about | changes)


def test_words_are_said_from_their_least_probability_on_and_others_never():
    tags = SceneTags.load(stored())
    likely = tags.likely(np.array([1.0, -1.0], np.float32))
    assert likely == pytest.approx(1 / (1 + np.exp([-2.0, 2.0, -9.0])), abs=1e-5)
    assert tags.said(likely) == {"sea"}  # food is near 1, but nothing vouches for it


def test_a_word_stays_until_it_is_clearly_wrong():
    tags = SceneTags.load(stored())
    likely = np.array([0.4, 0.2, 0.9], np.float32)
    assert tags.said(likely) == set()
    assert tags.said(likely, before=frozenset(("sea", "street"))) == {"sea"}


def test_several_pictures_are_judged_together():
    tags = SceneTags.load(stored())
    one, other = np.array([3.0, 0.0], np.float32), np.array([-1.0, 0.0], np.float32)
    assert tags.likely(np.stack((one, other)))[0] == pytest.approx(1 / (1 + np.exp(-2.0)), abs=1e-5)


@pytest.mark.parametrize(
    "data",
    [
        b"nothing",
        stored(words=json.dumps(WORDS[:2])),
        stored(least="sea"),
        stored(tensors={"mean": np.zeros(3, np.float32)}),
    ],
)
def test_other_files_are_refused(data):
    with pytest.raises(InputError, match="not the weights of scene tags"):
        SceneTags.load(data)


def test_a_change_in_one_cell_moves_the_look_in_parts_by_the_share_of_that_cell():
    tags = SceneTags.load(stored())
    here = np.zeros((2, 2, 2), np.float32)
    here[0] = 3.0
    there = here.copy()
    there[:, 1, 1] = 0.0, 9.0  # something else in one of four cells, however strong
    first, second = tags.look_in_parts(here), tags.look_in_parts(there)
    assert np.linalg.norm(first) == pytest.approx(1.0)
    assert float(first @ second) == pytest.approx(0.75)
