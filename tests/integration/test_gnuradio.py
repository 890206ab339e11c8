"""Through GNU Radio itself, where it is installed: flowgraphs of ``examples/gnuradio``, headless, behind ZeroMQ."""

import shutil
import socket
import subprocess
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lgvsc import flowgraph
from lgvsc.channel.zeromq import SampleSource, WaveformSink
from lgvsc.config import load_config
from lgvsc.core.video import Video, read_video, write_video

EXAMPLES = Path(__file__).parents[2] / "examples" / "gnuradio"
ECHOES = "1,0,0,0,0,0.5j,0,0,0,0,0,0,0,-0.4"
RATE = 4
CONFIG = load_config(settings={"channel.snr_db": 8.0})

pytest.importorskip("zmq", reason="needs pyzmq: pip install 'lgvsc[zmq]'")


@pytest.fixture(scope="module")
def gnuradio():
    """The Python that has it: Debian's, mostly."""
    for python in ("/usr/bin/python3", shutil.which("python3")):
        if python and not subprocess.run([python, "-c", "import gnuradio.zeromq"], capture_output=True).returncode:
            return python
    pytest.skip("GNU Radio is not installed: apt install gnuradio")


@pytest.fixture
def addresses():
    """Three on the loopback, free a moment ago."""
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        for each in (one, two, three):
            each.bind(("127.0.0.1", 0))
        return [f"tcp://127.0.0.1:{each.getsockname()[1]}" for each in (one, two, three)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    picture = np.kron(np.random.default_rng(3).integers(40, 215, (12, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    write_video(path, Video(np.stack([np.roll(picture, i, axis=1) for i in range(12)]), Fraction(24)))
    return path


@pytest.mark.parametrize(("pattern", "to", "of"), [("push-pull", "", ""), ("pub-sub", "pub+", "sub+")])
def test_a_video_through_gnu_radio_s_channel_model(gnuradio, addresses, clip, tmp_path, pattern, to, of):
    """Delay, carrier, clock, noise and echoes of its own making, an AGC and a DC blocker."""
    sent, air, heard = addresses
    faults = ["--snr-db", "15", "--delay-samples", "777", "--frequency-offset", "0.004", "--clock-ppm", "30"]
    flowgraphs = [
        [gnuradio, str(EXAMPLES / "transmitter.py"), of + sent, to + air, "--taps", ECHOES, *faults],
        [gnuradio, str(EXAMPLES / "receiver.py"), of + air, to + heard],
    ]
    running = [subprocess.Popen(each, stderr=subprocess.PIPE, text=True) for each in flowgraphs]
    try:
        for each in running:
            while (line := each.stderr.readline()) and "running" not in line:
                pass
            assert line, "the flowgraph ended before it began"
        source = SampleSource(heard, pattern=pattern, timeout_s=120.0)
        sink = WaveformSink(sent, samples_per_symbol=RATE, pattern=pattern)
        sender = threading.Thread(target=flowgraph.send, args=(clip, CONFIG), kwargs={"to": sink})
        sender.start()
        got = flowgraph.receive(CONFIG, listen=source, samples_per_symbol=RATE, output=tmp_path / "out.mp4")
        sender.join()
    finally:
        for each in running:
            each.kill()
            each.wait()
            each.stderr.close()
    assert got.frames == 12 and not got.lost and set(got.origins) == {"received", "generated"}
    assert read_video(tmp_path / "out.mp4").format == read_video(clip).format
