"""Every parser against random edits of valid input, and against whatever hypothesis thinks of."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fault_campaign.damage import edited
from fault_campaign.parsers import TARGETS, fuzz_cases
from fault_campaign.verdicts import PATIENT, Case, Outcome, judged, tally

SLOW = {"SigMF symbols", "learned picture", "group of pictures", "networks"}  # they load codecs or networks first


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_random_edits_surprise_no_parser(target):
    found = tally(target.name, fuzz_cases(target, count=8 if target.name in SLOW else 24), PATIENT)
    assert found.cases and not found.wrong, "\n".join(found.wrong)


@pytest.mark.parametrize("target", [t for t in TARGETS if t.name not in SLOW], ids=lambda target: target.name)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_hypothesis_surprises_no_parser(target, data):
    seeds = target.seeds()
    random = data.draw(st.randoms(use_true_random=False))
    damaged = st.sampled_from(seeds).map(lambda seed: edited(seed, random))
    drawn = data.draw(st.binary(max_size=300) | damaged)
    verdict, _ = judged(Case(target.name, lambda: target.read(drawn), target.limit_s), PATIENT)
    assert verdict.outcome is not Outcome.WRONG, verdict.detail


def test_valid_input_is_read():
    """A target that refused everything would never find anything."""
    unread = [
        target.name
        for target in TARGETS
        if target.name not in {"container chunk", "video control", "networks"}  # which only differ in what is around
        and target.read(target.seeds()[0]).outcome is not Outcome.HARMLESS
    ]
    assert unread == []
