"""What is asked of a model before its scores are believed."""

import pytest

from lgvsc.core.interfaces import Answer
from lgvsc.semantics.self_test import EQUAL, UNRELATED, coloured_pictures, judging_fault, seeing_fault


def answers(*s_rel):
    return [Answer((1 - s) / 2, (1 + s) / 2) for s in s_rel]


def test_pairs_are_what_they_are_called():
    assert all(a == b for a, b in EQUAL)
    for a, b in UNRELATED:
        shared = {word for word in a.lower().split() if len(word) > 4} & set(b.lower().split())
        assert not shared, shared


@pytest.mark.parametrize(
    ("equal", "unrelated", "why"),
    [
        ((-0.8, -0.7, -0.9, -0.6), (0.9, 0.8, 0.7, 0.6), None),
        ((-0.8, -0.7, -0.9, -0.6), (-0.5, -0.2, -0.4, -0.3), None),  # shifted, yet it can be calibrated
        ((0.2, 0.2, 0.2, 0.2), (0.2, 0.2, 0.2, 0.2), "50% in the right order"),
        ((0.19, 0.18, 0.22, 0.23), (0.19, 0.15, 0.22, 0.26), "cannot tell"),  # SmolLM2-135M, asked yes or no
        ((0.20, 0.20, 0.20, 0.20), (0.25, 0.25, 0.25, 0.25), "cannot tell"),  # in order, by next to nothing
        ((0.9, 0.8, 0.7, 0.6), (-0.8, -0.7, -0.9, -0.6), "wrong way round"),
    ],
)
def test_a_judge_is_refused_where_its_answers_do_not_part(equal, unrelated, why):
    fault = judging_fault(answers(*equal), answers(*unrelated))
    assert fault is None if why is None else why in fault


@pytest.mark.parametrize(
    ("red", "blue", "why"),
    [
        ("Red.", "It is blue", None),
        ("Crimson", "blue", None),
        ("", "", "nothing"),
        ("red", "red", "the same whatever"),
        ("A man on a beach", "A woman in a park", "not given the pictures"),
    ],
)
def test_who_sees_can_name_a_colour(red, blue, why):
    fault = seeing_fault({"red": red, "blue": blue})
    assert fault is None if why is None else why in fault
    assert list(coloured_pictures()) == ["red", "blue"]
