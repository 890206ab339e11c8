"""A waveform of lgvsc, through GNU Radio's model of a channel, to whoever receives.

    lgvsc send walk.mp4 --zmq tcp://127.0.0.1:5555 --samples-per-symbol 4
    python3 transmitter.py tcp://127.0.0.1:5555 tcp://127.0.0.1:5556 --snr-db 15 --taps 1,0,0,0,0.5j

From ``tx.sigmf-data`` to ``rx.sigmf-data`` it works as well. In front of a real radio the channel model goes, and the
sink becomes the radio's (``soapy.sink``, ``uhd.usrp_sink``) with ``--amplitude 0.5``, as peaks reach 1.5.
"""

import argparse
import sys

from ends import run, sink, source
from gnuradio import blocks, channels, gr


class Transmitter(gr.top_block):
    """source -> amplitude -> delay -> channel model -> sink"""

    def __init__(self, options):
        super().__init__("lgvsc transmitter")
        self.connect(
            source(options.source),
            blocks.multiply_const_cc(options.amplitude),
            blocks.delay(gr.sizeof_gr_complex, options.delay_samples),
            channels.channel_model(
                noise_voltage=options.amplitude * 10 ** (-options.snr_db / 20),  # a pulse has energy one
                frequency_offset=options.frequency_offset,
                epsilon=1 + options.clock_ppm * 1e-6,
                taps=options.taps,
                noise_seed=options.seed,
            ),
            sink(options.sink),
        )


def echo_taps(text):
    """Taps at the samples, scaled to energy one, so that the SNR keeps its meaning."""
    taps = [complex(word) for word in text.split(",")]
    energy = sum(abs(tap) ** 2 for tap in taps)
    return [tap / energy**0.5 for tap in taps]


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("sink")
    parser.add_argument("--snr-db", type=float, default=20.0, help="Es/N0 behind a matched filter")
    parser.add_argument("--delay-samples", type=int, default=0)
    parser.add_argument("--frequency-offset", type=float, default=0.0, help="cycles per sample")
    parser.add_argument("--clock-ppm", type=float, default=0.0)
    parser.add_argument("--taps", type=echo_taps, default=[1.0 + 0j], help="of multipath, as 1,0,0,0,0.5j")
    parser.add_argument("--amplitude", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run(Transmitter(parsed(sys.argv[1:])))
