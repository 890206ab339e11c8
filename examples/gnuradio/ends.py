"""Where a flowgraph begins and ends: ZeroMQ, or a file of complex64 samples.

Runs in the Python that has GNU Radio (3.10; on Debian and Ubuntu: apt install gnuradio), which needs no lgvsc.
"""

import signal
import sys

import numpy as np
from gnuradio import blocks, gr, zeromq

FLUSH_SAMPLES = 1 << 16  # of silence behind a file: filters and buffers hold back what came last
POLL_MS = 100


def source(name):
    """Samples from ``tcp://...`` (ZMQ PULL), ``sub+tcp://...`` (ZMQ SUB), or a file."""
    if name.startswith("sub+"):
        return zeromq.sub_source(gr.sizeof_gr_complex, 1, name[4:], POLL_MS, False)
    if "://" in name:
        return zeromq.pull_source(gr.sizeof_gr_complex, 1, name, POLL_MS, False)
    samples = np.fromfile(name, dtype=np.complex64)
    return blocks.vector_source_c(np.concatenate([samples, np.zeros(FLUSH_SAMPLES, np.complex64)]).tolist())


def sink(name):
    """Samples to ``tcp://...`` (ZMQ PUSH), ``pub+tcp://...`` (ZMQ PUB), or a file."""
    if name.startswith("pub+"):
        return zeromq.pub_sink(gr.sizeof_gr_complex, 1, name[4:], POLL_MS, False)
    if "://" in name:
        return zeromq.push_sink(gr.sizeof_gr_complex, 1, name, POLL_MS, False)
    return blocks.file_sink(gr.sizeof_gr_complex, name)


def run(flowgraph):
    """Until the source ends, which a file does, or until the program is told to stop."""

    def stop(*_):
        flowgraph.stop()
        flowgraph.wait()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    flowgraph.start()
    print("running", file=sys.stderr, flush=True)
    flowgraph.wait()
