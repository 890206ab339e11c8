"""Comparisons of schemes: the grid, the noise that all share, going on after a stop, the table."""

from __future__ import annotations

import csv
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from compare_rows import row

from lgvsc import build, link
from lgvsc.core.video import Video, VideoReader, read_video, write_video
from lgvsc.errors import ConfigError, InputError
from lgvsc.experiments import compare as comparison
from lgvsc.experiments import compare_table
from lgvsc.experiments.clips.excerpts import excerpt
from lgvsc.experiments.clips.side_by_side import LABEL_HEIGHT, write_side_by_side
from lgvsc.experiments.compare import SchemeSpec, compare, plan
from lgvsc.experiments.compare_table import (
    COLUMNS,
    Point,
    TableFile,
    mean_of,
    means,
    read_csv,
    student_t_95,
    summary,
    write_csv,
    write_parquet,
)
from lgvsc.experiments.jobs.workers import Workers


def clip_at(path, frames=8, height=64, width=80):
    ramp = np.linspace(0, 1, width)[None, :, None] * np.array([200, 120, 60])
    pictures = np.stack([np.broadcast_to(np.roll(ramp, 3 * i, axis=1), (height, width, 3)) for i in range(frames)])
    write_video(path, Video(pictures.astype(np.uint8), Fraction(25)))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clip_at(tmp_path_factory.mktemp("compare") / "ramp.mp4")


def test_the_grid_has_every_cell_once(clip):
    cells = plan([clip], ["skem-dsa", "h264-ldpc", "h264-ldpc:paper:ebn0"], [0.0, 6.0], [3e-4, 6e-4], trials=2)
    assert len(cells) == (2 * 2 + 2 * 2 + 2) * 2
    assert len({cell.key for cell in cells}) == len(cells)
    paper = [cell for cell in cells if cell.mode == "paper"]
    assert {(c.config.conventional.mode, c.config.channel.snr_def, c.cbr_target) for c in paper} == {
        ("paper", "ebn0", None)
    }
    assert {c.config.coding.budget for c in cells if c.mode == "adaptive"} == {"0.0003cbr", "0.0006cbr"}


@pytest.mark.parametrize("text", ["h264-ldpc:papers", "h264-ldpc:paper:snr", "h264-ldpc:paper:ebn0:x"])
def test_a_scheme_that_cannot_be_read_is_refused(text):
    with pytest.raises(ConfigError, match="write h265-ldpc"):
        SchemeSpec.parse(text)


def test_clips_of_one_name_are_refused(clip, tmp_path):
    twin = clip_at(tmp_path / "ramp.mp4", frames=3)
    with pytest.raises(ConfigError, match="ramp"):
        plan([clip, twin], ["skem-dsa"], [0.0], [])


def test_all_schemes_meet_the_same_noise(clip):
    cells = plan([clip], ["skem-dsa", "text-only", "av1-ldpc", "h264-ldpc:paper:ebn0"], [0.0, 6.0], [1e-3], trials=2)
    drawn: dict[tuple[float, int], list[torch.Tensor]] = {}
    for cell in cells:
        channel = build.channel(cell.config, cell.sha256, cell.trial)
        noise = channel(torch.zeros(500, dtype=torch.complex64)).symbols
        noise = noise * 10 ** (cell.config.esn0_db / 20)  # to variance one: Eb/N0 differs by a factor alone
        drawn.setdefault((cell.config.channel.snr_db, cell.trial), []).append(noise)
    assert len(drawn) == 4
    for noises in drawn.values():
        assert len(noises) == 4
        assert all(torch.allclose(noise, noises[0], atol=1e-5) for noise in noises)
    firsts = [noises[0] for noises in drawn.values()]
    assert all(not torch.allclose(a, b, atol=0.1) for i, a in enumerate(firsts) for b in firsts[:i])


def test_a_comparison_goes_on_where_it_stopped_and_failures_are_rows(clip, tmp_path, monkeypatch):
    calls, broken = [], True

    def run(source, config, *, output, trial):
        calls.append(config.channel.snr_db)
        if broken and config.channel.snr_db == 5.0:
            raise RuntimeError("out of luck")
        return real(source, config, output=output, trial=trial)

    real = link.run
    monkeypatch.setattr(comparison.link, "run", run)
    table = tmp_path / "t.csv"
    first = plan([clip], ["h264-ldpc"], [0.0, 5.0], [0.05])
    rows = compare(first, table)
    assert [r.error for r in rows] == ["", "RuntimeError: out of luck"] and rows[1].psnr_db is None
    assert rows[0].cbr <= 0.05 and rows[0].psnr_db > 20 and rows[0].frames == 8 and rows[0].lost == ""
    broken = False
    seen = []
    more = plan([clip], ["h264-ldpc"], [0.0, 5.0, 10.0], [0.05])
    again = compare(more, table, on_row=lambda r, done, total: seen.append((r.snr_db, done, total)))
    assert calls == [0.0, 5.0, 5.0, 10.0] and seen == [(5.0, 2, 3), (10.0, 3, 3)]
    assert again[0] == rows[0] and [r.error for r in again] == ["", "", ""]
    assert read_csv(table) == again
    again = compare(plan([clip], ["h264-ldpc"], [0.0], [0.05], settings={"seed": 1}), table)
    assert len(calls) == 5 and len(read_csv(table)) == 4  # another seed is another row; the others stay


def test_a_receiver_that_hears_nothing_is_a_row(clip, tmp_path):
    (only,) = compare(plan([clip], ["h264-ldpc"], [-30.0], [0.05]), tmp_path / "t.csv")
    assert "nothing of the video arrived" in only.error


def test_captions_of_a_data_set_are_sent_in_place_of_the_captioners(clip, tmp_path):
    said = {clip: "A grey ramp rolls"}
    own, codec = plan([clip], ["text-only", "h264-ldpc"], [10.0], [])
    told, same = plan([clip], ["text-only", "h264-ldpc"], [10.0], [], captions=said)
    assert told.key != own.key and same.key == codec.key  # a codec says nothing
    record = link.run(clip, told.config, output=tmp_path / "out.mp4")
    segments = record.report()["segments"]
    assert {segment["caption_received"] for segment in segments} == {"A grey ramp rolls"}
    assert record.report()["symbols"]["captions"] > 0


@pytest.mark.slow
def test_a_pool_gives_the_same_rows(clip, tmp_path):
    cells = plan([clip], ["h264-ldpc", "text-only"], [0.0, 10.0], [0.05])
    timeless = {"tx_s": 0.0, "rx_s": 0.0}
    here = compare(cells, tmp_path / "a.csv")
    there = compare(cells, tmp_path / "b.csv", workers=Workers(count=2))
    assert [{**as_dict(r), **timeless} for r in here] == [{**as_dict(r), **timeless} for r in there]


def as_dict(r) -> dict[str, object]:
    return {name: getattr(r, name) for name in COLUMNS}


def test_the_table_keeps_every_value(tmp_path):
    rows = [row(psnr_db=1 / 3, lost='1 video, "odd"\nline', frames=7, cbr_target=None), row(key="e", error="no, none")]
    write_csv(tmp_path / "t.csv", rows)
    assert read_csv(tmp_path / "t.csv") == rows
    with (tmp_path / "t.csv").open(newline="") as file:
        assert next(csv.reader(file)) == list(COLUMNS)
    older = [name for name in COLUMNS if name != "bert"]  # before there was a metric
    with (tmp_path / "older.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, older, extrasaction="ignore")
        writer.writeheader()
        writer.writerow(as_dict(rows[1]))
    assert read_csv(tmp_path / "older.csv") == [rows[1]]
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="other columns"):
        read_csv(tmp_path / "other.csv")


def test_a_table_on_disk_follows_and_is_whole_in_the_end(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(compare_table, "time", SimpleNamespace(monotonic=lambda: now[0]))
    rows = [row()]
    file = TableFile(tmp_path / "t.csv", lambda: slowly(rows))

    def slowly(rows):
        now[0] += 0.1  # it takes so long to write
        return list(rows)

    file.write()
    assert not (tmp_path / "t.csv").exists()  # nothing is new
    file.changed()
    rows.append(row(key="b"))
    file.changed()
    assert len(read_csv(tmp_path / "t.csv")) == 1
    now[0] += 2.0
    file.changed()
    assert len(read_csv(tmp_path / "t.csv")) == 2
    rows.append(row(key="c"))
    file.changed()
    file.write()
    assert len(read_csv(tmp_path / "t.csv")) == 3


def test_rows_are_kept_whatever_ends_the_work(clip, tmp_path, monkeypatch):
    cells = plan([clip], ["h264-ldpc"], [0.0, 5.0, 10.0], [0.05])

    def stop(row, done, total):
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "run_cell", lambda cell: cell.empty())
    with pytest.raises(KeyboardInterrupt):
        compare(cells, tmp_path / "t.csv", on_row=stop)
    assert [r.key for r in read_csv(tmp_path / "t.csv")] == [cell.key for cell in cells[:2]]


def test_parquet_holds_the_same_with_types(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    rows = [row(psnr_db=None, frames=None), row(key="b", psnr_db=20.5, frames=3)]
    assert write_parquet(tmp_path / "t.parquet", rows)
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.to_pylist() == [as_dict(r) for r in rows]
    assert str(table.schema.field("frames").type) == "int64" and str(table.schema.field("psnr_db").type) == "double"


@pytest.mark.parametrize("freedom, value", [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (11, 2.201), (30, 2.042)])
def test_student_s_t_is_the_tables(freedom, value):
    assert student_t_95(freedom) == pytest.approx(value, abs=0.02)


def test_means_are_over_results_and_say_how_many():
    rows = [row(key="1", ssim=0.5), row(key="2", ssim=0.7, lost="1 video"), row(key="3", error="broken")]
    mean = mean_of(Point("x", 5.0, 6e-4), rows)
    assert (mean.n, mean.damaged, mean.failed) == (2, 1, 1)
    assert mean.values["ssim"] == pytest.approx(0.6) and mean.values["psnr_db"] is None
    assert mean.half_widths["ssim"] == pytest.approx(12.706 * 0.1)  # of two values: t times half their distance
    header, (cells,) = summary(means(rows))
    assert cells[header.index("SSIM")] == "0.600" and cells[header.index("failed")] == "1"


def test_an_excerpt_is_the_beginning_without_loss(clip, tmp_path):
    path = excerpt(clip, 0.2, tmp_path)
    assert path.name == "ramp.0.2s.mp4"
    short, whole = read_video(path), read_video(clip)
    assert len(short) == 5 and short.fps == whole.fps and np.array_equal(short.frames, whole.frames[:5])
    before = path.stat().st_mtime_ns
    assert excerpt(clip, 0.2, tmp_path).stat().st_mtime_ns == before


def test_videos_side_by_side_keep_their_places(tmp_path):
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]
    files = []
    for index, colour in enumerate(colours):
        frames = np.full((4 - index % 2, 48, 64, 3), colour, np.uint8)
        write_video(tmp_path / f"{index}.mp4", Video(frames, Fraction(25)))
        files.append((f"video {index}", tmp_path / f"{index}.mp4"))
    write_side_by_side(tmp_path / "all.mp4", files)
    with VideoReader(tmp_path / "all.mp4") as reader:
        frames = [frame.pixels for frame in reader]
    assert len(frames) == 4 and frames[0].shape[1] == 3 * 64 + 8
    for x, y, colour in [(32, 0, 0), (100, 0, 1), (168, 0, 2), (32, 1, 3)]:
        middle = frames[-1][y * (48 + LABEL_HEIGHT + 4) + LABEL_HEIGHT + 24, x].astype(int)
        assert np.abs(middle - colours[colour]).max() < 40, (x, y, middle)
    with av.open(str(tmp_path / "all.mp4")) as file:
        assert "generated content" in file.metadata["comment"]
