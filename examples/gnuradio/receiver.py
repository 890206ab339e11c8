"""What a receiver hears, to lgvsc, while it runs or as a recording.

    python3 receiver.py tcp://127.0.0.1:5556 tcp://127.0.0.1:5557
    lgvsc receive --zmq tcp://127.0.0.1:5557 --samples-per-symbol 4 -o walk.rebuilt.mp4

A DC blocker and an automatic gain stand for what receivers have; lgvsc needs neither, and must get through both.
With a real radio its source (``soapy.source``, ``uhd.usrp_source``) takes the place of this one.
"""

import argparse
import sys

from ends import run, sink, source
from gnuradio import analog, filter, gr


class Receiver(gr.top_block):
    """source -> DC blocker -> AGC -> sink"""

    def __init__(self, options):
        super().__init__("lgvsc receiver")
        agc = analog.agc_cc(options.agc_rate, 1.0, 1.0)
        agc.set_max_gain(100.0)
        self.connect(source(options.source), filter.dc_blocker_cc(1024, True), agc, sink(options.sink))


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("sink")
    parser.add_argument("--agc-rate", type=float, default=1e-5)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(Receiver(parsed(sys.argv[1:])))
