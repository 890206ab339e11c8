"""P(yes) and P(no) out of the tokens and logarithms that a server sends, or why they are none.

A score is a difference of two probabilities, so a number that is none must not get through: NaN compares as false with
every threshold, and no keyframe would ever follow.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lgvsc.core.interfaces import Answer
from lgvsc.semantics.backends.large.server_config import ServerConfig, ServerError
from lgvsc.semantics.labels import bare

TOKEN_ID = re.compile(r"token_id:(\d+)")
ROUNDING = 1e-3  # a logarithm this far above 0, or a sum this far above 1, is one of half precision
THOUGHTS = re.compile(r"^[<\[(]?[|/]?(?:think|thinking|thought|reasoning|channel|analysis)[|]?[>\])]?$", re.I)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that a server listed: its text, its id where that is given, and its probability."""

    text: str
    id: int | None
    p: float


def read_answer(reply: Mapping[str, Any], config: ServerConfig) -> Answer:
    """P(yes) and P(no) out of a reply.

    Labels are found by their ids where the configuration has them and every token comes with one, else by their
    spelling, without marks of space.

    Raises:
        ServerError: The reply holds no probabilities or impossible ones; too much of the probability is on tokens that
            it does not show, among which yes or no may be; or so little is on yes and no that it is no answer.
    """
    listed, sampled = _tokens(reply, config)
    known = all(config.label_ids) and all(token.id is not None for token in listed)
    if config.engine == "vllm":
        known = True
        shown = {token.id for token in listed}
        missing = [i for ids in config.label_ids for i in ids if i not in shown]
        if missing:
            raise ServerError(
                f"the server was asked for the exact probabilities of tokens {missing} and did not send them; it is "
                "not vLLM, or too old: set server.engine = 'other'"
            )
    total = sum(token.p for token in listed)
    if total > 1 + ROUNDING * len(listed):
        raise ServerError(
            f"the server at {config.url} sends probabilities that add up to {total:.3g}; they do not come from one "
            "softmax, so they are no P(Yes) and P(No)"
        )
    if config.engine != "vllm" and 1 - total > config.max_unseen:
        raise ServerError(
            f"the server at {config.url} shows {len(listed)} tokens and leaves {1 - total:.2f} of the probability in "
            f"the dark, more than server.max_unseen = {config.max_unseen:g}. Raise server.top_logprobs and its "
            "own limit (vLLM: --max-logprobs), or use engine = 'vllm'; a thinking model cannot be a judge"
        )
    if known:
        yes, no = (sum(token.p for token in listed if token.id in ids) for ids in config.label_ids)
    else:
        yes, no = (sum(t.p for t in listed if bare(t.text).lower() == word) for word in ("yes", "no"))
    _check_mass(yes + no, sampled, config)
    return Answer(min(yes, 1.0), min(no, 1.0))


def _check_mass(mass: float, sampled: Token, config: ServerConfig) -> None:
    if mass >= config.min_mass:
        return
    thinks = THOUGHTS.match(bare(sampled.text))
    hint = "it thinks before it answers; set server.no_thinking = true" if thinks else "it is not answering"
    if config.engine == "vllm":
        hint += ", or server.label_ids are of another vocabulary"
    raise ServerError(
        f"the model {config.model!r} gives yes and no together {mass:.3f} of the probability, less than "
        f"server.min_mass = {config.min_mass:g}, and begins with {sampled.text!r} instead: {hint}"
    )


def _tokens(reply: Mapping[str, Any], config: ServerConfig) -> tuple[list[Token], Token]:
    """All tokens of the first place, each once, and the one that was taken."""
    try:
        first = reply["choices"][0]["logprobs"]["content"][0]
        entries = first["top_logprobs"]
        sampled = _token(first, config)
        listed = {_same(entry): _token(entry, config) for entry in entries}
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ServerError(
            f"the server at {config.url} sends no probabilities, and PSSS is made of them; use a server with logprobs "
            "in chat (vLLM, SGLang, llama.cpp)"
        ) from error
    listed.setdefault(_same(first), sampled)
    return list(listed.values()), sampled


def _same(entry: Mapping[str, Any]) -> object:
    """What tells entries apart: the id, or else text and number together, since two tokens may print alike."""
    number = _id(entry)
    return number if number is not None else (entry["token"], entry["logprob"])


def _token(entry: Mapping[str, Any], config: ServerConfig) -> Token:
    logarithm, text = entry["logprob"], entry["token"]
    if not isinstance(text, str) or isinstance(logarithm, bool) or not isinstance(logarithm, int | float):
        raise TypeError("not a token with a logarithm")
    if not math.isfinite(logarithm) or logarithm > ROUNDING:
        raise ServerError(
            f"the server at {config.url} sends {logarithm} as the logarithm of a probability, of the token {text!r}; "
            "a logarithm of a probability is finite and at most 0"
        )
    return Token(_spelled(entry.get("bytes"), text), _id(entry), min(1.0, math.exp(logarithm)))


def _id(entry: Mapping[str, Any]) -> int | None:
    """The token's id: as a number of its own (llama.cpp), or in place of its text (vLLM)."""
    number = entry.get("id", entry.get("token_id"))
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    match = TOKEN_ID.fullmatch(str(entry["token"]))
    return int(match[1]) if match else None


def _spelled(raw: Sequence[int] | None, text: str) -> str:
    """A token's text, from its bytes where they are given: some servers print the vocabulary's own spelling."""
    if not isinstance(raw, list) or not raw:
        return text
    try:
        return bytes(raw).decode("utf-8")
    except (TypeError, ValueError):  # half a character, or no bytes
        return text
