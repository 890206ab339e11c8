"""Any file in, the same count, size and rate out; broken files end in one sentence."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lgvsc.core.video import Video, VideoFormat, VideoReader, VideoWriter, read_video, write_video
from lgvsc.errors import InputError, ShapeError


def texture(frames, height, width):
    """Smooth moving colours that survive 4:2:0 coding."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack(
        [
            np.stack([128 + 100 * np.sin((x + 3 * t) / 17), 128 + 100 * np.cos(y / 23), 0 * x + 90.0], axis=-1)
            for t in range(frames)
        ]
    ).astype(np.uint8)


def encode(path, frames, *, codec="libx264", pix_fmt="yuv420p", rate=24, pts=None, options=None, format=None):
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = frames.shape[2], frames.shape[1]
        stream.pix_fmt = pix_fmt
        stream.options = options or {}
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.time_base = Fraction(1, 1000) if pts else 1 / Fraction(rate)
            frame.pts = pts[i] if pts else i
            if pts:
                stream.codec_context.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (65, 97), (64, 97), (2, 2), (48, 48)])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_round_trip_keeps_count_size_and_rate(tmp_path, size, count):
    video = Video(texture(count, *size), Fraction(30000, 1001))
    write_video(tmp_path / "a.mp4", video)
    back = read_video(tmp_path / "a.mp4")
    assert back.frames.shape == video.frames.shape
    assert back.fps == video.fps
    assert np.abs(back.frames.astype(int) - video.frames.astype(int)).mean() < 12


def test_frame_count_is_known_before_decoding(tmp_path):
    write_video(tmp_path / "a.mp4", Video(texture(11, 32, 32), Fraction(24)))
    with VideoReader(tmp_path / "a.mp4") as reader:
        assert reader.format == VideoFormat(32, 32, Fraction(24), 11)
        assert [frame.index for frame in reader] == list(range(11))
        assert sum(1 for _ in reader) == 11, "a second pass starts over"


def test_frames_of_a_variable_rate_keep_their_times(tmp_path):
    pts = [0, 40, 80, 300, 340, 380, 600, 640]
    frames = np.stack([np.full((48, 64, 3), 20 + 25 * i, np.uint8) for i in range(8)])
    encode(tmp_path / "v.mkv", frames, pts=pts, format="matroska")
    with VideoReader(tmp_path / "v.mkv") as reader:
        shown = [round((frame.pixels.mean() - 20) / 25) for frame in reader]
        assert reader.format.fps == 24 and reader.format.frames == len(shown) == 16
        assert [shown.index(i) for i in range(8)] == [round(t * 24 / 1000) for t in pts]
        assert any("variable rate" in note and "24 fps" in note for note in reader.notes)


def test_rotation_flag_sets_the_picture_upright(tmp_path):
    frames = np.zeros((3, 32, 64, 3), np.uint8)
    frames[:, :, :16] = 255  # bright left edge as stored
    encode(tmp_path / "plain.mp4", frames)
    with av.open(str(tmp_path / "plain.mp4")) as source, av.open(str(tmp_path / "turned.mp4"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        if not hasattr(stream, "set_display_rotation"):
            stream.metadata["rotate"] = "90"
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = bytearray((tmp_path / "turned.mp4").read_bytes())
    at = data.find(b"tkhd")
    matrix = at + 4 + 40  # version/flags to the matrix, version 0
    one = (1 << 16).to_bytes(4, "big")
    minus = (-(1 << 16) & 0xFFFFFFFF).to_bytes(4, "big")
    zero = bytes(4)
    data[matrix : matrix + 36] = zero + one + zero + minus + zero + zero + zero + zero + (1 << 30).to_bytes(4, "big")
    (tmp_path / "turned.mp4").write_bytes(data)
    turned = read_video(tmp_path / "turned.mp4")
    assert turned.frames.shape[1:3] == (64, 32)
    top, bottom = turned.frames[0][:8].mean(), turned.frames[0][-8:].mean()
    assert top > 200 and bottom < 50, "90 degrees clockwise brings the left edge to the top"


def test_ten_bit_is_read_as_eight(tmp_path):
    x265 = {"x265-params": "log-level=0"}
    encode(tmp_path / "ten.mkv", texture(3, 64, 64), codec="libx265", pix_fmt="yuv420p10le", options=x265)
    assert read_video(tmp_path / "ten.mkv").frames.dtype == np.uint8


def test_not_a_video_is_one_sentence(tmp_path):
    for name, data in {"empty.mp4": b"", "noise.mp4": bytes(range(256)) * 40, "text.mp4": b"hello\n" * 100}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError) as caught:
            VideoReader(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(InputError, match="not a file"):
        VideoReader(tmp_path / "absent.mp4")


def test_a_playlist_cannot_make_the_reader_open_other_files(tmp_path):
    write_video(tmp_path / "a.mp4", Video(texture(2, 32, 32), Fraction(24)))
    playlist = tmp_path / "list.txt"
    playlist.write_text(f"ffconcat version 1.0\nfile {tmp_path / 'a.mp4'}\n")
    with pytest.raises(InputError):
        VideoReader(playlist)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_damaged_files_never_crash(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "d.mp4"
    write_video(path, Video(texture(5, 32, 48), Fraction(24)))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        with VideoReader(path) as reader:
            for frame in reader:
                assert frame.pixels.shape == (reader.format.height, reader.format.width, 3)
    except InputError:
        pass


def test_writer_leaves_nothing_when_it_fails(tmp_path):
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "a.mp4", VideoFormat(32, 32, Fraction(24))) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_is_known_only_at_the_end_is_in_the_file_too(tmp_path):
    path = tmp_path / "out.mp4"
    with VideoWriter(path, VideoFormat(64, 64, Fraction(12)), metadata={"comment": "early"}) as writer:
        for _ in range(60):  # more than the encoder keeps back
            writer.write(np.zeros((64, 64, 3), np.uint8))
        writer.describe(lgvsc_provenance="[1, 2]")
    with av.open(str(path)) as file:
        assert file.metadata["comment"] == "early"
        assert file.metadata["lgvsc_provenance"] == "[1, 2]"
    assert len(read_video(path)) == 60
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_shapes_are_refused(tmp_path):
    with pytest.raises(ShapeError):
        Video(np.zeros((2, 4, 4), np.uint8), Fraction(24))
    with VideoWriter(tmp_path / "a.mp4", VideoFormat(4, 4, Fraction(24))) as writer:
        with pytest.raises(ShapeError):
            writer.write(np.zeros((4, 5, 3), np.uint8))
        writer.write(np.zeros((4, 4, 3), np.uint8))


def test_a_place_that_takes_no_file_is_named_before_anything_is_written(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        VideoWriter(tmp_path / "nowhere" / "out.mp4", VideoFormat(16, 16, Fraction(10)))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("rate", [2000, 5000])
def test_a_rate_above_a_thousand_is_said_and_the_frames_of_the_format_come(tmp_path, suffix, rate):
    encode(tmp_path / f"v.{suffix}", texture(24, 48, 64), rate=rate)
    with VideoReader(tmp_path / f"v.{suffix}") as reader:
        assert reader.format.fps == 1000 and sum(1 for _ in reader) == reader.format.frames
        assert any(f"{rate} fps is not kept: the rate is 1000 fps" in note for note in reader.notes)
        assert not any("variable" in note for note in reader.notes)


def test_a_thousand_frames_a_second_are_kept_without_a_word(tmp_path):
    encode(tmp_path / "v.mp4", texture(24, 48, 64), rate=1000)
    with VideoReader(tmp_path / "v.mp4") as reader:
        assert reader.format == VideoFormat(48, 64, Fraction(1000), 24) and not reader.notes


@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_the_last_picture_of_an_animation_is_shown_as_long_as_it_says(tmp_path, suffix):
    pictures = [Image.fromarray(np.full((48, 64, 3), 20 + 60 * i, np.uint8)) for i in range(3)]
    held = [100, 100, 1000]
    pictures[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=pictures[1:], duration=held)
    with VideoReader(tmp_path / f"a.{suffix}") as reader:
        assert reader.format.fps == 10 and reader.format.frames == 12
        assert [round((frame.pixels.mean() - 20) / 60) for frame in reader] == [0, 1] + 10 * [2]
        assert any("variable rate (1 to 10 fps)" in note for note in reader.notes)


@pytest.mark.parametrize("suffix", ["gif", "png", "jpg", "bmp"])
def test_a_single_picture_has_the_rate_of_files_that_state_none(tmp_path, suffix):
    Image.new("RGB", (64, 48), (20, 90, 160)).save(tmp_path / f"a.{suffix}")
    with VideoReader(tmp_path / f"a.{suffix}") as reader:
        assert (reader.format.fps, reader.format.frames, reader.notes) == (25, 1, [])


def test_an_empty_file_is_called_empty(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(InputError, match="cannot be read as video: it is empty"):
        VideoReader(tmp_path / "a.mp4")


def test_pictures_above_sixteen_megapixels_are_taken_where_they_are_made_smaller(tmp_path):
    encode(tmp_path / "v.mkv", texture(1, 4096, 4096), options={"preset": "ultrafast"})
    with pytest.raises(
        InputError, match="is 4096x4096; frames of up to 16 megapixels are taken, or up to 40 with --max"
    ):
        VideoReader(tmp_path / "v.mkv")
    with pytest.raises(InputError, match=r"16 megapixels are taken$"):
        VideoReader(tmp_path / "v.mkv", max_side=4090)
    with VideoReader(tmp_path / "v.mkv", max_side=96) as reader:
        assert (reader.format.height, reader.format.width) == (96, 96) and sum(1 for _ in reader) == 1


@pytest.mark.parametrize("share", [0.8, 0.95])
def test_a_matroska_file_that_breaks_off_is_called_damaged(tmp_path, share):
    encode(tmp_path / "whole.mkv", texture(30, 96, 128), rate=15)
    whole = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: int(share * len(whole))])
    with VideoReader(tmp_path / "whole.mkv") as reader:
        assert reader.damage is None
    with VideoReader(tmp_path / "cut.mkv") as reader:
        assert reader.format.fps == 15 and reader.format.frames == sum(1 for _ in reader) > 0
        missing = len(whole) - int(share * len(whole))
        assert (
            reader.damage
            == f"the file is damaged: its last {missing} bytes are missing; all that can be decoded is taken"
        )


def test_a_recording_without_its_index_is_told_so(tmp_path):
    encode(tmp_path / "whole.mp4", texture(30, 96, 128))
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: whole.rindex(b"moov") - 100])
    with pytest.raises(InputError, match=r"cannot be read as video: its index \(moov\) is missing"):
        VideoReader(tmp_path / "cut.mp4")
