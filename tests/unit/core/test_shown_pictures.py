"""What a file asks for is done to its pictures, and said: turned, mirrored, square pixels, SDR, deinterlaced."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from lgvsc.core.orientation import turning
from lgvsc.core.stills import read_picture
from lgvsc.core.video import VideoReader, read_video
from lgvsc.errors import InputError

ONE = 1 << 16
MATRICES = {  # of a tkhd, upper left two by two, with what is right: rows of a 2x3 picture seen by the viewer
    "turned by 90": ((0, ONE, -ONE, 0), lambda p: np.rot90(p, -1)),
    "turned by 180": ((-ONE, 0, 0, -ONE), lambda p: np.rot90(p, 2)),
    "turned by 270": ((0, -ONE, ONE, 0), lambda p: np.rot90(p, 1)),
    "mirrored": ((-ONE, 0, 0, ONE), lambda p: p[:, ::-1]),
    "upside down": ((ONE, 0, 0, -ONE), lambda p: p[::-1]),
    "transposed": ((0, ONE, ONE, 0), lambda p: p.transpose(1, 0, 2)),
    "along the other diagonal": ((0, -ONE, -ONE, 0), lambda p: p[::-1, ::-1].transpose(1, 0, 2)),
    "zeros": ((0, 0, 0, 0), lambda p: p),
    "broken": ((ONE, 0, 0, 0), lambda p: p),
}


def quarters(height=48, width=80):
    """Four corners of four greys."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = 40, 90
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = 150, 220
    return picture


def encode(path, pictures, *, codec="libx264", format="rgb24", pix_fmt="yuv420p", rate=15, set_up=None, options=None):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = pictures[0].shape[1], pictures[0].shape[0], pix_fmt
        stream.options = options or {}
        if set_up:
            set_up(stream)
        for index, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=format)
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def corners(picture):
    height, width = picture.shape[:2]
    rows, columns = (height // 4, 3 * height // 4), (width // 4, 3 * width // 4)
    return np.array([[picture[y, x].mean() for x in columns] for y in rows])


@pytest.mark.parametrize("name", MATRICES)
def test_display_matrices_are_followed_as_players_do(tmp_path, name):
    numbers, right = MATRICES[name]
    path = tmp_path / "m.mp4"
    encode(path, [quarters()] * 3)
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 44
    a, b, c, d = (number.to_bytes(4, "big", signed=True) for number in numbers)
    zero = bytes(4)
    data[at : at + 36] = a + b + zero + c + d + zero + zero + zero + (1 << 30).to_bytes(4, "big")
    path.write_bytes(data)
    with VideoReader(path) as reader:
        shown = next(iter(reader)).pixels
        wanted = right(quarters())
        assert shown.shape == wanted.shape == (reader.format.height, reader.format.width, 3)
        assert np.abs(corners(shown) - corners(wanted)).max() < 5
        assert bool(reader.notes) == (name not in ("zeros", "broken"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_a_video_of_one_upright_frame(tmp_path, orientation):
    """PyAV knows no EXIF data beside a frame, and fails on them; the orientation is read from the file."""
    scene = Image.fromarray(quarters())
    exif = Image.Exif()
    exif[0x0112] = orientation
    scene.save(tmp_path / "p.jpg", exif=exif, quality=95)
    with VideoReader(tmp_path / "p.jpg") as reader:
        shown = next(iter(reader)).pixels
        wanted = read_picture(tmp_path / "p.jpg")
        assert shown.shape == wanted.shape == (reader.format.height, reader.format.width, 3)
        assert np.abs(corners(shown) - corners(wanted)).max() < 5
        assert bool(reader.notes) == (orientation != 1)


def test_a_matrix_by_any_other_angle_turns_within_the_frame():
    ((name, angle),) = turning([46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30])
    assert name == "rotate" and float(angle) == pytest.approx(np.pi / 4, abs=1e-3)
    assert turning([]) == turning([ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30]) == []


@pytest.mark.parametrize(
    ("shape", "size"), [("16/9", (85, 48)), ("1/2", (24, 48)), ("12/11", (52, 48)), ("1", (48, 48))]
)
def test_pixels_are_made_square(tmp_path, shape, size):
    def set_up(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(shape)

    encode(tmp_path / "s.mp4", [quarters(48, 48)] * 2, set_up=set_up)
    with VideoReader(tmp_path / "s.mp4") as reader:
        assert (reader.format.width, reader.format.height) == size
        assert bool(reader.notes) == (shape != "1")


def test_max_side_makes_larger_videos_smaller_and_leaves_smaller_ones(tmp_path):
    encode(tmp_path / "v.mp4", [quarters(96, 160)] * 2)
    with VideoReader(tmp_path / "v.mp4", max_side=80) as reader:
        assert (reader.format.width, reader.format.height) == (80, 48)
        assert "CBR and metrics are over the smaller one" in reader.notes[0]
        assert np.abs(corners(next(iter(reader)).pixels) - corners(quarters())).max() < 5
    with VideoReader(tmp_path / "v.mp4", max_side=160) as reader:
        assert reader.notes == [] and reader.format.width == 160


@pytest.mark.parametrize("matrix", ["bt709", "bt470bg"])
@pytest.mark.parametrize("full", [False, True])
def test_matrix_and_range_are_those_that_the_file_states(tmp_path, matrix, full):
    """A grey of 235 and a green, by the equations of BT.601 and BT.709."""
    kr, kb = (0.2126, 0.0722) if matrix == "bt709" else (0.299, 0.114)
    r, g, b = 13.0, 222.0, 12.0
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    yuv = (y, 128 + u, 128 + v) if full else (16 + y * 219 / 255, 128 + u * 224 / 255, 128 + v * 224 / 255)
    planes = np.concatenate([np.full(64 * 64, round(yuv[0])), *(np.full(32 * 32, round(c)) for c in yuv[1:])])
    picture = planes.astype(np.uint8).reshape(96, 64)

    def set_up(stream):
        stream.height = 64
        stream.codec_context.colorspace = 1 if matrix == "bt709" else 5
        stream.codec_context.color_range = 2 if full else 1

    encode(tmp_path / "c.mp4", [picture] * 2, format="yuv420p", set_up=set_up, options={"qp": "0"})
    shown = read_video(tmp_path / "c.mp4").frames[0]
    assert np.abs(shown[32, 32].astype(int) - (13, 222, 12)).max() <= 4


@pytest.mark.parametrize(("transfer", "name"), [(18, "HLG"), (16, "PQ")])
def test_hdr_is_tone_mapped_and_said(tmp_path, transfer, name):
    ramp = np.linspace(0, 255, 64).astype(np.uint8)[None, :, None] * np.ones((64, 1, 3), np.uint8)

    def set_up(stream):
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 9, 9, transfer, 1

    encode(tmp_path / "h.mkv", [ramp] * 2, codec="ffv1", pix_fmt="yuv420p10le", set_up=set_up)
    encode(tmp_path / "p.mkv", [ramp] * 2, codec="ffv1", pix_fmt="yuv420p10le")
    with VideoReader(tmp_path / "h.mkv") as reader:
        grey = next(iter(reader)).pixels[32].mean(axis=1)
        assert any(name in note and "SDR" in note for note in reader.notes)
    plain = read_video(tmp_path / "p.mkv").frames[0][32].mean(axis=1)
    assert (np.diff(grey) >= -2).all() and grey[0] < 10, "still a ramp from black"
    assert np.abs(grey - plain).max() > 15, "another curve than that of the file"
    assert np.ptp(read_video(tmp_path / "h.mkv").frames[0][32, 40].astype(int)) <= 4, "grey stays grey"


def test_combed_frames_are_deinterlaced_and_progressive_ones_are_not(tmp_path):
    pictures = []
    for index in range(8):
        even, odd = np.full((64, 96, 3), 30, np.uint8), np.full((64, 96, 3), 30, np.uint8)
        even[:, 8 + 8 * index : 24 + 8 * index], odd[:, 12 + 8 * index : 28 + 8 * index] = 220, 220
        woven = even.copy()
        woven[1::2] = odd[1::2]
        pictures.append(woven)

    def combing(picture):
        rows = picture[8:-8].mean(axis=2)
        return np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean()

    encode(tmp_path / "i.mp4", pictures, options={"x264-params": "tff=1", "qp": "4"})
    encode(tmp_path / "p.mp4", pictures, options={"qp": "4"})
    with VideoReader(tmp_path / "i.mp4") as reader:
        shown = [frame.pixels for frame in reader]
        assert len(shown) == reader.format.frames == 8
        assert any("deinterlaced" in note for note in reader.notes)
    assert combing(shown[4]) < 0.3 * combing(pictures[4])
    with VideoReader(tmp_path / "p.mp4") as reader:
        assert combing(list(reader)[4].pixels) > 0.8 * combing(pictures[4])
        assert reader.notes == []


def test_a_strip_of_a_thousand_to_one_is_refused_in_one_sentence(tmp_path):
    encode(tmp_path / "s.mkv", [np.full((2, 2000, 3), 77, np.uint8)] * 3, codec="ffv1", pix_fmt="bgr0")
    with pytest.raises(InputError, match=r"2000x2; pictures more oblong than 100:1"):
        VideoReader(tmp_path / "s.mkv")
    encode(tmp_path / "w.mkv", [np.full((20, 2000, 3), 77, np.uint8)] * 3, codec="ffv1", pix_fmt="bgr0")
    assert read_video(tmp_path / "w.mkv").frames.shape == (3, 20, 2000, 3)


def test_transparent_parts_are_black(tmp_path):
    picture = np.full((16, 16, 4), 200, np.uint8)
    picture[:, 8:, 3], picture[:, :8, 3] = 0, 255
    encode(tmp_path / "a.mov", [picture] * 2, codec="png", format="rgba", pix_fmt="rgba")
    with VideoReader(tmp_path / "a.mov") as reader:
        shown = next(iter(reader)).pixels
        assert shown[8, 2].tolist() == [200] * 3 and shown[8, 12].tolist() == [0] * 3
        assert any("transparent" in note for note in reader.notes)


@pytest.mark.parametrize(("name", "mode"), [("a.gif", "P"), ("a.png", "P"), ("a.jpg", "CMYK"), ("b.png", "RGBA")])
def test_nothing_is_called_transparent_that_is_not(tmp_path, name, mode):
    Image.new("RGB", (48, 32), (200, 90, 40)).convert(mode).save(tmp_path / name)
    with VideoReader(tmp_path / name) as reader:
        assert sum(1 for _ in reader) == 1 and not reader.notes


def test_what_becomes_transparent_later_is_told_then(tmp_path):
    pictures = [np.full((16, 16, 4), 255, np.uint8) for _ in range(4)]
    pictures[3][:, :8, 3] = 0
    encode(tmp_path / "a.mov", pictures, codec="png", format="rgba", pix_fmt="rgba")
    with VideoReader(tmp_path / "a.mov") as reader:
        assert not reader.notes
        assert [int(frame.pixels.min()) for frame in reader] == [255, 255, 255, 0]
        assert reader.notes == ["transparent parts are shown over black"]


def test_a_stream_that_changes_its_size_keeps_the_first(tmp_path):
    """Two MPEG-TS pieces of two sizes, one after the other, as a broadcast has them."""
    for name, side in (("a", 64), ("b", 96)):
        encode(tmp_path / f"{name}.ts", [np.full((side, side, 3), 90, np.uint8)] * 4)
    (tmp_path / "ab.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    with VideoReader(tmp_path / "ab.ts") as reader:
        shapes = {frame.pixels.shape for frame in reader}
        assert shapes == {(64, 64, 3)}
        assert any("size changes" in note for note in reader.notes)


def test_a_cover_is_no_video(tmp_path):
    encode(tmp_path / "c.mkv", [quarters(120, 120)], codec="mjpeg", pix_fmt="yuvj420p")
    encode(tmp_path / "v.mp4", [quarters()] * 5)
    with av.open(str(tmp_path / "both.mkv"), "w") as both:
        inputs = [av.open(str(tmp_path / name)) for name in ("c.mkv", "v.mp4")]
        streams = [both.add_stream_from_template(one.streams.video[0]) for one in inputs]
        streams[0].disposition, streams[1].disposition = av.stream.Disposition(0), av.stream.Disposition.default
        for one, stream in zip(inputs, streams, strict=True):
            for packet in one.demux(video=0):
                if packet.dts is not None or packet.pts is not None:
                    packet.stream = stream
                    both.mux(packet)
            one.close()
    with VideoReader(tmp_path / "both.mkv") as reader:
        assert reader.format.frames == 5 and (reader.format.height, reader.format.width) == (48, 80)


def test_sound_that_is_not_sent_is_said_and_sound_alone_is_no_video(tmp_path):
    def sound(container, stream):
        for index in range(4):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    with av.open(str(tmp_path / "s.mp4"), "w") as container:
        video, audio = container.add_stream("libx264", rate=15), container.add_stream("aac", rate=44100, layout="mono")
        video.width, video.height, video.pix_fmt = 80, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(quarters(), format="rgb24")
        container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound(container, audio)
    with VideoReader(tmp_path / "s.mp4") as reader:
        assert reader.notes == ["its sound is not sent"]
    with av.open(str(tmp_path / "s.m4a"), "w", format="mp4") as container:
        sound(container, container.add_stream("aac", rate=44100, layout="mono"))
    with pytest.raises(InputError, match="no video in it"):
        VideoReader(tmp_path / "s.m4a")


@pytest.mark.parametrize(("rate", "begins"), [(Fraction(1, 2), 0), (12, 1000)], ids=["slow", "late"])
def test_a_sound_file_is_not_called_damaged(tmp_path, rate, begins):
    """Frames of two seconds each, and frames that begin a minute after the file does."""
    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 80, 48, "yuv420p"
        for index in range(12):
            frame = av.VideoFrame.from_ndarray(quarters(), format="rgb24")
            frame.pts, frame.time_base = begins + index, 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoReader(tmp_path / "v.mkv") as reader:
        assert (reader.format.frames, reader.format.fps, reader.damage, reader.notes) == (12, rate, None, [])


def test_a_list_of_other_files_is_refused(tmp_path):
    encode(tmp_path / "secret.mp4", [quarters()] * 2)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile secret.mp4\n")
    with pytest.raises(InputError, match="list of other files"):
        VideoReader(tmp_path / "list.mp4")
