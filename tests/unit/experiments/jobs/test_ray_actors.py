"""Work on a cluster of Ray: two machines, each a set of processes here, of which one is lost in the middle."""

import os
import socket
import sys
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lgvsc.core.sharing import TRIES, Died
from lgvsc.core.video import Video, write_video
from lgvsc.errors import ConfigError, LgvscError, MissingResourceError
from lgvsc.experiments.compare import TABLE, compare, plan
from lgvsc.experiments.compare_table import COLUMNS, read_csv
from lgvsc.experiments.jobs import ray_actors
from lgvsc.experiments.jobs.workers import Workers, do_all

ray = pytest.importorskip("ray", reason="pip install 'lgvsc[ray]'")
TIMES = ("tx_s", "rx_s")


@pytest.fixture(scope="module")
def cluster():
    """Two machines of one processor each, as far as Ray can tell."""
    from ray.cluster_utils import Cluster

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import a test
    made = Cluster()
    for attempt in range(3):
        try:
            made.add_node(num_cpus=1, include_dashboard=False)
            made.second = made.add_node(num_cpus=1)
            break
        except Exception:  # Ray's own, on a machine that is too busy to start one within 30 s
            made.shutdown()
            made = Cluster()
            if attempt == 2:
                pytest.skip("this machine is too busy to start a cluster of Ray")
    yield made
    made.shutdown()


def maker(folder):
    """A worker says in a file of each task who is at it, and waits a while, or until it is told to go on."""

    def work(task):
        kept = folder / f"{task}"
        with kept.open("a") as file:
            file.write(f"{os.getpid()} {ray.get_runtime_context().get_node_id()}\n")
        if task == "deadly":
            os._exit(9)
        if task == "once" and len(kept.read_text().splitlines()) == 1:
            os._exit(9)
        time.sleep(0.5)
        return task, os.getpid()

    return work


def on(cluster, count=2, cpus=1.0):
    return Workers(engine="ray", count=count, cpus=cpus, address=cluster.address)


@pytest.mark.slow
def test_what_ends_a_worker_costs_itself_and_nothing_else(cluster, tmp_path):
    tasks = ["a", "once", "deadly", "b", "c"]
    found = dict(do_all(partial(maker, tmp_path), tasks, on(cluster)))
    assert [found[place][0] for place in (0, 1, 3, 4)] == ["a", "once", "b", "c"] and isinstance(found[2], Died)
    tried = {task: (tmp_path / task).read_text().splitlines() for task in tasks}
    assert [len(tried[task]) for task in tasks] == [1, 2, TRIES, 1, 1]
    assert len({who.split()[0] for who in tried["deadly"]}) == TRIES
    assert not ray.is_initialized()  # who joined a cluster leaves it


@pytest.mark.slow
def test_rows_are_those_of_one_process_although_a_machine_is_lost(cluster, tmp_path):
    clips = []
    for name in ("one", "two"):
        pictures = np.full((4, 48, 64, 3), 90, np.uint8)
        pictures[:, 10:20, 10 + len(clips) * 20 : 30 + len(clips) * 20] = 200
        clips.append(tmp_path / f"{name}.mp4")
        write_video(clips[-1], Video(pictures, Fraction(25)))
    cells = plan(clips, ["h264-ldpc"], [-30.0, 5.0, 10.0], [0.05], settings={"link.metrics": "psnr"})
    here = compare(cells, tmp_path / "here.csv")
    assert [bool(row.error) for row in here] == [True, False, False] * 2  # what fails, fails everywhere alike

    def lose_the_second_machine(row, done, total):
        if done == 1:
            assert len(cluster.list_all_nodes()) == 2
            cluster.remove_node(cluster.second, allow_graceful=False)

    (tmp_path / "there").mkdir()
    table = tmp_path / "there" / TABLE
    there = compare(cells, table, workers=on(cluster), on_row=lose_the_second_machine)

    def timeless(rows):
        return [[getattr(row, name) for name in COLUMNS if name not in TIMES] for row in rows]

    assert timeless(there) == timeless(here)
    assert [row.key for row in read_csv(table)] == [cell.key for cell in cells]
    told = []
    compare([*cells[1:3], *cells[4:]], table, workers=on(cluster, 1), on_row=lambda *row: told.append(row))
    assert not told  # all there

    cluster.second = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()


@pytest.mark.slow
def test_a_cluster_that_shrinks_below_its_actors_ends_in_one_sentence(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_actors, "PLACE_S", 1)
    with pytest.raises(ConfigError, match="3 actors of 1 processors want 3, and Ray has 2"):
        list(do_all(partial(maker, tmp_path), ["a", "b", "c"], on(cluster, 3)))
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        holder = ray.remote(ray_actors.Host).options(num_cpus=1)
        held = [holder.remote() for _ in range(2)]
        ray.get([actor.place.remote() for actor in held])
        with pytest.raises(LgvscError, match="no room for an actor"):
            list(do_all(partial(maker, tmp_path), ["a", "b"], on(cluster)))
        assert ray.is_initialized()  # what was running before goes on
    finally:
        ray.shutdown()


@pytest.mark.parametrize("address", ["nonsense", "ray://127.0.0.1:10001", "127.0.0.1:0", ":6379"])
def test_an_address_of_another_form_is_refused(address):
    with pytest.raises(ConfigError, match="HOST:PORT"):
        ray_actors.look_for(address)


def test_where_nothing_listens_it_is_said_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = time.monotonic()
    with pytest.raises(MissingResourceError, match=rf"nothing answers at {address}: connection refused; give"):
        list(do_all(partial(maker, Path()), ["a"], Workers(engine="ray", address=address)))
    assert time.monotonic() - started < 10


@pytest.mark.slow
def test_what_listens_and_is_no_cluster_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(ray_actors, "ANSWER_S", 8)
    silent = pytest.raises(MissingResourceError, match="no cluster of Ray answers at 127")
    with socket.create_server(("127.0.0.1", 0)) as deaf, silent:
        ray_actors.look_for(f"127.0.0.1:{deaf.getsockname()[1]}")
