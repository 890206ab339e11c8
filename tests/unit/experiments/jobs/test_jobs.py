"""The transmitter over many videos gives the same, whoever does the work."""

import json
import os
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from lgvsc.cli.main import app
from lgvsc.config import load_config
from lgvsc.core.video import VideoFormat, VideoWriter
from lgvsc.errors import ConfigError, InputError, MissingResourceError
from lgvsc.experiments.jobs.dispatch import elsewhere, run_jobs
from lgvsc.experiments.jobs.job import Job
from lgvsc.experiments.jobs.transmitter import Transmitter
from lgvsc.experiments.jobs.workers import Workers

TIMES = ("seconds", "seconds_per_minute", "processor_seconds", "processor_seconds_per_minute")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three short clips: two scenes each, and an object that comes."""
    folder = tmp_path_factory.mktemp("videos")
    made = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        scenes = [
            cv2.resize(rng.integers(0, 255, (4, 6, 3)).astype(np.uint8), (96, 64), interpolation=cv2.INTER_CUBIC)
            for _ in range(2)
        ]
        path = folder / f"clip-{seed}.mp4"
        with VideoWriter(path, VideoFormat(64, 96, Fraction(10), None)) as writer:
            for index in range(16):
                picture = scenes[index // 8].copy()
                cv2.circle(picture, (10 + 5 * index, 32), 9, (255, 40 * seed, 0), -1)
                writer.write(picture)
        made.append(path)
    return made


def same(a, b):
    def stripped(outcome):
        result = {key: value for key, value in outcome.result.items() if key not in TIMES}
        cost = {key: value for key, value in result.pop("cost").items() if key != "seconds" and not key.endswith("_s")}
        return outcome.job, outcome.error, json.dumps(result), json.dumps(cost)

    return [stripped(o) for o in a] == [stripped(o) for o in b]


@pytest.fixture(scope="module")
def looped(videos):
    return run_jobs([Job(video) for video in videos], load_config(), Workers())


def test_a_loop_keeps_order_and_counts_each_video_by_itself(looped, videos):
    assert [outcome.job.video for outcome in looped] == videos
    assert all(o.result["frames"] == 16 and len(o.result["keyframes"]) >= 2 for o in looped)
    alone = [Transmitter(load_config())(Job(video)) for video in videos]
    assert same(looped, alone)  # the ledger of one video does not hold what another one cost


def test_a_video_that_cannot_be_read_fails_alone(videos, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    told = []
    found = run_jobs(
        [Job(broken), Job(videos[0])], load_config(), Workers(), on_result=lambda o, done, total: told.append(done)
    )
    assert found[0].error and not found[0].result
    assert not found[1].error and told == [1, 2]


@pytest.mark.slow
def test_a_pool_of_processes_gives_what_the_loop_gives(looped, videos, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    found = run_jobs([*(Job(v) for v in videos), Job(broken)], load_config(), Workers(count=2))
    assert same(found[:3], looped)
    assert found[3].error


class Deadly:
    """A path that ends the process that opens it, as a lack of memory would."""

    name = "deadly.mp4"

    def __fspath__(self):
        os._exit(9)

    def absolute(self):
        return self


@pytest.mark.slow
def test_a_pool_goes_on_where_a_process_dies(looped, videos):
    found = run_jobs([Job(Deadly()), *(Job(v) for v in videos)], load_config(), Workers(count=2))
    assert "died" in found[0].error
    assert same([found[3]], looped[2:])  # those that ran beside it may have died with it


@pytest.fixture
def one_gpu():
    """Ray on this machine, which is told that there is a GPU: it only counts what is reserved."""
    ray = pytest.importorskip("ray", reason="pip install 'lgvsc[ray]'")
    ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.slow
def test_two_ray_actors_that_share_a_gpu_give_what_the_loop_gives(one_gpu, looped, videos, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    jobs = [*(Job(v) for v in videos), Job(broken)]
    found = run_jobs(jobs, load_config(), Workers(engine="ray", count=2, cpus=0.4, gpus=0.5))
    assert same(found[:3], looped) and found[3].error
    assert one_gpu.is_initialized()  # what was running before goes on
    with pytest.raises(ConfigError, match=r"2 actors of 0\.6 GPUs want 1\.2, and Ray has 1"):
        run_jobs(jobs, load_config(), Workers(engine="ray", count=2, cpus=0.4, gpus=0.6))

    one_gpu.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    found = run_jobs([Job(Deadly()), Job(videos[0])], load_config(), Workers(engine="ray", count=1, cpus=0.4))
    assert "died" in found[0].error and same(found[1:], looped[:1])  # another actor takes its place


@pytest.mark.slow
def test_what_ray_cannot_give_is_refused_and_not_waited_for(videos):
    ray = pytest.importorskip("ray", reason="pip install 'lgvsc[ray]'")
    with pytest.raises(ConfigError, match="GPUs"):
        run_jobs([Job(video) for video in videos], load_config(), Workers(engine="ray", count=2, gpus=0.5, cpus=0.1))
    absent = load_config(settings={"models.captioner": "qwen3-vl-4b", "models.judge": "qwen3-vl-4b"})
    assert not ray.is_initialized()
    with pytest.raises(MissingResourceError, match="models pull"):  # the actor's complaint, as the loop would make it
        run_jobs([Job(video) for video in videos], absent, Workers(engine="ray", count=1, cpus=0.1))


@pytest.mark.parametrize(
    "wrong", [{"engine": "slurm"}, {"count": 0}, {"cpus": 0}, {"gpus": -1}, {"engine": "ray", "gpus": 1.5}]
)
def test_workers_that_cannot_be_are_refused(wrong):
    with pytest.raises(ConfigError):
        Workers(**wrong)


def test_actors_elsewhere_get_whole_paths(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    job = elsewhere(Job(Path("a.mp4"), Path("out") / "a"))
    assert (job.video, job.target) == (tmp_path / "a.mp4", tmp_path / "out" / "a")


def test_a_codec_needs_no_captioner():
    """Sending by a codec must not ask for the weights of models that it does not use."""
    absent = {"models.captioner": "qwen3-vl-4b", "models.judge": "qwen3-vl-4b"}
    assert Transmitter(load_config(scheme="h264-ldpc", settings=absent)).config.scheme == "h264-ldpc"
    with pytest.raises(MissingResourceError):
        Transmitter(load_config(settings=absent))


def test_without_ray_the_engine_says_what_to_install(monkeypatch, videos):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingResourceError, match=r"lgvsc\[ray\]"):
        run_jobs([Job(videos[0])], load_config(), Workers(engine="ray"))


def test_keyframes_of_several_videos_on_the_command_line(videos, tmp_path):
    runner = CliRunner()
    shown = runner.invoke(app, ["keyframes", *map(str, videos[:2]), "--cost", "-q"])
    assert shown.exit_code == 0, shown.output
    assert all(video.name in shown.stdout for video in videos[:2]) and "model calls" in shown.stdout
    listed = json.loads(runner.invoke(app, ["keyframes", *map(str, videos[:2]), "--json", "-q"]).stdout)
    assert [row["video"] for row in listed] == [str(video) for video in videos[:2]]
    assert listed[0]["seconds_per_minute"] > 0
    absent = runner.invoke(app, ["keyframes", str(videos[0]), str(tmp_path / "absent.mp4"), "-q"])
    assert isinstance(absent.exception, InputError) and not absent.stdout  # seen before any work
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    mixed = runner.invoke(app, ["keyframes", str(videos[0]), str(broken), "-q"])
    assert mixed.exit_code == 1 and videos[0].name in mixed.stdout and "broken.mp4" in mixed.stderr


def test_the_filter_of_still_frames_reports_its_agreement(videos):
    ran = CliRunner().invoke(app, ["keyframes", str(videos[0]), "--agreement", "--json", "-q"])
    found = json.loads(ran.stdout)
    assert set(found["shared"]) == set(found["filtered"]) & set(found["full"])
    assert 0 <= found["pairs_spared"] < 1 and 0 < found["score"] <= 1
    assert CliRunner().invoke(app, ["keyframes", *map(str, videos[:2]), "--agreement", "-q"]).exit_code == 2


@pytest.mark.slow
def test_several_videos_are_sent_into_one_folder(videos, tmp_path):
    runner = CliRunner()
    sent = runner.invoke(app, ["send", *map(str, videos[:2]), "-o", str(tmp_path / "tx"), "-q"])
    assert sent.exit_code == 0, sent.output
    names = {path.name for path in (tmp_path / "tx").iterdir()}
    assert {"clip-0.lgvsc", "clip-0.sigmf-data", "clip-1.lgvsc", "clip-1.sigmf-meta"} <= names
    again = runner.invoke(app, ["send", *map(str, videos[:2]), "-o", str(tmp_path / "tx"), "-q"])
    assert again.exit_code != 0  # existing outputs are kept


@pytest.mark.slow
def test_a_choice_of_scheme_is_said_when_a_video_is_sent(videos, tmp_path):
    sent = CliRunner().invoke(
        app, ["send", str(videos[0]), "-o", str(tmp_path / "tx"), "-q", "--scheme", "auto", "--budget", "3e-2cbr"]
    )
    assert sent.exit_code == 0, sent.output
    assert "auto chose" in sent.stdout
