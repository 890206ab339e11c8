"""Captioner and judge behind an HTTP address: any server that speaks OpenAI's chat protocol.

Eqs. (1) and (2) want probabilities from the softmax over the whole vocabulary. A server shows the likeliest few
tokens, or with vLLM exactly those that are asked for. What it does not show is the uncertainty of a score, and above a
limit there is no score. The answer is never forced with a bias or a choice of two words: that would renormalise over
them, which is another score.
"""

from __future__ import annotations

import base64
import json
import math
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import cv2

from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Answer, Comparison
from lgvsc.core.message import Motion
from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError, InputError, MissingResourceError
from lgvsc.semantics.caption_text import clean_caption, clean_description, clean_text, split_pair
from lgvsc.semantics.prompts import DESCRIBE, DESCRIBE_PAIR, caption_request

T = TypeVar("T")

RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)
MAX_REPLY_BYTES = 4_000_000
TOKEN_ID = re.compile(r"token_id:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where the server is and what it can do.

    Attributes:
        url: Address up to and with ``/v1``.
        model: What the server calls its model.
        engine: ``"vllm"`` is asked for the exact probabilities of the label tokens; others for their likeliest ones.
        label_ids: Token ids of yes and of no, for vLLM, as ``lgvsc models labels`` prints them.
        top_logprobs: How many of the likeliest tokens are asked for.
        max_unseen: Probability of everything that the server did not show, at most, where a label may be among it.
        timeout_s, retries, backoff_s: Of one request; the pause doubles with each retry.
        concurrency: Requests under way at once.
        description_tokens, caption_tokens: As for local models.
        key_file: A file with the key, sent as a bearer token. The key itself is never part of a configuration.
    """

    url: str = "http://127.0.0.1:8000/v1"
    model: str = ""
    engine: Literal["vllm", "other"] = "other"
    label_ids: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    top_logprobs: int = 20
    max_unseen: float = 0.05
    timeout_s: float = 120.0
    retries: int = 3
    backoff_s: float = 0.5
    concurrency: int = 8
    description_tokens: int = 160
    caption_tokens: int = 120
    key_file: str = ""

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ConfigError(f"server.url is {self.url!r}; give an http address such as http://127.0.0.1:8000/v1")
        if self.engine not in ("vllm", "other"):
            raise ConfigError(f"server.engine is {self.engine!r}; there are 'vllm' and 'other'")
        if self.engine == "vllm" and not all(self.label_ids):
            raise ConfigError("server.engine = 'vllm' wants server.label_ids = [[ids of yes], [ids of no]]")
        if not 0 <= self.max_unseen < 1:
            raise ConfigError(f"server.max_unseen is {self.max_unseen}; give a probability below 1")
        if not (self.timeout_s > 0 and self.retries >= 0 and self.backoff_s >= 0 and self.concurrency >= 1):
            raise ConfigError("server: timeout_s > 0, retries >= 0, backoff_s >= 0 and concurrency >= 1 must hold")
        if self.top_logprobs < 1:
            raise ConfigError(f"server.top_logprobs is {self.top_logprobs}; PSSS needs at least the likeliest token")


class ServerError(MissingResourceError):
    """The server cannot be reached, refuses, or cannot give what is needed. Exit status 4."""


class OpenAIServer:
    """Captioner and judge behind an address. Frames travel as PNG, so that they arrive unchanged.

    The keyframe stands first in every prompt, so that the server's own prefix cache serves all its candidates.
    """

    name = "openai-server"

    def __init__(self, config: ServerConfig) -> None:
        if not config.model:
            raise ConfigError("server.model is not set; give the name that the server knows its model by")
        self.config = config
        self.cost = Cost()
        self._key = _key(config.key_file)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that a description depends on besides the frame, as far as a client can know."""
        return {
            "model": self.config.model,
            "revision": f"{self.config.engine} at {self.config.url}",
            "prompt": DESCRIBE,
            "tokens": self.config.description_tokens,
        }

    @property
    def setup(self) -> dict[str, Any]:
        """Everything that a score depends on, besides the frames, the question and the mode; as far as is known."""
        engine = f"server {self.config.engine}"
        return self.identity | {"pair_prompt": DESCRIBE_PAIR, "engine": engine, "dtype": "the server's"}

    # --- captioner ---

    def describe(self, frames: Sequence[Frame]) -> list[str]:
        """One description of each frame."""
        limit = self.config.description_tokens
        with self.cost.timed():
            self.cost.descriptions += len(frames)
            return [clean_description(t) for t in self._each(lambda f: self._write([f], DESCRIBE, limit), frames)]

    def describe_pair(self, first: Frame, second: Frame) -> tuple[str, str]:
        """Both frames described in one conversation."""
        with self.cost.timed():
            return split_pair(self._describe_pair(first, second))

    def caption(self, frames: Sequence[Frame], motion: Motion | None, max_bytes: int) -> str:
        """One caption for a segment; "" where the model has nothing usable to say."""
        with self.cost.timed():
            self.cost.descriptions += 1
            text = self._write(frames, caption_request(max_bytes, motion), self.config.caption_tokens)
            return clean_caption(text, max_bytes)

    # --- judge ---

    def answer(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        """P(yes) and P(no) for pairs of descriptions."""

        def ask(pair: tuple[str, str]) -> Answer:
            first, second = (clean_text(text) for text in pair)
            return self._answer([_user([], f"Image-1: {first}\nImage-2: {second}\n{question}")])

        with self.cost.timed():
            return self._each(ask, pairs)

    def look(self, question: str, keyframe: Frame, candidates: Sequence[Frame]) -> list[Answer]:
        """P(yes) and P(no) for a keyframe and each candidate, from the frames themselves."""
        with self.cost.timed():
            return self._each(lambda frame: self._answer([_user([keyframe, frame], question)]), candidates)

    def compare(self, question: str, keyframe: Frame, candidates: Sequence[Frame]) -> list[Comparison]:
        """Describe both frames, then the question, in one conversation for each candidate."""

        def converse(frame: Frame) -> Comparison:
            said = self._describe_pair(keyframe, frame)
            rounds = [_user([keyframe, frame], DESCRIBE_PAIR), {"role": "assistant", "content": said}]
            return Comparison(self._answer([*rounds, _user([], question)]), split_pair(said))

        with self.cost.timed():
            return self._each(converse, candidates)

    # --- requests ---

    def _describe_pair(self, first: Frame, second: Frame) -> str:
        self.cost.descriptions += 1
        return self._write([first, second], DESCRIBE_PAIR, 2 * self.config.description_tokens)

    def _write(self, frames: Sequence[Frame], request: str, limit: int) -> str:
        reply = self._post({"messages": [_user(frames, request)], "max_tokens": limit, "temperature": 0})
        text = reply["choices"][0]["message"].get("content")
        return text if isinstance(text, str) else ""

    def _answer(self, messages: list[dict[str, Any]]) -> Answer:
        config = self.config
        body = {"messages": messages, "max_tokens": 1, "temperature": 0, "logprobs": True}
        if config.engine == "vllm":
            labels = [*config.label_ids[0], *config.label_ids[1]]
            body |= {"logprob_token_ids": labels, "top_logprobs": len(labels), "return_tokens_as_token_ids": True}
        else:
            body["top_logprobs"] = config.top_logprobs
        return read_answer(self._post(body), config)

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps({"model": self.config.model} | body).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        request = Request(f"{self.config.url.rstrip('/')}/chat/completions", data, headers)
        for attempt in range(self.config.retries + 1):
            try:
                with urlopen(request, timeout=self.config.timeout_s) as reply:
                    found = json.loads(reply.read(MAX_REPLY_BYTES))
                found["choices"][0]["message"]
                break
            except HTTPError as error:
                said = error.read(2000).decode("utf-8", "replace").strip()
                problem, again = f"answers {error.code}: {said[:300]}", error.code in RETRIED
            except (URLError, TimeoutError, ConnectionError) as error:
                problem, again = f"cannot be reached: {getattr(error, 'reason', error)}", True
            except (ValueError, KeyError, IndexError, TypeError) as error:
                problem, again = f"does not speak the chat protocol: {error!r}", False
            if not again or attempt == self.config.retries:
                raise ServerError(f"the server at {self.config.url} {problem}")
            time.sleep(self.config.backoff_s * 2**attempt)
        usage = found.get("usage") or {}
        self.cost.model_calls += 1
        self.cost.prefill_tokens += int(usage.get("prompt_tokens") or 0)
        self.cost.decode_tokens += int(usage.get("completion_tokens") or 0)
        return dict(found)

    def _each(self, function: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
        """The function of every item, several at once, in order. The first failure stops the rest."""
        if len(items) < 2:
            return [function(item) for item in items]
        with ThreadPoolExecutor(min(self.config.concurrency, len(items))) as pool:
            futures = [pool.submit(function, item) for item in items]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def read_answer(reply: dict[str, Any], config: ServerConfig) -> Answer:
    """P(yes) and P(no) out of a reply.

    Raises:
        ServerError: The reply holds no probabilities, or too much of the probability is on tokens that it does not
            show, among which yes or no may be.
    """
    try:
        first = reply["choices"][0]["logprobs"]["content"][0]
        listed = [(str(entry["token"]), float(entry["logprob"])) for entry in first["top_logprobs"]]
        sampled = (str(first["token"]), float(first["logprob"]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ServerError(
            f"the server at {config.url} sends no probabilities, and PSSS is made of them; use a server with logprobs "
            "in chat (vLLM, SGLang, llama.cpp)"
        ) from error
    if config.engine == "vllm":
        shown = {int(m[1]): math.exp(p) for token, p in [*listed, sampled] if (m := TOKEN_ID.fullmatch(token))}
        missing = [i for ids in config.label_ids for i in ids if i not in shown]
        if missing:
            raise ServerError(
                f"the server was asked for the exact probabilities of tokens {missing} and did not send them; it is "
                "not vLLM, or too old: set server.engine = 'other'"
            )
        yes, no = (sum(shown[i] for i in ids) for ids in config.label_ids)
        return Answer(yes, no)
    if sampled not in listed:
        listed.append(sampled)  # two tokens may print alike, so this is a list; but the sampled one counts once
    yes, no = (sum(math.exp(p) for token, p in listed if token.strip().lower() == word) for word in ("yes", "no"))
    unseen = max(0.0, 1.0 - sum(math.exp(p) for _, p in listed))
    if unseen > config.max_unseen:
        raise ServerError(
            f"the server at {config.url} shows {len(listed)} tokens and leaves {unseen:.2f} of the probability in the "
            f"dark, more than server.max_unseen = {config.max_unseen:g}. Raise server.top_logprobs and the server's "
            "own limit (vLLM: --max-logprobs), or use engine = 'vllm'; a thinking model cannot be a judge"
        )
    return Answer(min(yes, 1.0), min(no, 1.0))


def _user(frames: Sequence[Frame], text: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for number, frame in enumerate(frames, 1):
        if len(frames) > 1:
            parts.append({"type": "text", "text": f"Image-{number}:"})
        parts.append({"type": "image_url", "image_url": {"url": _as_uri(frame)}})
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}]}


def _as_uri(frame: Frame) -> str:
    data = cv2.imencode(".png", cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _key(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"server.key_file {path} cannot be read: {error}") from error
