from __future__ import annotations

import pytest

from lgvsc.core.interfaces import Detection
from lgvsc.metrics.objects import ObjectsKept, overlap

DOG = Detection("dog", 0.9, (0.1, 0.1, 0.5, 0.5))
CAR = Detection("car", 0.6, (0.5, 0.5, 0.9, 0.9))


def kept(source: list[Detection], rebuilt: list[Detection]) -> float | None:
    metric = ObjectsKept()
    metric.add(source, rebuilt)
    return metric.value


def test_the_source_keeps_all_of_itself() -> None:
    assert kept([DOG, CAR], [DOG, CAR]) == 1.0


def test_nothing_to_keep_has_no_value_and_nothing_kept_is_zero() -> None:
    assert kept([], [DOG]) is None
    assert kept([DOG], []) == 0.0


def test_another_kind_at_the_same_place_is_no_hit() -> None:
    assert kept([DOG], [Detection("cat", 0.9, DOG.box)]) == 0.0


def test_a_thing_is_claimed_once() -> None:
    assert kept([DOG, CAR], [DOG, Detection("dog", 0.8, DOG.box), CAR]) == pytest.approx((1 + 2 / 3) / 2)


def test_a_sure_mistake_costs_precision() -> None:
    wrong = Detection("car", 0.95, (0.0, 0.0, 0.1, 0.1))
    assert kept([DOG], [wrong, DOG]) == pytest.approx(0.5)


def test_overlap_is_intersection_over_union() -> None:
    assert overlap((0, 0, 1, 1), (0, 0.5, 1, 1.5)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0.0
