"""Captioner and judge behind an HTTP address: any server that speaks OpenAI's chat protocol.

Eqs. (1) and (2) want probabilities from the softmax over the whole vocabulary. A server shows the likeliest few
tokens, or with vLLM exactly those that are asked for. What it does not show is the uncertainty of a score, and above a
limit there is no score. The answer is never forced with a bias or a choice of two words: that would renormalise over
them, which is another score.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import cv2

from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Answer, Comparison
from lgvsc.core.message import Motion
from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError
from lgvsc.semantics.backends.large.chat_client import ChatClient
from lgvsc.semantics.backends.large.label_probabilities import read_answer
from lgvsc.semantics.backends.large.server_config import ServerConfig, ServerError
from lgvsc.semantics.caption_text import clean_caption, clean_description, clean_text, split_pair, without_thoughts
from lgvsc.semantics.prompts import DESCRIBE, DESCRIBE_PAIR, caption_request
from lgvsc.semantics.self_test import ASK_COLOUR, EQUAL, UNRELATED, coloured_pictures, judging_fault, seeing_fault

T = TypeVar("T")


class OpenAIServer:
    """Captioner and judge behind an address. Frames travel as PNG, so that they arrive unchanged.

    The keyframe stands first in every prompt, so that the server's own prefix cache serves all its candidates. Before
    its first use in each role the model is tried, and refused where it does not see or cannot judge.
    """

    name = "openai-server"

    def __init__(self, config: ServerConfig) -> None:
        if not config.model:
            raise ConfigError("server.model is not set; give the name that the server knows its model by")
        self.config = config
        self.cost = Cost()
        self._client = ChatClient(config)
        self._tried: set[str] = set()  # the roles in which the model has passed

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
            self._try_eyes()
            self.cost.descriptions += len(frames)
            return [clean_description(t) for t in self._each(lambda f: self._write([f], DESCRIBE, limit), frames)]

    def describe_pair(self, first: Frame, second: Frame) -> tuple[str, str]:
        """Both frames described in one conversation."""
        with self.cost.timed():
            self._try_eyes()
            return split_pair(self._describe_pair(first, second))

    def caption(self, frames: Sequence[Frame], motion: Motion | None, max_bytes: int) -> str:
        """One caption for a segment; "" where the model has nothing usable to say."""
        with self.cost.timed():
            self._try_eyes()
            self.cost.descriptions += 1
            text = self._write(frames, caption_request(max_bytes, motion), self.config.caption_tokens)
            return clean_caption(text, max_bytes)

    # --- judge ---

    def answer(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        """P(yes) and P(no) for pairs of descriptions."""
        with self.cost.timed():
            self._try_judgement(question)
            return self._each(lambda pair: self._read_pair(question, pair), pairs)

    def look(self, question: str, keyframe: Frame, candidates: Sequence[Frame]) -> list[Answer]:
        """P(yes) and P(no) for a keyframe and each candidate, from the frames themselves."""
        with self.cost.timed():
            self._try_eyes()
            self._try_glance(question)
            return self._each(lambda frame: self._look_at(question, keyframe, frame), candidates)

    def compare(self, question: str, keyframe: Frame, candidates: Sequence[Frame]) -> list[Comparison]:
        """Describe both frames, then the question, in one conversation for each candidate."""

        def converse(frame: Frame) -> Comparison:
            said = self._describe_pair(keyframe, frame)
            rounds = [_user([keyframe, frame], DESCRIBE_PAIR), {"role": "assistant", "content": said}]
            return Comparison(self._answer([*rounds, _user([], question)]), split_pair(said))

        with self.cost.timed():
            self._try_eyes()
            self._try_judgement(question)
            return self._each(converse, candidates)

    # --- trying the model ---

    def _try_eyes(self) -> None:
        """Whether it sees: colours anybody can name."""
        if self._passed("see"):
            return
        pictures, limit = coloured_pictures(), self.config.description_tokens
        said = self._each(lambda frame: self._write([frame], ASK_COLOUR, limit), list(pictures.values()))
        self._settle("see", "cannot describe pictures", seeing_fault(dict(zip(pictures, said, strict=True))))

    def _try_judgement(self, question: str) -> None:
        """Whether it tells texts that are equal from texts that have nothing in common."""
        if self._passed(f"read: {question}"):
            return
        found = self._each(lambda pair: self._read_pair(question, pair), [*EQUAL, *UNRELATED])
        fault = judging_fault(found[: len(EQUAL)], found[len(EQUAL) :])
        self._settle(f"read: {question}", "is no judge of descriptions", fault)

    def _try_glance(self, question: str) -> None:
        """The same for pictures."""
        if self._passed(f"look: {question}"):
            return
        red, blue = coloured_pictures().values()
        pairs = [(red, red), (blue, blue), (red, blue), (blue, red)]
        found = self._each(lambda pair: self._look_at(question, *pair), pairs)
        self._settle(f"look: {question}", "is no judge of pictures", judging_fault(found[:2], found[2:]))

    def _passed(self, what: str) -> bool:
        return not self.config.self_test or what in self._tried

    def _settle(self, what: str, verdict: str, fault: str | None) -> None:
        if fault:
            raise ServerError(
                f"the model {self.config.model!r} at {self.config.url} {verdict}: {fault}. Take another model; "
                "server.self_test = false takes this one all the same"
            )
        self._tried.add(what)

    # --- requests ---

    @property
    def _template(self) -> dict[str, Any]:
        return {"chat_template_kwargs": {"enable_thinking": False}} if self.config.no_thinking else {}

    def _read_pair(self, question: str, pair: tuple[str, str]) -> Answer:
        first, second = (clean_text(text) for text in pair)
        return self._answer([_user([], f"Image-1: {first}\nImage-2: {second}\n{question}")])

    def _look_at(self, question: str, first: Frame, second: Frame) -> Answer:
        return self._answer([_user([first, second], question)])

    def _describe_pair(self, first: Frame, second: Frame) -> str:
        self.cost.descriptions += 1
        return self._write([first, second], DESCRIBE_PAIR, 2 * self.config.description_tokens)

    def _write(self, frames: Sequence[Frame], request: str, limit: int) -> str:
        body = {"messages": [_user(frames, request)], "max_tokens": limit, "temperature": 0} | self._template
        message = self._client.post(body, self.cost)["choices"][0]["message"]
        said = message.get("content")
        said = said if isinstance(said, str) else ""
        text = without_thoughts(said)
        thought = said.strip() or message.get("reasoning_content") or message.get("reasoning")
        if not text.strip() and thought:
            raise ServerError(
                f"the model {self.config.model!r} spent its {limit} tokens on thoughts and wrote nothing; set "
                "server.no_thinking = true, or take a model that answers at once"
            )
        return text

    def _answer(self, messages: list[dict[str, Any]]) -> Answer:
        config = self.config
        body = {"messages": messages, "max_tokens": 1, "temperature": 0, "logprobs": True} | self._template
        if config.engine == "vllm":
            labels = [*config.label_ids[0], *config.label_ids[1]]
            body |= {"logprob_token_ids": labels, "top_logprobs": len(labels), "return_tokens_as_token_ids": True}
        else:
            body["top_logprobs"] = config.top_logprobs
        return read_answer(self._client.post(body, self.cost), config)

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
