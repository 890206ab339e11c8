"""The compact judge: the small language model of this project, behind the protocol that all judges share."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Answer
from lgvsc.models.weights import read_network
from lgvsc.nets.judge_lm import JudgeLM, JudgeLMConfig, WordTokenizer, label_ids
from lgvsc.nets.word_senses import WordSenses

MAX_BATCH = 16


class CompactJudge:
    """Answers yes/no questions about two descriptions with the softmax of one forward pass.

    Args:
        model: The language model, with senses of words by which it is told how alike texts are.
        tokenizer: Its vocabulary, which must hold both labels.
        revision: The beginning of the SHA-256 of its weights.
    """

    name = "compact"

    def __init__(self, model: JudgeLM, tokenizer: WordTokenizer, revision: str = "unknown") -> None:
        self.revision = revision
        self._model = model.float().eval()
        self._tokenizer = tokenizer
        self._yes, self._no = label_ids(tokenizer, "yes"), label_ids(tokenizer, "no")
        self._token_flops = 2.0 * sum(p.numel() for p in model.parameters() if p.ndim > 1)
        self.cost = Cost()

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes) -> CompactJudge:
        """From a safetensors file or its bytes. Digests are the catalogue's business.

        Raises:
            InputError: Not weights of this judge.
        """
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        vocabulary: list[WordTokenizer] = []

        def make(stated: Mapping[str, str]) -> JudgeLM:
            vocabulary.append(WordTokenizer(json.loads(stated["words"])))
            config = JudgeLMConfig(**json.loads(stated["config"]))
            pieces = stated["pieces"].split("\n")
            return JudgeLM(config, WordSenses(pieces, torch.zeros(len(pieces), config.sense_size)))

        model = read_network(data, "a compact judge", make)
        (tokenizer,) = vocabulary
        return cls(model, tokenizer, hashlib.sha256(data).hexdigest()[:12])

    @property
    def setup(self) -> dict[str, Any]:
        """Everything that an answer depends on, besides question and descriptions."""
        return {"model": "compact-judge", "revision": self.revision, "engine": "lgvsc", "dtype": "float32"}

    def answer(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        """P(yes) and P(no) for each pair of descriptions, nothing sampled."""
        with self.cost.timed():
            parts = [pairs[start : start + MAX_BATCH] for start in range(0, len(pairs), MAX_BATCH)]
            return [answer for some in parts for answer in self._answers(question, some)]

    def measure(self, first: str, second: str) -> float:
        """Likeness of the two texts by the senses of their words, 0 to 1: all it knows of texts in other words."""
        assert self._model.senses is not None
        return self._model.senses.likeness(first, second)[1]

    def _answers(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        limit = self._model.config.max_tokens
        prompts = [self._tokenizer.prompt(question, first, second, limit) for first, second in pairs]
        with torch.inference_mode():
            p = self._model.answer_probabilities(prompts, self._model.likeness(pairs))
        tokens = sum(len(prompt) for prompt in prompts)
        self.cost.model_calls += 1
        self.cost.prefill_tokens += tokens
        self.cost.flops += tokens * self._token_flops
        yes, no = p[:, self._yes].sum(dim=1).tolist(), p[:, self._no].sum(dim=1).tolist()
        return [Answer(y, n) for y, n in zip(yes, no, strict=True)]
