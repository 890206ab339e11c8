"""Probabilities as servers send them: spelled in several ways, and sometimes none."""

import math

import pytest

from lgvsc.semantics.backends.large.label_probabilities import read_answer
from lgvsc.semantics.backends.large.server_config import ServerConfig, ServerError

KNOWN = ((3,), (5, 7))


def reply(*entries):
    return {"choices": [{"logprobs": {"content": [entries[0] | {"top_logprobs": list(entries)}]}}]}


def entry(token, p, **more):
    return {"token": token, "logprob": math.log(p)} | more


@pytest.mark.parametrize(("yes", "no"), [("ĠYes", "ĠNo"), ("▁yes", "▁no"), ("ĊYES", "\tNo"), (" Yes", "no\n")])
def test_marks_of_space_are_no_part_of_a_word(yes, no):
    answer = read_answer(reply(entry(yes, 0.3), entry(no, 0.66)), ServerConfig())
    assert (answer.p_yes, answer.p_no) == pytest.approx((0.3, 0.66))


def test_bytes_come_before_the_vocabularys_spelling():
    pieces = reply(entry("<0x59>", 0.3, bytes=list(b" Yes")), entry("?", 0.66, bytes=list(b"No")))
    answer = read_answer(pieces, ServerConfig())
    assert (answer.p_yes, answer.p_no) == pytest.approx((0.3, 0.66))
    assert read_answer(reply(entry("Yes", 0.6, bytes=[999]), entry("No", 0.39, bytes=None)), ServerConfig()).p_yes


def test_ids_decide_where_all_tokens_have_them():
    numbered = reply(entry("Yes", 0.2, id=3), entry("No", 0.5, id=5), entry("no", 0.1, id=7), entry("NO", 0.18, id=9))
    answer = read_answer(numbered, ServerConfig(label_ids=KNOWN))
    assert (answer.p_yes, answer.p_no) == pytest.approx((0.2, 0.6))
    assert read_answer(numbered, ServerConfig()).p_no == pytest.approx(0.78)
    printed = reply(entry("token_id:3", 0.38), entry("token_id:5", 0.6))
    assert read_answer(printed, ServerConfig(label_ids=KNOWN)).p_yes == pytest.approx(0.38)
    mixed = reply(entry("Yes", 0.38, id=3), entry("No", 0.6))
    assert read_answer(mixed, ServerConfig(label_ids=KNOWN)).p_no == pytest.approx(0.6)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf"), 0.5, 40.0])
def test_what_is_no_logarithm_of_a_probability_is_refused(wrong):
    for place in (0, 1):
        entries = [entry("No", 0.6), entry("Yes", 0.39)]
        entries[place]["logprob"] = wrong
        with pytest.raises(ServerError, match="logarithm of a probability is finite"):
            read_answer(reply(*entries), ServerConfig())


@pytest.mark.parametrize("wrong", [None, "-0.1", True, [0]])
def test_what_is_no_number_is_no_probability(wrong):
    with pytest.raises(ServerError, match="sends no probabilities"):
        read_answer(reply(entry("No", 0.6) | {"logprob": wrong}), ServerConfig())


def test_rounding_above_one_is_forgiven_and_more_is_not():
    assert read_answer(reply({"token": "No", "logprob": 1e-6}), ServerConfig()).p_no == 1.0
    with pytest.raises(ServerError, match=r"add up to 1\.5"):
        read_answer(reply(entry("No", 0.8), entry("Yes", 0.7)), ServerConfig())


@pytest.mark.parametrize(
    ("begins", "why"),
    [("<think>", r"server\.no_thinking"), ("<|channel|>", r"server\.no_thinking"), ("The", "not answering")],
)
def test_a_judge_with_little_on_yes_and_no_is_not_answering(begins, why):
    thinking = reply(entry(begins, 0.9), entry("No", 0.06), entry("Yes", 0.02))
    with pytest.raises(ServerError, match=rf"together 0\.080 .*{why}"):
        read_answer(thinking, ServerConfig())
    assert read_answer(thinking, ServerConfig(min_mass=0.05)).p_no == pytest.approx(0.06)
    vllm = ServerConfig(engine="vllm", label_ids=((3,), (5,)))
    with pytest.raises(ServerError, match="another vocabulary"):
        read_answer(reply(entry("token_id:3", 1e-4), entry("token_id:5", 1e-4)), vllm)
