"""A few of each class of fault; ``python benchmarks/faults.py`` runs them all, and so does the slow test here."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from fault_campaign import air, commands, containers, packets
from fault_campaign.parsers import as_file
from fault_campaign.verdicts import LIMIT_MIB, PATIENT, Case, Outcome, Verdict, tally, tally_apart
from lgvsc.core.video import VideoReader
from lgvsc.errors import InputError

QUICK = {
    "every 97th bit of a message file": lambda: containers.flips(every=97),
    "a message file cut at every 31st byte": lambda: containers.truncations(every=31),
    "bursts in a message file": lambda: containers.burst_errors(count=60),
    "chunks dropped, repeated, reordered": lambda: containers.shuffled_chunks(count=40),
    "some wrong versions": lambda: islice(containers.wrong_heads(), 0, None, 20),
    "some hostile values": lambda: islice(containers.hostile_numbers(), 0, None, 11),
    "some symbols that are no numbers": lambda: islice(air.bad_values(seeds=1), 3, None, 29),
    "some streams that begin late or end early": lambda: air.cut_streams(every=300),
    "some control blocks that lie": lambda: islice(air.lying_control(), 0, None, 7),
    "some packets lost": lambda: islice(packets.losses(seeds=2), 1, 36, 5),
    "every 3001st bit of packets": lambda: packets.flips(every=3001),
    "packets cut, edited, foreign": lambda: packets.damaged(count=5),
    "some packet headers that lie": lambda: islice(packets.lying_headers(), 0, None, 31),
    "some damaged messages shown": lambda: islice(commands.message_show(), 0, None, 17),
    "some recordings that are none": lambda: islice(commands.damaged_recordings(), 0, 16, 3),
    "every writer on a full disk": lambda: commands.disk_full(steps=3),
}


@pytest.mark.parametrize("name", QUICK)
def test_nothing_is_wrong(name):
    found = tally(name, QUICK[name](), PATIENT)
    assert found.cases and not found.wrong, "\n".join(found.wrong)


def test_small_files_cannot_ask_for_time():
    """Those that took minutes before readers had limits: markers inside markers, and pictures of a single colour."""
    chosen = [case for case in containers.bombs() if "marker" in case.name or "inside" in case.name]
    found = tally("bombs", chosen, PATIENT)
    assert found.cases == 3 and not found.wrong, "\n".join(found.wrong)


def test_ffmpeg_makes_no_room_for_what_a_stream_claims():
    """A few hundred bytes of H.264 whose parameter set says 16000x16000: it took 1.2 GiB to find that out."""
    path = as_file("large.h264", commands.large_h264())
    found = tally_apart("large stream", lambda: [Case("16000x16000", lambda: Verdict(read(path)))])
    assert found.outcomes[Outcome.REFUSED] == 1 and found.memory_mib < LIMIT_MIB


def read(path):
    with VideoReader(path) as reader:
        return Outcome.WRONG if reader.format else Outcome.HARMLESS


def test_the_verdict_on_a_message_sees_what_is_wrong():
    """A campaign that cannot find anything finds nothing."""
    data = containers.golden_message()
    begins = [at for at in range(len(data)) if data.startswith(containers.MARKER, at)]
    words = containers.words_seeds()[0]
    forged = data[: begins[1]] + containers.chunk(containers.repacked(words.replace(b"boat 0", b"boat X")))[7:]
    assert containers.message_verdict(forged, data).outcome is Outcome.WRONG
    assert containers.message_verdict(data[: begins[1]], data).outcome is Outcome.REPORTED
    assert containers.message_verdict(data[: begins[1]], data, spared=2).outcome is Outcome.WRONG
    assert containers.message_verdict(data, data).outcome is Outcome.HARMLESS


def test_the_verdict_on_what_arrives_sees_what_is_wrong():
    clean = packets.packets(200).clean
    segments = list(clean.values())
    assert air.segments_verdict(segments, clean).outcome is Outcome.HARMLESS
    assert air.segments_verdict(segments[1:], clean).outcome is Outcome.REPORTED
    silent = [segments[0].changed(caption=None), *segments[1:]]
    assert air.segments_verdict(silent, clean).outcome is Outcome.WRONG
    forged = [segments[0].changed(keyframe=255 - segments[0].keyframe), *segments[1:]]
    assert air.segments_verdict(forged, clean).outcome is Outcome.WRONG


def raising(error):
    def judge():
        raise error

    return judge


@pytest.mark.parametrize(
    "judge",
    [
        raising(ZeroDivisionError()),
        raising(InputError("two\nlines")),
        raising(InputError("")),
        lambda: [sum(range(3_000_000)) for _ in range(10)] and Verdict(Outcome.HARMLESS),
    ],
)
def test_tracebacks_unclear_errors_and_slow_cases_count_as_wrong(judge):
    found = tally("bad", [Case("bad", judge, limit_s=0.05)])
    assert found.outcomes[Outcome.WRONG] == 1


def test_who_is_patient_waits_longer():
    slow = Case("slow", lambda: [sum(range(300_000)) for _ in range(5)] and Verdict(Outcome.HARMLESS), limit_s=1e-3)
    assert [len(tally("slow", [slow], patience).wrong) for patience in (1, 1e5)] == [1, 0]


def test_a_clear_refusal_counts_as_one():
    assert tally("good", [Case("good", raising(InputError("this is no message")))]).outcomes[Outcome.REFUSED] == 1


@pytest.mark.slow
def test_the_whole_campaign_finds_nothing_wrong():
    campaign = Path(__file__).parents[2] / "benchmarks" / "faults.py"
    ran = subprocess.run([sys.executable, str(campaign)], capture_output=True, text=True, timeout=3600)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
