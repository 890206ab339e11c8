"""One request to a server that does whatever it likes: it ends in time, with a reply or with one sentence."""

import json
import socket
import threading
import time

import pytest

from lgvsc.core.cost import Cost
from lgvsc.semantics.backends.large.chat_client import MAX_REPLY_BYTES, ChatClient, same_model
from lgvsc.semantics.backends.large.server_config import ServerConfig, ServerError

GOOD = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}


class Wire:
    """A socket that answers each connection with what ``say(connection, count)`` writes."""

    def __init__(self, say):
        self.count, self._say, self._over = 0, say, False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.count += 1
            thread = threading.Thread(target=self._one, args=(connection, self.count), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _one(self, connection, count):
        with connection:
            try:
                connection.recv(1 << 16)
                self._say(connection, count)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass
            except OSError:
                return

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)


@pytest.fixture
def wire():
    opened = []

    def make(say):
        opened.append(Wire(say))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def replying(body, status="200 OK", headers=""):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n{headers}\r\n".encode()
    return lambda connection, count: connection.sendall(head + data)


def ask(url, **settings):
    config = ServerConfig(url=url, model="m", **({"backoff_s": 0.0, "timeout_s": 5.0} | settings))
    cost = Cost()
    return ChatClient(config).post({"messages": []}, cost), cost


def dripping(text):
    def say(connection, count):
        for byte in text:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    return say


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + b" " * 4000,
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 400,  # never comes to an end of its headers
        b"HTTP/1.1 500 Oh\r\nContent-Length: 4000\r\n\r\n" + b" " * 4000,
    ],
    ids=["body", "headers", "error"],
)
def test_a_dripping_server_is_left_when_its_time_is_over(wire, text):
    server = wire(dripping(text))
    began = time.monotonic()
    with pytest.raises(ServerError, match=r"did not answer within server\.timeout_s = 0\.3 s"):
        ask(server.url, timeout_s=0.3)
    assert time.monotonic() - began < 3.0  # at 50 bytes a second the whole would take a minute
    assert server.count == 1  # and is not asked again


def test_a_silent_server_is_left_too_and_not_asked_again(wire):
    server = wire(lambda connection, count: time.sleep(1.0))
    with pytest.raises(ServerError, match=r"server\.timeout_s = 0\.2 s; raise it"):
        ask(server.url, timeout_s=0.2)
    assert server.count == 1


@pytest.mark.parametrize(
    "line", [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\r\n\r\n", b"HTTP/9 200 OK\r\n\r\n"]
)
def test_a_server_that_speaks_something_else_is_told(wire, line):
    server = wire(lambda connection, count: connection.sendall(line))
    with pytest.raises(ServerError, match="does not speak HTTP"):
        ask(server.url)
    assert server.count == 1


@pytest.mark.parametrize(
    "usage",
    [
        None,
        7,
        "much",
        [],
        {"prompt_tokens": "many"},
        {"prompt_tokens": -3},
        {"prompt_tokens": 1e400},
        {"prompt_tokens": {}},
    ],
)
def test_a_usage_that_is_no_number_counts_nothing(wire, usage):
    found, cost = ask(wire(replying(GOOD | {"usage": usage})).url)
    assert found["choices"] and (cost.model_calls, cost.prefill_tokens, cost.decode_tokens) == (1, 0, 0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
        (b" " * (MAX_REPLY_BYTES + 1), "more than 4 MB"),
        ({"error": {"message": "out of memory", "code": "oom"}}, "answers with an error, as if all were well: out of"),
        (b"<html>Login</html>", "does not speak the chat protocol: .*<html>Login"),
        (b"\xff\xfe", "does not speak the chat protocol"),
        (b"null", "does not speak the chat protocol"),
        ({"choices": {}}, "does not speak the chat protocol"),
        ({"choices": [{"message": "x"}]}, "does not speak the chat protocol"),
        (GOOD | {"model": "other-7b"}, r"asked for server\.model = 'm' and answers as 'other-7b'"),
    ],
    ids=["deep", "large", "error", "html", "bytes", "null", "dict", "text", "model"],
)
def test_a_reply_that_is_none_is_told_in_one_sentence_and_not_asked_for_again(wire, body, message):
    server = wire(replying(body))
    with pytest.raises(ServerError, match=message) as failed:
        ask(server.url)
    assert server.count == 1 and len(str(failed.value)) < 700


@pytest.mark.parametrize(
    ("status", "body", "headers", "message", "asked"),
    [
        ("401 No", {"error": {"message": "bad key"}}, "", "401: bad key", 1),
        ("404 No", {"detail": "no such model"}, "", "404: no such model", 1),
        ("429 Slow", {"error": {"code": "insufficient_quota", "message": "pay"}}, "", "429: pay", 1),
        ("429 Slow", {"error": {"message": "slow down"}}, "Retry-After: 0\r\n", "429: slow down", 4),
        ("503 Busy", b"", "Retry-After: Sun, 29 Nov 2026 08:00:00 GMT\r\n", "503", 4),
        ("500 Oh", {"error": {"message": "image input is not supported"}}, "", "500: image input", 2),
        ("302 Found", b"", "Location: http://elsewhere/\r\n", "302 and points to 'http://elsewhere/'", 1),
    ],
)
def test_only_what_may_pass_is_asked_for_again(wire, status, body, headers, message, asked):
    server = wire(replying(body, status, headers))
    with pytest.raises(ServerError, match=message):
        ask(server.url)
    assert server.count == asked


def test_a_crash_that_passes_and_a_reply_that_breaks_off_are_asked_for_again(wire):
    def say(connection, count):
        if count == 1:
            return replying({"error": "first"}, "500 Oh")(connection, count)
        if count == 2:
            return connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"choices": [')
        if count == 3:
            return None  # hangs up without a word
        return replying(GOOD)(connection, count)

    server = wire(say)
    found, cost = ask(server.url)
    assert found == GOOD and server.count == 4 and cost.model_calls == 1


def test_a_server_that_never_was_there_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(ServerError, match="cannot be reached"):
        ask(f"http://127.0.0.1:{port}/v1", backoff_s=5.0)
    with pytest.raises(ServerError, match="cannot be reached"):
        ask("http://no-such-host.invalid/v1", backoff_s=5.0, retries=0)
    assert time.monotonic() - began < 4.0


@pytest.mark.parametrize(
    ("asked", "named", "same"),
    [
        ("m", "m", True),
        ("Qwen/Qwen3-VL-4B", "qwen3-vl-4b", True),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("m", "/models/m", True),
        ("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", False),
    ],
)
def test_names_of_one_model(asked, named, same):
    assert same_model(asked, named) == same
