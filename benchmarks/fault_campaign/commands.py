"""The command line before bad files and bad places: one clear line, the right exit status, nothing half-written."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

from fault_campaign.damage import bursts, cuts
from fault_campaign.parsers import SIGMF, as_file, golden_message, sample_videos, scratch, sent_symbols, small_picture
from fault_campaign.verdicts import Case, Outcome, Verdict
from lgvsc.core.video import VideoReader

RUN_LIMIT_S = 20.0  # a whole run, the machine being busy


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


def command(*arguments: object) -> Ended:
    """Run ``lgvsc ...`` in this process, with everything that native libraries say caught as well."""
    from lgvsc.cli.main import main

    before = sys.argv
    sys.argv = ["lgvsc", *map(str, arguments)]
    try:
        with caught(1) as out, caught(2) as err:
            try:
                main()
                status = 0
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.argv = before
    return Ended(status, out.text, err.text)


class _Caught:
    text = ""


@contextlib.contextmanager
def caught(descriptor: int) -> Iterator[_Caught]:
    """What is written to a file descriptor during the block."""
    name = "stdout" if descriptor == 1 else "stderr"
    result, kept, stream = _Caught(), os.dup(descriptor), getattr(sys, name)
    stream.flush()
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), descriptor)
        # Python's own stream may lead elsewhere, as under pytest.
        setattr(sys, name, os.fdopen(os.dup(descriptor), "w", encoding="utf-8"))
        try:
            yield result
        finally:
            getattr(sys, name).close()
            setattr(sys, name, stream)
            os.dup2(kept, descriptor)
            os.close(kept)
            file.seek(0)
            result.text = file.read().decode(errors="replace")


def refusal(ended: Ended, *, statuses: tuple[int, ...] = (3,)) -> Verdict:
    """A command that should have failed: one line on stderr, one of the statuses."""
    lines = ended.err.strip().splitlines()
    if ended.status not in statuses:
        return Verdict(Outcome.WRONG, f"status {ended.status}: {ended.err.strip()[-200:]}")
    if len(lines) != 1 or "Traceback" in ended.err or not lines[0].startswith("lgvsc: "):
        return Verdict(Outcome.WRONG, f"not one clear line: {ended.err.strip()[:300]}")
    return Verdict(Outcome.REFUSED, lines[0])


def ending(ended: Ended, reported: bool) -> Verdict:
    """A command that may fail clearly or succeed."""
    if ended.status:
        return refusal(ended, statuses=(1, 3))
    if "Traceback" in ended.err:
        return Verdict(Outcome.WRONG, ended.err[-300:])
    return Verdict(Outcome.REPORTED if reported else Outcome.HARMLESS)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A new folder that goes away."""
    with tempfile.TemporaryDirectory(dir=scratch()) as path:
        yield Path(path)


def leftovers(path: Path, *allowed: str) -> str:
    """What lies in a folder besides the files that may."""
    odd = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.name not in allowed)
    return f"left behind: {', '.join(odd)}" if odd else ""


@cache
def clip() -> Path:
    """A clip of twelve frames with a cut in the middle."""
    from lgvsc.core.video import Video, write_video

    picture = small_picture(64, 64)
    frames = np.stack([np.roll(picture if index < 6 else 255 - picture, index, 1) for index in range(12)])
    path = scratch() / "clip.mp4"
    write_video(path, Video(frames, Fraction(12)))
    return path


@cache
def transmission() -> Path:
    """The stem of a recording of the clip."""
    ended = command("send", clip(), "-o", scratch() / "tx", "--quiet", "--force")
    assert ended.status == 0, ended.err
    return scratch() / "tx"


# Video files


def hostile_videos() -> Iterator[Case]:
    """What is no video, or one that asks for too much, given to ``lgvsc run``."""
    for name, data in video_bombs().items():

        def judge(data: bytes = data, name: str = name) -> Verdict:
            with folder() as place:
                (place / "in.mp4").write_bytes(data)
                ended = command("run", place / "in.mp4", "-o", place / "out.mp4", "--quiet")
                if ended.status == 0 and "claims" in name:  # the pictures themselves say otherwise, and are believed
                    with VideoReader(place / "out.mp4") as made:
                        right = (made.format.height, made.format.width) == (32, 32)
                    return Verdict(Outcome.HARMLESS if right else Outcome.WRONG)
                verdict = refusal(ended)
                problem = leftovers(place, "in.mp4")
                return Verdict(Outcome.WRONG, problem) if problem else verdict

        yield Case(name, judge, RUN_LIMIT_S)
    for name, path in (("a folder", scratch()), ("a device", Path("/dev/zero")), ("nothing", scratch() / "none.mp4")):
        yield Case(name, lambda path=path: refusal(command("run", path, "-o", scratch() / "never.mp4", "--quiet")))


@cache
def video_bombs() -> dict[str, bytes]:
    mp4 = sample_videos()[0]
    found = {
        "empty": b"",
        "zeros": bytes(5000),
        "text": b"once upon a time " * 100,
        "a playlist of other files": b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n",
        "a list of other files": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "only the end of an mp4": mp4[len(mp4) // 2 :],
        "an mp4 whose boxes are 2^63 long": mp4[:32] + b"\x00\x00\x00\x01moov" + b"\x7f" + b"\xff" * 7 + mp4[48:],
    }
    for side in (32000, 65535, 20000):
        found[f"an mp4 that claims {side}x{side}"] = with_claimed_size(mp4, side)
    found["a picture of 30000x30000 in 90 kB"] = large_png(30000)
    found["an H.264 stream of 16000x16000"] = large_h264()
    found["an AVI that claims 32000x32000"] = claimed_in_avi(sample_videos()[2], 32000)
    return found


def with_claimed_size(mp4: bytes, side: int) -> bytes:
    """Width and height of the sample entry, and of the track header, replaced."""
    entry = mp4.index(b"avc1", mp4.index(b"stsd")) + 4 + 24
    data = bytearray(mp4)
    data[entry : entry + 4] = side.to_bytes(2, "big") * 2
    track = mp4.index(b"tkhd") + 4 + 76
    data[track : track + 8] = (side << 16).to_bytes(4, "big") * 2 if side < 1 << 16 else data[track : track + 8]
    return bytes(data)


def claimed_in_avi(avi: bytes, side: int) -> bytes:
    at = avi.index(b"strf") + 8 + 4
    return avi[:at] + side.to_bytes(4, "little") * 2 + avi[at + 8 :]


@cache
def large_png(side: int) -> bytes:
    """A black picture, written without ever being held."""
    import struct
    import zlib

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()

    def part(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")


def large_h264() -> bytes:
    """The small clip as a bare stream whose parameter set says 16000x16000."""
    import av

    def stream(width: int, height: int, count: int) -> bytes:
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.time_base = Fraction(1, 25)
        encoder.options = {"preset": "ultrafast", "crf": "51"}
        frames = [av.VideoFrame(width, height, "yuv420p") for _ in range(count)]
        return b"".join(bytes(packet) for frame in [*frames, None] for packet in encoder.encode(frame))

    small = stream(64, 64, 3)
    at = small.index(b"\x67")
    end = small.index(b"\x00\x00\x01", at)
    return small[:at] + sps(1000, 1000) + small[end - 1 :]


def sps(columns: int, rows: int) -> bytes:
    """A baseline sequence parameter set of so many macroblocks (ITU-T H.264, 7.3.2.1.1)."""

    def ue(value: int) -> str:
        bits = f"{value + 1:b}"
        return "0" * (len(bits) - 1) + bits

    fields = [f"{66:08b}", f"{0:08b}", f"{62:08b}", ue(0), ue(0), ue(2), ue(1), "0", ue(columns - 1), ue(rows - 1)]
    bits = "".join([*fields, "1", "1", "0", "0", "1"])
    bits += "0" * (-len(bits) % 8)
    return b"\x67" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def damaged_videos(count: int = 40) -> Iterator[Case]:
    """Clips cut short and with bursts of errors, through the whole link: what can be decoded is sent."""
    data = clip().read_bytes()
    some = [*cuts(data, max(1, len(data) // (count // 2))), *bursts(data, count // 2)]
    for name, damaged in some:

        def judge(damaged: bytes = damaged) -> Verdict:
            with folder() as place:
                (place / "in.mp4").write_bytes(damaged)
                ended = command(
                    "run", place / "in.mp4", "-o", place / "out.mp4", "--report", place / "r.json", "--quiet"
                )
                problem = leftovers(
                    place, "in.mp4", *(["out.mp4", "out.provenance.json", "r.json"] if ended.status == 0 else [])
                )
                if problem:
                    return Verdict(Outcome.WRONG, problem)
                if ended.status:
                    return refusal(ended)
                whole = json.loads((place / "r.json").read_text())["source"]["frames"] == 12
                return Verdict(Outcome.HARMLESS if whole else Outcome.REPORTED)

        yield Case(name, judge, RUN_LIMIT_S)


# Recordings and messages


def damaged_recordings() -> Iterator[Case]:
    """Recordings that are cut, empty, mislabelled or missing a file, given to ``receive`` and ``channel``."""
    data, meta = sent_symbols(), json.dumps(SIGMF).encode()
    faults: dict[str, tuple[bytes | None, bytes | None]] = {
        "no data": (None, meta),
        "no metadata": (data, None),
        "empty data": (b"", meta),
        "three bytes too many": (data + b"abc", meta),
        "metadata of 2 MiB": (data, b" " * (2 << 20)),
        "metadata that nests": (data, b"[" * 100_000),
        "real samples": (data, meta.replace(b"cf32_le", b"rf32_le")),
        "a variance of words": (data, meta.replace(b"0.1", b'"a"')),
        "a variance of NaN": (data, meta.replace(b"0.1", b"NaN")),
        "a noise file elsewhere": (
            data,
            meta.replace(b'"lgvsc:noise_variance": 0.1', b'"lgvsc:noise_variance_file": "/etc/passwd"'),
        ),
        "symbols of NaN": (b"\xff" * len(data), meta),
        "symbols of zero": (bytes(len(data)), meta),
        "noise": (np.random.default_rng(0).normal(size=len(data) // 4).astype("<f4").tobytes(), meta),
    }
    for name, (symbols, text) in faults.items():
        for verb in ("receive", "channel"):

            def judge(symbols: bytes | None = symbols, text: bytes | None = text, verb: str = verb) -> Verdict:
                with folder() as place:
                    for suffix, content in (("data", symbols), ("meta", text)):
                        if content is not None:
                            (place / f"rx.sigmf-{suffix}").write_bytes(content)
                    output = place / ("out.mp4" if verb == "receive" else "out")
                    ended = command(verb, place / "rx", "-o", output)
                    made = (
                        ["out.sigmf-data", "out.sigmf-meta", "out.lgvsc-n0", "out.mp4", "out.provenance.json"]
                        if ended.status == 0
                        else []
                    )
                    problem = leftovers(place, "rx.sigmf-data", "rx.sigmf-meta", *made)
                    return Verdict(Outcome.WRONG, problem) if problem else ending(ended, reported=bool(ended.err))

            yield Case(f"{verb}, {name}", judge)


def message_show() -> Iterator[Case]:
    """``lgvsc message show`` of damaged files says what is damaged."""
    data = golden_message()
    for name, damaged in [*bursts(data, 40), ("whole", data), ("not there", None)]:
        for flags in ((), ("--json",)):

            def judge(damaged: bytes | None = damaged, flags: tuple[str, ...] = flags) -> Verdict:
                path = as_file("shown.lgvsc", damaged) if damaged is not None else scratch() / "not-there.lgvsc"
                ended = command("message", "show", path, *flags)
                if ended.status == 0 and flags:
                    json.loads(ended.out)
                if ended.status == 0 and damaged == data and ended.err:
                    return Verdict(Outcome.WRONG, f"nothing is wrong, but: {ended.err}")
                if ended.status == 0 and damaged != data and not ended.err:
                    return Verdict(Outcome.WRONG, "damage is not told")
                return ending(ended, reported=damaged != data)

            yield Case(f"{name} {' '.join(flags)}", judge)


def bad_arguments() -> Iterator[Case]:
    """Settings, presets and pictures that cannot be."""
    deep = as_file("deep.toml", b"a = " + b"[" * 50_000)
    latin = as_file("latin.toml", b'[keyframes]\nfocus = "\xe9"\n')
    wrong = as_file("wrong.toml", b'keyframes = "skem"\n')
    digits = as_file("digits.toml", b"seed = " + b"9" * 5000)
    for path in (deep, latin, wrong, digits, scratch() / "none.toml"):
        yield Case(
            f"preset {path.name}", lambda p=path: refusal(command("config", "show", "--preset", p), statuses=(2,))
        )
    for setting in (
        *("a", "=", "keyframes=3", "keyframes.threshold=nan", "keyframes.threshold=2", "channel.snr_db=inf", "seed=x"),
        *("channel.kind=0", "coding.budget=-1cbr", "coding.budget=5 apples", "keyframes.treshold=0.1"),
        *("models.captioner=[]", "a.b.c.d=1", "world.fade_s=nan", "link.metrics_every=0", "coding.keyframe_cbr=nan"),
        *("message.caption_max_bytes=-1", "keyframes.max_segment_frames=99999999999999999999", "seed=1e999"),
    ):
        yield Case(f"--set {setting}", lambda s=setting: refusal(command("config", "show", "--set", s), statuses=(2,)))
    for name in ("a" * 300, "none.mp4", "", "\x01"):
        yield Case(f"run {name[:20]!r}", lambda n=name: refusal(command("run", n), statuses=(1, 2, 3)))
    picture = as_file("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(50))
    large = as_file("large.png", large_png(30000))
    for path in (picture, large, scratch()):
        yield Case(f"score {path.name}", lambda p=path: refusal(command("score", p, p, "--focus", "general")))


# Places that cannot be written to


def bad_places() -> Iterator[Case]:
    """Outputs in folders that are not there or take no files; outputs that are folders."""
    for verb, source, suffix in (
        ("run", clip(), ".mp4"),
        ("send", clip(), ""),
        ("channel", transmission(), ""),
        ("receive", transmission(), ".mp4"),
    ):
        for place in ("/proc", "/sys", "/nowhere/at/all", str(clip())):

            def judge(verb: str = verb, source: Path = source, suffix: str = suffix, place: str = place) -> Verdict:
                quiet = () if verb == "channel" else ("--quiet",)
                return refusal(command(verb, source, "-o", f"{place}/out{suffix}", *quiet), statuses=(1, 2, 4))

            yield Case(f"{verb} into {place}", judge, RUN_LIMIT_S)

        def into_folder(verb: str = verb, source: Path = source, suffix: str = suffix) -> Verdict:
            with folder() as place:
                names = [f"out{suffix}"] if suffix else ["out.sigmf-data"]
                (place / names[0]).mkdir()
                ended = command(verb, source, "-o", place / f"out{suffix}", "--force")
                verdict = refusal(ended, statuses=(1, 2, 4))
                problem = leftovers(place, *names)
                return Verdict(Outcome.WRONG, problem) if problem else verdict

        yield Case(f"{verb} onto a folder", into_folder, RUN_LIMIT_S)
    for option in ("--report", "--html"):
        for place in ("/proc/r", "/nowhere/r"):

            def report(option: str = option, place: str = place) -> Verdict:
                with folder() as here:
                    ended = command("run", clip(), "-o", here / "o.mp4", option, place, "--quiet")
                    return refusal(ended, statuses=(1, 2, 4))

            yield Case(f"{option} {place}", report, RUN_LIMIT_S)


def disk_full(steps: int = 12) -> Iterator[Case]:
    """Writers of every kind with room for a part of what they write: nothing appears, and the reason is told."""
    for name, (write, whole) in writers().items():
        with folder() as place:
            write(place)
            size = max(file.stat().st_size for file in place.rglob("*"))
        for step in range(steps + 1):
            room = size * step // steps

            def judge(
                write: Callable[[Path], None] = write, whole: str = whole, room: int = room, size: int = size
            ) -> Verdict:
                with folder() as place:
                    return limited(write, place, room, whole, enough=room >= size)

            yield Case(f"{name}, room for {step}/{steps}", judge)


def writers() -> dict[str, tuple[Callable[[Path], None], str]]:
    """What writes files, with the name of the file that must be whole or absent."""
    import torch

    from lgvsc.channel.sigmf import SigmfWriter
    from lgvsc.core.air import Reception
    from lgvsc.core.container import read_segments, write_message
    from lgvsc.core.files import atomic_write
    from lgvsc.core.video import Video, write_video

    frames = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), np.uint8)
    golden = as_file("golden.lgvsc", golden_message())

    def recording(place: Path) -> None:
        with SigmfWriter(place / "x") as writer:
            for level in range(9):
                writer.write(Reception(torch.ones(9000, dtype=torch.complex64), torch.full((9000,), 0.1 * level)))

    def plain(place: Path) -> None:
        with atomic_write(place / "x.json") as file:
            for _ in range(50):
                file.write(bytes(5000))

    return {
        "video": (lambda place: write_video(place / "x.mp4", Video(frames, Fraction(10))), "x.mp4"),
        "message": (lambda place: write_message(place / "x.lgvsc", list(read_segments(golden)) * 9), "x.lgvsc"),
        "recording": (recording, "x.sigmf-meta"),
        "report": (plain, "x.json"),
    }


def limited(write: Callable[[Path], None], place: Path, room: int, whole: str, enough: bool) -> Verdict:
    """Write in a child process whose files may have so many bytes."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        status = 9
        try:
            write(place)
            status = 0
        except OSError as error:
            status = 4 if error.errno else 8
        finally:
            os._exit(status)
    _, code = os.waitpid(child, 0)
    status, there = os.waitstatus_to_exitcode(code), (place / whole).exists()
    if enough and status == 0 and there:
        return Verdict(Outcome.HARMLESS)
    problem = leftovers(place)
    if enough or status != 4 or problem:
        return Verdict(Outcome.WRONG, f"status {status}, {problem or 'nothing left behind'}")
    return Verdict(Outcome.REFUSED)


def disk_full_commands() -> Iterator[Case]:
    """The commands on a real file system without room, where one can be made."""
    mounted = small_disk()
    if mounted is None:
        return
    clip(), transmission()
    for verb, source, suffix in (
        ("run", clip(), ".mp4"),
        ("send", clip(), ""),
        ("channel", transmission(), ""),
        ("receive", transmission(), ".mp4"),
    ):
        for pages in (0, 1, 2):

            def judge(verb: str = verb, source: Path = source, suffix: str = suffix, pages: int = pages) -> Verdict:
                for file in mounted.iterdir():
                    file.unlink()
                filler = mounted / "filler"
                filler.write_bytes(bytes(DISK_BYTES - 4096 * pages))
                ended = command(
                    verb, source, "-o", mounted / f"out{suffix}", "--quiet" if verb != "channel" else "--force"
                )
                if ended.status == 0:
                    return Verdict(Outcome.HARMLESS, "there was room")
                problem = leftovers(mounted, "filler", "out.lgvsc")
                return Verdict(Outcome.WRONG, problem) if problem else refusal(ended, statuses=(4,))

            yield Case(f"{verb}, {4 * pages} KiB left", judge, RUN_LIMIT_S)
    subprocess.run(["umount", "--lazy", str(mounted)], check=False)


DISK_BYTES = 64 * 1024


def small_disk() -> Path | None:
    """A file system of 64 KiB in memory; ``None`` where none may be mounted."""
    mount = shutil.which("mount")
    place = scratch() / "small-disk"
    place.mkdir(exist_ok=True)
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)], capture_output=True, check=False
    )
    return place if made and made.returncode == 0 else None


CLASSES: dict[str, tuple[Callable[..., Iterator[Case]], dict[str, int]]] = {
    "video files: hostile": (hostile_videos, {}),
    "video files: cut and burst errors, whole run": (damaged_videos, {"count": 40}),
    "recordings: damaged and mislabelled": (damaged_recordings, {}),
    "lgvsc message show of damaged files": (message_show, {}),
    "settings, presets, pictures that cannot be": (bad_arguments, {}),
    "outputs: folders that take no file": (bad_places, {}),
    "disk full: every writer": (disk_full, {"steps": 12}),
    "disk full: every command": (disk_full_commands, {}),
}
