"""Times of a machine beside the paper's: the projection is the paper's arithmetic, and a pair is timed once."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from lgvsc.core.cost import Cost
from lgvsc.core.video import Frame
from lgvsc.experiments.recipe import shipped_recipe
from lgvsc.experiments.reproduction import complexity as work
from lgvsc.experiments.reproduction.clips import Footage


def test_the_papers_projections_follow_from_its_own_times(monkeypatch, tmp_path):
    monkeypatch.setattr(work, "timed", lambda clip, config, folder: {"s_per_pair": 0.25 if clip.stem == "a" else 0.75})
    monkeypatch.setattr(work.figures, "write", lambda *_: None)
    made = work.complexity(shipped_recipe("lgvsc-complexity"), [Footage(tmp_path / f"{n}.mp4") for n in "ab"], tmp_path)
    ours = {(value.series, value.metric): value for value in made.values}
    for printed in made.published:
        if "projected" in printed.series:
            assert ours[printed.series, printed.metric].value == pytest.approx(printed.value, rel=0.01)
    here = ours["here, preset compact", "s_per_pair"]
    assert (here.value, here.n) == (0.5, 2) and here.half_width > 0


def test_describing_has_its_share_of_a_pair_where_another_model_judges():
    class Worker:
        def __init__(self, seconds):
            self.seconds, self.cost = seconds, Cost()

        def work(self):
            with self.cost.timed():
                time.sleep(self.seconds)

    captioner, judge, cost = Worker(0.03), Worker(0.01), Cost()

    def divergence(first, second):
        captioner.work()
        judge.work()

    similarity = SimpleNamespace(
        captioner=captioner, judge=judge, cost=cost, start_ledger=lambda: None, divergence=divergence
    )
    frames = [Frame(index, np.zeros((8, 8, 3), np.uint8)) for index in range(4)]
    found = work.time_pairs(similarity, frames)
    assert found["s_per_pair"] >= 0.04 and 0.5 < found["caption_share"] < 0.95
    assert captioner.cost is cost and judge.cost is cost
    assert work.time_pairs(similarity, frames[:1]) == {}
    similarity.judge = captioner
    assert "caption_share" not in work.time_pairs(similarity, frames)
