"""Every parser of lgvsc as a fuzz target: bytes in, anything out but a surprise.

A target refuses with one of lgvsc's own errors, answers "nothing", or returns a value, and checks that the value is
one that the rest of lgvsc can live with. Anything else that it raises is a bug.
"""

from __future__ import annotations

import io
import json
import math
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch

from fault_campaign.damage import edits
from fault_campaign.verdicts import LIMIT_S, Case, Outcome, Verdict

READ, NOTHING = Verdict(Outcome.HARMLESS, "read as valid"), Verdict(Outcome.REFUSED, "nothing in it")


@dataclass(frozen=True, slots=True)
class Target:
    """One parser.

    Attributes:
        read: Gives bytes to the parser and checks what comes out.
        seeds: Valid inputs, from which damaged ones are made.
        limit_s: Processor seconds that one input may take.
    """

    name: str
    read: Callable[[bytes], Verdict]
    seeds: Callable[[], list[bytes]]
    limit_s: float = LIMIT_S


@lru_cache(maxsize=1)
def scratch() -> Path:
    """A folder for inputs that must be files, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    folder = tempfile.TemporaryDirectory(prefix="lgvsc-faults-", dir=memory if memory.is_dir() else None)
    _kept.append(folder)
    return Path(folder.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


def as_file(name: str, data: bytes) -> Path:
    """The bytes as a file."""
    path = scratch() / name
    path.write_bytes(data)
    return path


# Files


def small_picture(height: int = 16, width: int = 16) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 9 % 256, columns * 7 % 256, (rows + columns) * 5 % 256], -1).astype(np.uint8)


@cache
def golden_message() -> bytes:
    """A message of three small segments, all fields in use."""
    from lgvsc.core.container import write_message
    from lgvsc.core.message import Motion, Segment
    from lgvsc.core.video import VideoFormat

    video = VideoFormat(8, 12, Fraction(30000, 1001), 30)
    picture = small_picture(8, 12)
    segments = [
        Segment(
            video=video,
            start=10 * index,
            stop=10 * index + 10,
            caption=f"boat {index}",
            keyframe=picture,
            closing_keyframe=picture if index == 2 else None,
            motion=Motion(score=1.5, camera="pan left", pan=-0.25),
            cut=25 if index == 2 else None,
            last=index == 2,
            divergence=0.5 if index else None,
        )
        for index in range(3)
    ]
    path = scratch() / "golden.lgvsc"
    write_message(path, segments)
    return path.read_bytes()


def chunk(payload: bytes) -> bytes:
    """A message file of one chunk whose CRC holds."""
    return b"LGVSC\n\x01SEG\x1a" + struct.pack(">II", len(payload), zlib.crc32(payload)) + payload


def read_container(data: bytes) -> Verdict:
    from lgvsc.cli.inspect_commands import message_lines
    from lgvsc.core.container import message_view, read_segments

    view = message_view(read_segments(as_file("fuzzed.lgvsc", data)))
    json.dumps(view, allow_nan=False)
    if not view["segments"]:
        return NOTHING
    list(message_lines(view))
    return READ


def read_chunk(data: bytes) -> Verdict:
    return read_container(chunk(data))


def read_words(data: bytes) -> Verdict:
    return read_chunk(struct.pack(">I", len(data)) + data + bytes(8))


@cache
def words_seeds() -> list[bytes]:
    payload = golden_message()[7 + 12 :]
    (size,) = struct.unpack_from(">I", payload)
    return [payload[4 : 4 + size]]


SIGMF = {
    "global": {
        "core:datatype": "cf32_le",
        "core:version": "1.2.0",
        "core:num_channels": 1,
        "lgvsc:noise_variance": 0.1,
    },
    "captures": [{"core:sample_start": 0}],
    "annotations": [],
}


def read_sigmf_meta(data: bytes) -> Verdict:
    from lgvsc.channel.sigmf import SigmfReader

    as_file("fuzzed.sigmf-data", bytes(80))
    reader = SigmfReader(as_file("fuzzed.sigmf-meta", data))
    assert isinstance(reader.clip, str)
    assert sum(len(piece) for piece in reader) == 10
    return READ


def read_sigmf_data(data: bytes) -> Verdict:
    """Symbols of any value, through the whole receiver of messages."""
    from lgvsc.channel.sigmf import SigmfReader

    as_file("fuzzed.sigmf-data", data)
    meta = as_file("fuzzed.sigmf-meta", json.dumps(SIGMF).encode())
    segments = list(codec().decode(SigmfReader(meta)))
    return READ if segments else NOTHING


@cache
def sent_symbols() -> bytes:
    """The bursts of the golden message as a recording."""
    from lgvsc.core.container import read_segments

    path = as_file("golden.lgvsc", golden_message())
    bursts = [burst.symbols for _, burst in codec().encode(read_segments(path))]
    return torch.cat(bursts).numpy().astype("<c8").tobytes()


def read_preset(data: bytes) -> Verdict:
    from lgvsc.config import load_config

    load_config(str(as_file("fuzzed.toml", data)))
    return READ


def preset_seeds() -> list[bytes]:
    from importlib import resources

    return [(resources.files("lgvsc") / "presets" / "compact.toml").read_bytes()]


def read_setting(data: bytes) -> Verdict:
    from lgvsc.config import load_config

    load_config(settings=[data.decode("latin-1")])
    return READ


def read_questions(data: bytes) -> Verdict:
    from lgvsc.semantics.prompts import load_questions

    load_questions(as_file("questions.toml", data))
    return READ


def read_catalogue(data: bytes) -> Verdict:
    from lgvsc.models.card import as_toml, read_cards

    for card in read_cards(data.decode("latin-1")).values():
        as_toml(card)
    return READ


def catalogue_seeds() -> list[bytes]:
    from importlib import resources

    return [(resources.files("lgvsc") / "models" / "catalog.toml").read_bytes()]


def read_budget(data: bytes) -> Verdict:
    from lgvsc.coding.budget import Budget

    assert math.isfinite(Budget.parse(data.decode("latin-1")).amount)
    return READ


def read_weights(data: bytes) -> Verdict:
    from lgvsc.models.weights import read_tensors

    tensors, metadata = read_tensors(data)
    assert all(isinstance(value, str) for value in metadata.values())
    return READ if tensors else NOTHING


def read_network(data: bytes) -> Verdict:
    """Weights as each of the four loaders takes them."""
    from lgvsc.coding.pictures.ntscc import load
    from lgvsc.coding.words.text_model import TextModel
    from lgvsc.errors import InputError
    from lgvsc.semantics.backends.compact.judge import CompactJudge

    refused = 0
    for loader in (load, TextModel.from_bytes, CompactJudge.load):
        try:
            loader(data)
        except InputError:
            refused += 1
    return READ if refused < 3 else NOTHING


@cache
def weights_seeds() -> list[bytes]:
    from safetensors.torch import save

    sizes = {"latent": 8, "widths": [4, 4, 4], "hyper": 4, "coder_blocks": 1, "rates": [1, 2, 4]}
    tensors = {"a": torch.zeros(3), "b": torch.ones(2, 2, dtype=torch.float16)}
    metadata = [{}, {"config": json.dumps(sizes)}, {"config": "{}", "words": "[]"}]
    return [save(tensors, some) for some in metadata]


@cache
def sample_videos() -> list[bytes]:
    """A small clip in several containers and codecs."""
    import av

    found = []
    for codec_name, suffix in (
        ("libx264", "mp4"),
        ("libx264", "mkv"),
        ("mpeg4", "avi"),
        ("libx265", "mp4"),
        ("gif", "gif"),
    ):
        path = scratch() / f"sample.{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec_name, rate=10)
            stream.width = stream.height = 32
            stream.pix_fmt = "rgb8" if codec_name == "gif" else "yuv420p"
            if codec_name == "libx265":
                stream.options = {"x265-params": "log-level=none:pools=none"}
            for index in range(4):
                frame = av.VideoFrame.from_ndarray(np.roll(small_picture(32, 32), 3 * index, 1), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        found.append(path.read_bytes())
    return found


def read_video(data: bytes) -> Verdict:
    from itertools import islice

    from lgvsc.core.video import MAX_PIXELS, VideoReader

    with VideoReader(as_file("fuzzed.video", data)) as reader:
        video = reader.format
        assert 0 < video.height * video.width <= MAX_PIXELS and 0 < video.fps <= 1000
        for frame in islice(reader, 50):
            assert frame.pixels.shape == (video.height, video.width, 3)
    return READ


def read_picture_file(data: bytes) -> Verdict:
    from lgvsc.inspection import read_picture

    picture = read_picture(as_file("fuzzed.picture", data))
    assert picture.ndim == 3 and picture.dtype == np.uint8
    return READ


@cache
def picture_file_seeds() -> list[bytes]:
    from PIL import Image

    found = []
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"):
        buffer = io.BytesIO()
        Image.fromarray(small_picture()).save(buffer, kind)
        found.append(buffer.getvalue())
    return found


# On the air


def to_bits(data: bytes, count: int) -> np.ndarray:
    """So many bits of the data, zeros after their end."""
    bits = np.unpackbits(np.frombuffer(data[: -(-count // 8)], np.uint8))[:count]
    return np.pad(bits, (0, count - len(bits)))


@cache
def codec():
    """The compact preset's message codec at 10 dB, keyframes by the digital road alone."""
    from lgvsc import build
    from lgvsc.config import load_config

    return build.codec(load_config(settings={"models.picture_codecs": ["digital-picture"]}))


def read_control(data: bytes) -> Verdict:
    """Bits as they come, and the same with a CRC that holds and the right version."""
    from lgvsc.coding.burst.control import MessageControl

    bits = to_bits(data, MessageControl.block_bits())
    raw = MessageControl.unpack(bits)
    held = MessageControl.unpack(with_crc(bits, MessageControl))
    for control in (raw, held):
        if control is not None:
            assert 0 <= codec().body_symbols(control) < 1 << 40
            segment = control.segment()
            assert 0 <= segment.start < segment.stop and float(segment.video.fps) <= 1000
            assert np.array_equal(
                control.pack(),
                bits if control is raw else with_crc(bits, MessageControl),
            )
    return READ if raw or held else NOTHING


def read_video_control(data: bytes) -> Verdict:
    from lgvsc.coding.burst.control import VideoControl

    bits = to_bits(data, VideoControl.block_bits())
    control = VideoControl.unpack(bits) or VideoControl.unpack(with_crc(bits, VideoControl))
    if control is None:
        return NOTHING
    assert 0 <= control.body_symbols < 1 << 40
    assert 0 <= control.segment().start < control.segment().stop
    return READ


def with_crc(bits: np.ndarray, control) -> np.ndarray:
    """The same fields, the version put right, under a CRC of their own."""
    from lgvsc.coding.burst.fields import pack_fields

    values, at = {}, 0
    for name, width in control.layout():
        values[name] = int("".join(map(str, bits[at : at + width])), 2)
        at += width
    return pack_fields(values | {"version": control.version}, control.layout())


def read_fields(data: bytes) -> Verdict:
    from lgvsc.coding.burst.control import MessageControl
    from lgvsc.coding.burst.fields import unpack_fields

    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    bits = bits[: MessageControl.block_bits()] if len(bits) - MessageControl.block_bits() in range(8) else bits
    return NOTHING if unpack_fields(bits, MessageControl.layout()) is None else READ


@cache
def control_seeds() -> list[bytes]:
    from lgvsc.coding.burst.control import MessageControl

    control = MessageControl(
        height=96, width=128, fps_numerator=24, fps_denominator=1, total_frames=100, start=10, length=30, last=0, cut=3,
        caption_bits=200, caption_mcs=4, side=1, side_mcs=2, keyframe_codec=0, keyframe_length=300,
        keyframe_mode=5, closing_codec=1, closing_length=400, closing_mode=3,
    )  # fmt: skip
    return [np.packbits(control.pack()).tobytes()]


def read_side(data: bytes) -> Verdict:
    from lgvsc.coding.words.side import MOTION_BITS, decode_motion, encode_motion

    motion = decode_motion(to_bits(data, MOTION_BITS))
    assert all(math.isfinite(value) for value in (motion.score, motion.pan, motion.tilt, motion.zoom))
    assert decode_motion(encode_motion(motion)) == motion
    return READ


def read_text(data: bytes) -> Verdict:
    from lgvsc.coding.words.text import decode_text
    from lgvsc.core.message import MAX_CAPTION_BYTES

    text = decode_text(np.unpackbits(np.frombuffer(data, np.uint8)))
    assert text is None or len(text.encode()) <= MAX_CAPTION_BYTES
    return NOTHING if text is None else READ


@cache
def text_seeds() -> list[bytes]:
    from lgvsc.coding.words.text import encode_text

    return [np.packbits(encode_text(text)).tobytes() for text in ("A red boat on a lake.", "\0\1\2" * 9, "ünï " * 8)]


def read_rate_map(data: bytes) -> Verdict:
    from lgvsc.coding.pictures.rate_map import decode_map

    indices = decode_map(np.unpackbits(np.frombuffer(data, np.uint8)), (6, 9), 24, 12)
    assert indices.shape == (6, 9) and 0 <= indices.min() <= indices.max() < 12
    return READ


SIZES = ((16, 16), (97, 63), (1, 200), (300, 500))


def read_coded_picture(data: bytes) -> Verdict:
    """The first byte chooses a size."""
    from lgvsc.coding.pictures.digital_picture import decode_picture

    height, width = SIZES[data[0] % len(SIZES)] if data else SIZES[0]
    picture = decode_picture(data[1:], height, width)
    assert picture is None or (picture.shape == (height, width, 3) and picture.dtype == np.uint8)
    return NOTHING if picture is None else READ


@cache
def coded_picture_seeds() -> list[bytes]:
    from lgvsc.coding.pictures.digital_picture import encode_picture

    return [bytes([number]) + encode_picture(small_picture(*size), 200) for number, size in enumerate(SIZES)]


def read_intra(data: bytes) -> Verdict:
    from lgvsc.coding.pictures.intra import decode_intra

    picture = decode_intra(data[1:], 48, 64, data[0] % 60 if data else 0)
    assert picture is None or picture.shape == (48, 64, 3)
    return NOTHING if picture is None else READ


@cache
def intra_seeds() -> list[bytes]:
    from lgvsc.coding.pictures.intra import encode_intra

    return [bytes([qp]) + encode_intra(small_picture(48, 64), qp) for qp in (20, 35, 51)]


def read_gop(data: bytes) -> Verdict:
    """The first byte chooses codec and headers, the second the quantiser that control names, the third their sum."""
    from lgvsc.coding.frames.elementary import CODECS
    from lgvsc.coding.frames.standard_codec import CodedGop, decode_gop

    first, qp, check, payload = *data[:3].ljust(3, b"\0"), data[3:]
    coded = CodedGop(payload, bool(first & 4), qp % 128, check)
    shown = -1
    for picture in decode_gop(CODECS[(first >> 4) % len(CODECS)], coded, (32, 48), bool(first & 8)):
        assert picture.position > shown and (picture.frame.height, picture.frame.width) == (32, 48)
        shown = picture.position
    return READ if shown >= 0 else NOTHING


@cache
def gop_seeds() -> list[bytes]:
    from lgvsc.coding.frames.elementary import CODECS
    from lgvsc.coding.frames.standard_codec import Quantiser, encode_gop, to_yuv

    found = []
    for number, name in enumerate(CODECS):
        if name == "vvc":  # needs the bench extra, and a process for every picture that is coded
            continue
        frames = [to_yuv(np.roll(small_picture(32, 48), 2 * index, 1)) for index in range(6)]
        coded = encode_gop(name, frames, Quantiser(30.0), preset="8" if name == "av1" else "ultrafast")
        first = number << 4 | 4 * coded.headers_sent
        found.append(bytes([first, coded.header_qp, coded.header_check]) + coded.payload)
    return found


@cache
def learned_road():
    from lgvsc.models.catalog import load

    return load("compact-ntscc")


def read_learned_picture(data: bytes) -> Verdict:
    """Four bytes announce length and mode, the rest are symbols of any value."""
    from lgvsc.core.air import Reception

    head, rest = data[:4].ljust(4, b"\0"), data[4:]
    length, mode = int.from_bytes(head[:3], "big") % (1 << 17), head[3] % 16
    values = torch.from_numpy(np.frombuffer(rest[: len(rest) // 8 * 8], "<c8").copy())
    height, width = 40, 50
    assert 0 <= learned_road().symbol_count(length, mode, height, width) < 1 << 30
    picture = learned_road().decode(Reception(values, torch.full((len(values),), 0.1)), length, mode, height, width)
    assert picture is None or (picture.shape == (height, width, 3) and picture.dtype == np.uint8)
    return NOTHING if picture is None else READ


@cache
def learned_seeds() -> list[bytes]:
    coded = learned_road().encode(small_picture(40, 50), max_symbols=300, snr_db=10.0)
    even = learned_road().encode(small_picture(40, 50), max_symbols=300, snr_db=0.0)
    return [
        one.length.to_bytes(3, "big") + bytes([one.mode]) + one.symbols.numpy().astype("<c8").tobytes()
        for one in (coded, even)
    ]


def read_packet_data(data: bytes) -> Verdict:
    from fault_campaign.packets import read_fuzzed

    return read_fuzzed(data)


@cache
def packet_seeds() -> list[bytes]:
    from fault_campaign.packets import packets

    return list(packets(200).sent[:6])


TARGETS = (
    Target("container", read_container, lambda: [golden_message()]),
    Target("container chunk", read_chunk, lambda: [golden_message()[19:]]),
    Target("container words", read_words, words_seeds),
    Target("packet", read_packet_data, packet_seeds),
    Target("control", read_control, control_seeds),
    Target("control fields", read_fields, control_seeds),
    Target("video control", read_video_control, control_seeds),
    Target("side information", read_side, lambda: [b"\x12\x34\x56\x78"]),
    Target("caption", read_text, text_seeds),
    Target("picture", read_coded_picture, coded_picture_seeds),
    Target("intra picture", read_intra, intra_seeds),
    Target("group of pictures", read_gop, gop_seeds),
    Target("rate map", read_rate_map, lambda: [bytes(range(40))]),
    Target("learned picture", read_learned_picture, learned_seeds),
    Target("SigMF metadata", read_sigmf_meta, lambda: [json.dumps(SIGMF).encode()]),
    Target("SigMF symbols", read_sigmf_data, lambda: [sent_symbols()], limit_s=10.0),
    Target("preset", read_preset, preset_seeds),
    Target("setting", read_setting, lambda: [b"keyframes.threshold=0.2", b"coding.budget=5kbps", b"seed=3"]),
    Target("budget", read_budget, lambda: [b"5kbps", b"6e-4cbr", b"2000symbols"]),
    Target("questions", read_questions, lambda: [b'background = "Are they the same?"\n']),
    Target("catalogue", read_catalogue, catalogue_seeds),
    Target("weights", read_weights, weights_seeds),
    Target("networks", read_network, weights_seeds),
    Target("video file", read_video, sample_videos),
    Target("picture file", read_picture_file, picture_file_seeds),
)


def fuzz_cases(target: Target, count: int, seed: int = 0) -> Iterator[Case]:
    """The valid inputs, and so many damaged ones."""
    for number, valid in enumerate(target.seeds()):
        yield Case(f"{target.name}, valid {number}", lambda data=valid: target.read(data), target.limit_s)
    for name, data in edits(target.seeds(), count, seed):
        yield Case(f"{target.name}, {name}", lambda data=data: target.read(data), target.limit_s)
