"""Waveforms to and from other programs while they run, as GNU Radio's ZeroMQ blocks send and take them.

A message is samples and nothing else: complex64, little-endian, as many as there are. Whoever sends binds an address
and whoever receives connects to it, on both sides of the air, so that these go together::

    here                       GNU Radio, type complex, vector length 1, no tags
    WaveformSink  push-pull    ZMQ PULL Source        pub-sub    ZMQ SUB Source
    SampleSource  push-pull    ZMQ PUSH Sink          pub-sub    ZMQ PUB Sink

A sink waits for those at the other end and loses nothing, in both patterns. ``zmq`` (pyzmq) is imported here alone.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from lgvsc.channel.pulse import Complex, PulseShaper
from lgvsc.channel.waveform import frame
from lgvsc.core.air import Reception
from lgvsc.errors import ConfigError, InputError, LgvscError, MissingResourceError

Pattern: TypeAlias = Literal["push-pull", "pub-sub"]

PATTERNS: tuple[Pattern, ...] = ("push-pull", "pub-sub")
SAMPLE_BYTES = 8
MESSAGE_SAMPLES = 4096
TRAILING_SYMBOLS = 2048  # of silence at the end: a receiver looks for the next frame before it reads this one
MAX_MESSAGE_BYTES = 1 << 26
MAX_QUEUED_MESSAGES = 4096  # beyond that the sender is held up, or loses where it does not wait
POLL_S = 0.1
_TAGGED = b"\xf0\x5f\x01"  # how a message of a GNU Radio block that passes tags begins
_ADDRESS = re.compile(r"tcp://(?:\*|[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})|ipc://.+")


class WaveformSink:
    """Bursts as the waveform of :class:`lgvsc.channel.sigmf.WaveformWriter`, to whoever connects.

    Args:
        address: To bind, ``tcp://127.0.0.1:5555`` or ``ipc://PATH``.
        samples_per_symbol: 2 to 32.
        pattern: ``"push-pull"`` gives each sample to one receiver, ``"pub-sub"`` to all that are there.
        timeout_s: How long to wait for a receiver, and for it to take more.

    Attributes:
        samples: How many were handed over.

    Raises:
        ConfigError: The address is none, or another program has it.
        MissingResourceError: pyzmq is not installed.
    """

    def __init__(
        self, address: str, *, samples_per_symbol: int, pattern: Pattern = "push-pull", timeout_s: float = 30.0
    ) -> None:
        self.samples = 0
        self._shaper = PulseShaper(samples_per_symbol)
        self._rate, self._address, self._timeout_s = samples_per_symbol, address, _checked_timeout(timeout_s)
        zmq, self._context, self._socket = _opened(address, pattern, "PUSH", "XPUB")
        self._again = zmq.Again
        self._socket.setsockopt(zmq.SNDTIMEO, int(timeout_s * 1000))
        self._socket.setsockopt(zmq.LINGER, int(timeout_s * 1000))
        if pattern == "pub-sub":
            self._socket.setsockopt(zmq.XPUB_NODROP, 1)
            self._socket.setsockopt(zmq.RCVTIMEO, int(timeout_s * 1000))
        with _named(zmq, address):
            self._socket.bind(address)
        self._waits_for_subscriber = pattern == "pub-sub"

    def write(self, received: Reception) -> None:
        """Send one burst, whole.

        Raises:
            LgvscError: Nobody took it in time.
        """
        self.write_samples(self._shaper.shape(frame(received.symbols.numpy())))

    def write_samples(self, samples: Complex) -> None:
        """Send samples as they are."""
        try:
            if self._waits_for_subscriber:
                self._socket.recv()
                self._waits_for_subscriber = False
            for start in range(0, len(samples), MESSAGE_SAMPLES):
                piece = samples[start : start + MESSAGE_SAMPLES]
                self._socket.send(piece.astype("<c8").tobytes())
                self.samples += len(piece)
        except self._again as error:
            raise LgvscError(
                f"nobody took samples from {self._address} for {self._timeout_s:g} s, after {self.samples}; connect a "
                "ZMQ PULL Source (--zmq-pattern push-pull) or SUB Source (pub-sub) of GNU Radio to it, or lgvsc receive"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.write_samples(self._shaper.finish())
                self.write_samples(np.zeros(TRAILING_SYMBOLS * self._rate, dtype=np.complex64))
        except BaseException as error:
            kind = type(error)
            raise
        finally:
            self._socket.close(linger=0 if kind else None)
            self._context.term()


class SampleSource:
    """Samples that another program sends; iterate over it for chunks of complex64.

    It ends when :meth:`stop` is called, or when nothing of use has come for a while. What is of use is for the caller
    to say (:meth:`renew`): a radio sends noise for ever.

    Args:
        address: To connect to. Nobody needs to be there yet.
        pattern: That of the sender.
        timeout_s: How long to go on without :meth:`renew`.

    Attributes:
        samples: How many came.
        address, timeout_s: As given.

    Raises:
        ConfigError: The address is none.
        MissingResourceError: pyzmq is not installed.
    """

    def __init__(self, address: str, *, pattern: Pattern = "push-pull", timeout_s: float = 30.0) -> None:
        self.samples = 0
        self.timeout_s = _checked_timeout(timeout_s)
        self.address = address
        zmq, self._context, self._socket = _opened(address, pattern, "PULL", "SUB")
        self._again = zmq.Again
        self._socket.setsockopt(zmq.RCVTIMEO, int(POLL_S * 1000))
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        if pattern == "pub-sub":
            self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        with _named(zmq, address):
            self._socket.connect(address)
        self._stopped = False
        self.renew()

    def renew(self) -> None:
        """Say that what came was of use."""
        self._until_s = time.monotonic() + self.timeout_s

    def stop(self) -> None:
        """Say that nothing more is wanted."""
        self._stopped = True

    def __iter__(self) -> Iterator[Complex]:
        while not self._stopped and time.monotonic() < self._until_s:
            try:
                message = self._socket.recv_multipart()[-1]  # before it comes a topic, where the sender uses one
            except self._again:
                continue
            samples = read_samples(message, self.address)
            self.samples += len(samples)
            yield samples

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._context.term()


def read_samples(message: bytes, address: str) -> Complex:
    """What a message holds.

    Raises:
        InputError: It holds something other than whole samples of complex64.
    """
    if len(message) % SAMPLE_BYTES:
        tags = "; it comes with tags, so set Pass Tags to No in its ZMQ sink" if message.startswith(_TAGGED) else ""
        raise InputError(
            f"{address} sent a message of {len(message)} bytes, which is no whole number of complex64 samples{tags}"
        )
    return np.frombuffer(message, dtype="<c8").astype(np.complex64)


def _checked_timeout(timeout_s: float) -> float:
    if not 0 < timeout_s < 1e6:
        raise ConfigError(f"the timeout is {timeout_s} s; give a number of seconds above 0")
    return timeout_s


def _opened(address: str, pattern: Pattern, one: str, all_: str) -> tuple[Any, Any, Any]:
    """The library, a context and a socket of the kind that the pattern wants."""
    if pattern not in PATTERNS:
        raise ConfigError(f"the pattern is {pattern!r}; there are {' and '.join(PATTERNS)}")
    found = _ADDRESS.fullmatch(address)
    if not found or (found[1] and not 0 < int(found[1]) < 1 << 16):
        raise ConfigError(f"{address!r} is no address for ZeroMQ; give tcp://HOST:PORT, as tcp://127.0.0.1:5555")
    if sys.platform == "win32" and address.startswith("ipc:"):
        raise ConfigError(f"{address}: Windows has no ipc; give tcp://HOST:PORT, as tcp://127.0.0.1:5555")
    try:
        import zmq
    except ImportError as error:
        raise MissingResourceError("--zmq needs the pyzmq library: pip install 'lgvsc[zmq]'") from error
    context = zmq.Context()
    socket = context.socket(getattr(zmq, one if pattern == "push-pull" else all_))
    socket.setsockopt(zmq.SNDHWM, MAX_QUEUED_MESSAGES)
    socket.setsockopt(zmq.RCVHWM, MAX_QUEUED_MESSAGES)
    return zmq, context, socket


@contextmanager
def _named(zmq: Any, address: str) -> Iterator[None]:
    """Errors of the library as one sentence."""
    try:
        yield
    except zmq.ZMQError as error:
        raise ConfigError(f"cannot use {address}: {str(error).lower()}") from error
