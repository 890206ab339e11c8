"""A study with people: what the key says, what answers are worth, and what is no answer."""

import json

import pytest
from scipy.stats import binomtest

from lgvsc.errors import InputError
from lgvsc.experiments.study import VideoPair, key_text, pair_up, preferences, read_answers, read_key

VIDEOS = {"ours": {"a": "v1", "b": "v2"}, "theirs": {"a": "v3", "b": "v4", "c": "v5"}}
KEY = pair_up(VIDEOS, {"a": ("v6", "v7")}, "Which?")


def answers_file(path, who, choices, study=KEY.study):
    given = [{"pair": pair, "chosen": "first" if choice else "second"} for pair, choice in choices.items()]
    path.write_text(json.dumps({"study": study, "participant": who, "answers": given}))
    return path


def test_clips_that_both_have_are_paired_and_checks_come_with_them():
    assert KEY.pairs == (
        VideoPair("v1", "v3", "a", ("ours", "theirs")),
        VideoPair("v2", "v4", "b", ("ours", "theirs")),
        VideoPair("v6", "v7", "a", ("reference", "check")),
    )
    with pytest.raises(InputError, match="paired by name"):
        pair_up({"ours": {"a": "v1"}, "theirs": {"b": "v2"}}, {}, "Which?")


def test_the_key_comes_back_from_its_file(tmp_path):
    path = tmp_path / "key.json"
    path.write_text(key_text(KEY))
    assert read_key(path) == KEY
    for broken in ("{", "[]", "{}", json.dumps({"version": 9, "study": "", "question": "", "pairs": [{}]})):
        path.write_text(broken)
        with pytest.raises(InputError, match=r"key\.json"):
            read_key(path)


def test_few_people_have_wilsons_interval():
    outcome = preferences(KEY, {"x": {0: True, 1: True, 2: True}, "y": {0: False, 1: True, 2: True}})
    (found,) = outcome.preferences
    wilson = binomtest(3, 4).proportion_ci(method="wilson")
    assert (found.conditions, found.share, found.answers, found.people) == (("ours", "theirs"), 0.75, 4, 2)
    assert (found.low, found.high) == (pytest.approx(wilson.low), pytest.approx(wilson.high))
    assert (outcome.people, outcome.left_out) == (2, 0)


def test_with_more_the_interval_is_over_people():
    """Ten people of one mind each: answers are 20, independent ones 10, and the interval is as wide as for 10."""
    split = {f"p{i}": {0: i < 5, 1: i < 5} for i in range(10)}
    (found,) = preferences(KEY, split).preferences
    assert found.share == 0.5 and found.answers == 20
    assert found.low == pytest.approx(0.2, abs=0.051) and found.high == pytest.approx(0.8, abs=0.051)
    (same,) = preferences(KEY, {who: {0: True, 1: False} for who in split}).preferences
    assert (same.low, same.high) == (0.5, 0.5)


def test_who_misses_the_checks_is_left_out_and_counted():
    outcome = preferences(KEY, {"x": {0: True, 2: False}, "y": {0: False, 2: True}, "z": {1: True}})
    (found,) = outcome.preferences
    assert (outcome.people, outcome.left_out, found.share, found.answers) == (2, 1, 0.5, 2)


def test_who_answered_nothing_is_no_one():
    outcome = preferences(KEY, {"x": {0: True, 2: True}, "y": {}})
    assert (outcome.people, outcome.left_out) == (1, 0)


@pytest.mark.parametrize("conditions", [[["a"], "b"], ["a", {}], ["a"], ["a", "b", "c"], None])
def test_keys_whose_conditions_are_no_names_are_refused(tmp_path, conditions):
    stored = json.loads(key_text(KEY))
    stored["pairs"][0]["conditions"] = conditions
    (tmp_path / "key.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match="no key"):
        read_key(tmp_path / "key.json")
    (tmp_path / "key.json").write_text(json.dumps(json.loads(key_text(KEY)) | {"version": 9}))
    with pytest.raises(InputError, match="version 9; this lgvsc reads 1"):
        read_key(tmp_path / "key.json")


def test_answers_are_read_and_what_is_none_is_refused(tmp_path):
    path = tmp_path / "answers.json"
    assert read_answers(answers_file(path, "x", {0: True, 2: False}), KEY) == ("x", {0: True, 2: False})
    with pytest.raises(InputError, match="answers study other"):
        read_answers(answers_file(path, "x", {}, study="other"), KEY)
    with pytest.raises(InputError, match="cannot give"):
        read_answers(answers_file(path, "x", {3: True}), KEY)
    for broken in ("", "3", json.dumps({"study": KEY.study}), json.dumps({"study": KEY.study, "answers": 3})):
        path.write_text(broken)
        with pytest.raises(InputError, match=r"answers\.json"):
            read_answers(path, KEY)
