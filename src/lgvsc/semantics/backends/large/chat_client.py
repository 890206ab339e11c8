"""One request to a server that speaks OpenAI's chat protocol: within its time, read with suspicion, told in words.

A server may be anything: one that drips a byte a second, one that answers with a page of HTML, one that serves another
model than it was asked for. Whatever it does, a request ends in time, with a reply or with one sentence.
"""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Callable, Mapping
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead, RemoteDisconnected
from pathlib import Path
from ssl import SSLError
from threading import Timer
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from lgvsc.core.cost import Cost
from lgvsc.errors import InputError
from lgvsc.semantics.backends.large.server_config import ServerConfig, ServerError

RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)
MAX_REPLY_BYTES = 4_000_000
SPENT = "insufficient_quota"  # comes as 429 like "slow down", and does not pass


class FailedRequestError(Exception):
    """A request that came to nothing.

    Attributes:
        again: Whether it may go better another time.
        wait_s: What the server asks to wait.
        lasting: Whether the same words once more mean that it will not pass.
    """

    def __init__(self, words: str, *, again: bool = False, wait_s: float = 0.0, lasting: bool = False) -> None:
        super().__init__(words)
        self.again, self.wait_s, self.lasting = again, wait_s, lasting


class ChatClient:
    """Sends chat requests, again where that can help, and counts what they took."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self._key = read_key(config.key_file)
        self._reached = False  # a server that has answered before may be restarting; one that never did is not there

    def post(self, body: Mapping[str, Any], cost: Cost) -> dict[str, Any]:
        """The reply to a request, a JSON object whose first choice has a message.

        Raises:
            ServerError: There is none, for a reason that stays or after ``retries`` attempts more.
        """
        config = self.config
        data = json.dumps({"model": config.model} | dict(body)).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        request = Request(f"{config.url.rstrip('/')}/chat/completions", data, headers)
        before = ""
        for attempt in range(config.retries + 1):
            try:
                found = self._once(request)
                break
            except FailedRequestError as failed:
                same = failed.lasting and str(failed) == before
                if not failed.again or same or attempt == config.retries:
                    raise ServerError(f"the server at {config.url} {failed}") from None
                before = str(failed)
                time.sleep(max(config.backoff_s * 2**attempt, min(failed.wait_s, config.timeout_s)))
        self._reached = True
        usage = found.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        cost.model_calls += 1
        cost.prefill_tokens += _count(usage.get("prompt_tokens"))
        cost.decode_tokens += _count(usage.get("completion_tokens"))
        return found

    def _once(self, request: Request) -> dict[str, Any]:
        config = self.config
        until = Deadline(config.timeout_s)
        late = FailedRequestError(
            f"did not answer within server.timeout_s = {config.timeout_s:g} s; raise it, or lower server.concurrency = "
            f"{config.concurrency} if requests wait for each other"
        )
        try:
            with until:
                data = _exchange(request, until)
        except FailedRequestError:
            if until.over:
                raise late from None
            raise
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a host that is no name
            reason = getattr(error, "reason", None) or error
            if until.over or isinstance(reason, TimeoutError):
                raise late from None
            raise self._connection_failure(reason) from None
        if until.over:
            raise late
        return read_reply(data, config)

    def _connection_failure(self, reason: Any) -> FailedRequestError:
        if isinstance(reason, SSLError):
            return FailedRequestError(f"cannot be trusted: {reason}")
        if isinstance(reason, ConnectionRefusedError):
            return FailedRequestError(f"cannot be reached: {reason}", again=self._reached)
        if isinstance(reason, RemoteDisconnected | ConnectionError | IncompleteRead):
            return FailedRequestError(f"hung up: {reason}", again=True)
        if isinstance(reason, HTTPException):
            return FailedRequestError(f"does not speak HTTP: {type(reason).__name__} {str(reason)[:100]!r}")
        passing = isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_AGAIN
        return FailedRequestError(f"cannot be reached: {reason}", again=passing)


class Deadline:
    """Ends an exchange when its time is over, whatever it is waiting for. A time-out of sockets begins anew with each
    byte, so somebody from outside has to hang up.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.over = seconds, False
        self._sockets: list[socket.socket] = []
        self._timer = Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, connected: socket.socket) -> None:
        self._sockets.append(connected)
        if self.over:
            self._end()

    def _end(self) -> None:
        self.over = True
        for each in self._sockets:
            try:  # of the plain socket: a TLS one would drop what the reading thread still holds
                socket.socket.shutdown(each, socket.SHUT_RDWR)
            except OSError:
                continue  # closed in the meantime


def _exchange(request: Request, until: Deadline) -> bytes:
    """The body of the reply."""
    opener = build_opener(_NoRedirect, _http(until), _https(until))
    try:
        with opener.open(request, timeout=until.seconds) as reply:
            data: bytes = reply.read(MAX_REPLY_BYTES + 1)
            missing = reply.length
    except HTTPError as error:
        with error:
            said = error.read(2000).decode("utf-8", "replace").strip()
        raise _refusal(error.code, said, error.headers) from None
    if len(data) > MAX_REPLY_BYTES:
        raise FailedRequestError(
            f"sends a reply of more than {MAX_REPLY_BYTES / 1e6:g} MB; nothing that is asked for is so long, unless "
            "server.top_logprobs is very large"
        )
    if missing:
        raise FailedRequestError(f"hung up: {missing} bytes of its reply are missing", again=True)
    return data


def _refusal(code: int, said: str, headers: Message) -> FailedRequestError:
    if 300 <= code < 400:
        return FailedRequestError(
            f"answers {code} and points to {headers.get('Location')!r}; set server.url to where it is"
        )
    try:
        wait_s = float(headers.get("Retry-After", 0))
    except ValueError:
        wait_s = 0.0  # a date; the pause doubles anyway
    wait_s = wait_s if 0 <= wait_s < math.inf else 0.0
    again = code in RETRIED and SPENT not in said
    # A 500 can be a crash that passes or a request that never works, such as pictures for a model without eyes.
    return FailedRequestError(f"answers {code}: {_words(said)}", again=again, wait_s=wait_s, lasting=code == 500)


def _words(said: str) -> str:
    """The sentence in an error's body, in whichever of the usual shapes."""
    try:
        found = json.loads(said)
        inner = found.get("error", found.get("detail", found))
        message = inner.get("message", inner) if isinstance(inner, dict) else inner
    except (ValueError, AttributeError, RecursionError):
        message = said
    return " ".join(str(message).split())[:300]


def read_reply(data: bytes, config: ServerConfig) -> dict[str, Any]:
    """A reply of the chat protocol out of its bytes.

    Raises:
        FailedRequestError: It is none, or holds an error, or comes from another model.
    """
    try:
        found = json.loads(data)
    except RecursionError:
        raise FailedRequestError("does not speak the chat protocol: its JSON is nested too deeply") from None
    except ValueError as error:  # not UTF-8, not JSON
        raise FailedRequestError(f"does not speak the chat protocol: {error}; it begins {data[:60]!r}") from None
    if isinstance(found, dict) and found.get("error"):
        inner = found["error"]
        code = inner.get("code") if isinstance(inner, dict) else None
        again = isinstance(code, int) and code in RETRIED
        raise FailedRequestError(
            f"answers with an error, as if all were well: {_words(json.dumps(found))}", again=again
        )
    try:
        message = found["choices"][0]["message"]
        if not isinstance(message, dict):
            raise TypeError(f"the message is {message!r:.60}")
    except (KeyError, IndexError, TypeError) as error:
        raise FailedRequestError(f"does not speak the chat protocol: {error!r}; it says {data[:60]!r}") from None
    named = found.get("model")
    if isinstance(named, str) and named and not same_model(config.model, named):
        raise FailedRequestError(
            f"was asked for server.model = {config.model!r} and answers as {named[:200]!r}; a score of another model "
            f"is another score. Set server.model to {named[:200]!r} if that is the one you mean"
        )
    return dict(found)


def same_model(asked: str, named: str) -> bool:
    """Whether a reply comes from the model that was asked for: its name, in any case, without the owner or a folder
    in front, with a date behind.
    """
    wanted, got = (name.casefold().rstrip("/").rsplit("/", 1)[-1] for name in (asked, named))
    return got == wanted or (got.startswith(f"{wanted}-") and got[len(wanted) + 1 :].replace("-", "").isdigit())


def read_key(path: str) -> str:
    """The key in a file; "" for no file.

    Raises:
        InputError: It cannot be read, or is not one line of ASCII, which a header could not carry.
    """
    if not path:
        return ""
    try:
        key = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"server.key_file {path} cannot be read: {error}") from error
    if not key or not (key.isascii() and key.isprintable()):
        raise InputError(f"server.key_file {path} holds no key: one line of plain characters is wanted")
    return key


def _count(value: Any) -> int:
    """A number of tokens as a server states it; 0 for anything that is none."""
    plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return max(0, int(value)) if plain else 0


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would turn the request into another one and carry the key to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _watched(kind: type[HTTPConnection], until: Deadline) -> Callable[..., HTTPConnection]:
    class Watched(kind):  # type: ignore[misc, valid-type]
        def connect(self) -> None:
            super().connect()
            until.watch(self.sock)

    return Watched


def _http(until: Deadline) -> HTTPHandler:
    class Handler(HTTPHandler):
        def http_open(self, request: Request) -> Any:
            return self.do_open(_watched(HTTPConnection, until), request)

    return Handler()


def _https(until: Deadline) -> HTTPSHandler:
    class Handler(HTTPSHandler):
        def https_open(self, request: Request) -> Any:
            return self.do_open(_watched(HTTPSConnection, until), request, context=self._context)  # type: ignore[attr-defined]

    return Handler()
