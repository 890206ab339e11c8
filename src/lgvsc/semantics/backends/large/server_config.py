"""Where a served model is, what it can do, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from lgvsc.errors import ConfigError, MissingResourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where the server is and what it can do.

    Attributes:
        url: Address up to and with ``/v1``.
        model: What the server calls its model. A reply that names another one is refused.
        engine: ``"vllm"`` is asked for the exact probabilities of the label tokens; others for their likeliest ones.
        label_ids: Token ids of yes and of no, as ``lgvsc models labels`` prints them. vLLM needs them; of other
            servers they are used where every token of a reply comes with its id.
        top_logprobs: How many of the likeliest tokens are asked for.
        max_unseen: Probability of everything that the server did not show, at most, where a label may be among it.
        min_mass: Probability of yes and no together, at least. A judge with less was not answering the question.
        timeout_s: Of one request, from connecting to the last byte, however slowly bytes come. Not asked again.
        retries, backoff_s: After failures that may pass; the pause doubles with each retry.
        concurrency: Requests under way at once.
        description_tokens, caption_tokens: As for local models.
        no_thinking: Ask the chat template to leave thinking out (``enable_thinking`` of Qwen3 and its kind).
        self_test: Try the model before its first use: a judge on texts that are equal and texts that have nothing in
            common, a captioner on two coloured pictures.
        key_file: A file with the key, sent as a bearer token. The key itself is never part of a configuration.
    """

    url: str = "http://127.0.0.1:8000/v1"
    model: str = ""
    engine: Literal["vllm", "other"] = "other"
    label_ids: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    top_logprobs: int = 20
    max_unseen: float = 0.05
    min_mass: float = 0.25
    timeout_s: float = 120.0
    retries: int = 3
    backoff_s: float = 0.5
    concurrency: int = 8
    description_tokens: int = 160
    caption_tokens: int = 120
    no_thinking: bool = False
    self_test: bool = True
    key_file: str = ""

    def __post_init__(self) -> None:
        if not is_address(self.url):
            raise ConfigError(f"server.url is {self.url!r}; give an http address such as http://127.0.0.1:8000/v1")
        if self.engine not in ("vllm", "other"):
            raise ConfigError(f"server.engine is {self.engine!r}; there are 'vllm' and 'other'")
        if self.engine == "vllm" and not all(self.label_ids):
            raise ConfigError("server.engine = 'vllm' wants server.label_ids = [[ids of yes], [ids of no]]")
        if not 0 <= self.max_unseen < 1:
            raise ConfigError(f"server.max_unseen is {self.max_unseen}; give a probability below 1")
        if not 0 <= self.min_mass < 1:
            raise ConfigError(f"server.min_mass is {self.min_mass}; give a probability below 1")
        limits = 0 < self.timeout_s < float("inf") and self.retries >= 0 and 0 <= self.backoff_s < float("inf")
        if not (limits and self.concurrency >= 1):
            raise ConfigError("server: timeout_s > 0, retries >= 0, backoff_s >= 0 and concurrency >= 1 must hold")
        if self.top_logprobs < 1:
            raise ConfigError(f"server.top_logprobs is {self.top_logprobs}; PSSS needs at least the likeliest token")


class ServerError(MissingResourceError):
    """The server cannot be reached, refuses, or cannot give what is needed. Exit status 4."""


def is_address(url: str) -> bool:
    """Whether a text is an http address with a host, and a port that can be one."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
