"""What every training shares: epochs, optimisers, schedules, exact resumption, and a dry run that leaves no trace."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lgvsc.errors import ConfigError
from lgvsc.training.arguments import DataFolder, OutFolder, Trainer
from lgvsc.training.loop import DryRunEnd, LoopConfig, TrainingRun, at_whole

PAPERS = LoopConfig(
    steps=6, batch=16, optimiser="adam", learning_rate=1e-4, schedule="constant", warmup=1, precision="float32"
)


class Line(TrainingRun[LoopConfig]):
    """Learns that y is three times x."""

    def loss(self, step):
        x = torch.from_numpy(self.choice(step).uniform(-1, 1, (self.config.batch, 1))).float()
        error = (self.net(x) - 3 * x).square().mean()
        return error, {"loss": float(error.detach())}

    def measure(self):
        return None


def run_of(config, out, resume=None):
    torch.manual_seed(0)
    return Line(config, nn.Linear(1, 1), out, resume)


def rates(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["lr"] for line in lines if line["event"] == "step"]


def test_an_epoch_is_as_many_crops_as_there_are_pictures(tmp_path):
    run = run_of(replace(PAPERS, steps=None, epochs=3), tmp_path)
    assert run.run(pictures=33).step == 3 * 3  # 33 pictures are three batches of 16
    with pytest.raises(ConfigError, match="knows no epochs"):
        run_of(replace(PAPERS, steps=None, epochs=3), tmp_path / "b").run(texts=9)
    for wrong in ({"epochs": 2}, {"steps": None, "epochs": 0}):
        with pytest.raises(ConfigError, match="epochs"):
            replace(PAPERS, **wrong)


def test_the_papers_optimiser_is_plain_adam_at_a_constant_rate(tmp_path):
    run = run_of(replace(PAPERS, steps=200), tmp_path)
    weight = run.net.weight.item()
    run.run(pictures=1)
    assert rates(tmp_path) == [1e-4, 1e-4]
    # Adam moves a weight by about its rate in each step while the gradient keeps its sign
    assert run.net.weight.item() - weight == pytest.approx(200 * 1e-4, rel=0.1)
    assert type(run.optimiser) is torch.optim.Adam and run.optimiser.defaults["betas"] == (0.9, 0.999)
    assert run.optimiser.defaults["weight_decay"] == 0
    assert type(run_of(LoopConfig(steps=1), tmp_path / "b").optimiser) is torch.optim.AdamW


def test_a_run_that_was_stopped_goes_on_exactly(tmp_path):
    whole = run_of(PAPERS, tmp_path / "whole")
    whole.run(pictures=1)
    part = run_of(replace(PAPERS, steps=3), tmp_path / "part")
    part.run(pictures=1)
    rest = run_of(PAPERS, tmp_path / "part", tmp_path / "part" / "checkpoint.pt")
    assert rest.run(pictures=1).step == 6
    assert torch.equal(whole.net.weight, rest.net.weight) and torch.equal(whole.net.bias, rest.net.bias)


def test_a_dry_run_says_what_the_run_takes_and_leaves_nothing(tmp_path, capsys):
    run = run_of(replace(PAPERS, steps=None, epochs=200, dry_run=True), tmp_path / "out")
    before = run.net.weight.item()
    with pytest.raises(DryRunEnd, match=r"1400 steps of batch 16, .* drawn out from batches of 1 and 2: .* hours"):
        run.run(pictures=100)
    assert run.net.weight.item() == before and not (tmp_path / "out").exists()

    def work(config: LoopConfig, *, data: DataFolder, out: OutFolder):
        run_of(config, out).run(pictures=10)
        raise AssertionError("a dry run does not go on")

    work.__annotations__ = {"config": LoopConfig, "data": DataFolder, "out": OutFolder}
    Trainer("line", work, PAPERS)(["--data", "x", "--out", str(tmp_path / "no"), "--dry-run"])
    assert "6 steps of batch 16" in capsys.readouterr().out and not (tmp_path / "no").exists()


def test_a_line_through_two_batches_goes_on_to_the_whole_one():
    assert at_whole([(4, 1.0), (8, 1.5)], 64) == pytest.approx(8.5) and at_whole([(8, 2.0)], 8) == 2.0
    assert np.isfinite(at_whole([(1, 0.0), (2, 0.0)], 16))
