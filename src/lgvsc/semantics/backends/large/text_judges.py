"""Judges that read two descriptions with any causal language model: asked yes or no, or by likelihood.

``text-judge`` is the paper's judge without eyes: the question through the model's own chat template, and P("Yes"),
P("No") of the next token (Eqs. 1 and 2). A small model cannot answer, yet knows what texts go together; ``likelihood``
asks how much likelier each text becomes after the other one. That is another score, with a calibration of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Answer
from lgvsc.errors import InputError, MissingResourceError
from lgvsc.semantics.backends.large.causal import SMOLLM2, CausalModel
from lgvsc.semantics.backends.large.text_judge_config import TextJudgeConfig, opened
from lgvsc.semantics.backends.large.vision_language import chunks, label_ids
from lgvsc.semantics.caption_text import clean_text
from lgvsc.semantics.self_test import SelfTest, logistic

# Where SmolLM2-135M finds texts of one clip as likely as texts of two, in nats for each token of the text, and how
# fast that changes: `python benchmarks/judges.py CAPTIONS.json likelihood --fit --pairs 40` finds 0.363 and 13.9; the
# gentler slope keeps answers graded.
MIDDLE, SLOPE = 0.36, 10.0
BEFORE, BETWEEN = "A picture shows this: ", "\nIn other words, the same picture shows this: "


class TextJudge:
    """Any causal language model, asked through its chat template.

    Raises:
        InputError: The model has no chat template, or its vocabulary lacks a label.
    """

    name = "text-judge"

    def __init__(self, config: TextJudgeConfig) -> None:
        self.config = config
        self.cost = Cost()
        with opened(config.weights, SMOLLM2) as path:
            self._model = CausalModel(path, self.cost)
            if not self._model.tokenizer.chat_template:
                raise InputError(f"{path} has no chat template, so it cannot be asked; it can be a 'likelihood' judge")
        vocabulary = self._model.tokenizer.get_vocab()
        self._yes, self._no = (label_ids(vocabulary, word, config.labels) for word in ("yes", "no"))
        self._trial = SelfTest(self._model.name, config.self_test)

    @property
    def setup(self) -> dict[str, Any]:
        """Everything that an answer depends on, besides question and descriptions."""
        return {"model": f"{self.name} of {self._model.name}", "revision": self._model.revision} | {
            "labels": self.config.labels, "engine": "transformers", "dtype": "float32",
        }  # fmt: skip

    def answer(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        """P(yes) and P(no) of the next token, from the softmax over the whole vocabulary.

        Raises:
            MissingResourceError: The model cannot tell equal texts from unrelated ones, or hardly says yes or no.
        """
        self._model.cost = self.cost
        with self.cost.timed():
            self._trial.of_question(question, lambda known: self._answers(question, known))
            found = self._answers(question, pairs)
        mass = min((answer.p_yes + answer.p_no for answer in found), default=1.0)
        if mass < self.config.min_mass:
            raise MissingResourceError(
                f"{self._model.name} gives yes and no together {mass:.3f} of the probability, less than "
                f"text_judge.min_mass = {self.config.min_mass:g}: it is not answering. Take another model, or "
                "text_judge.labels = 'all' where it writes yes and no in other ways"
            )
        return found

    def prompt(self, question: str, first: str, second: str) -> list[int]:
        """Token ids of the whole conversation up to where the model has to answer."""
        one, two = (self._model.harmless(clean_text(text)) for text in (first, second))
        said = [{"role": "user", "content": f"Image-1: {one}\nImage-2: {two}\n{question}"}]
        # Templates that know of thinking leave it out; others do not look at the word.
        options = {"add_generation_prompt": True, "return_dict": False, "enable_thinking": False}
        return list(self._model.tokenizer.apply_chat_template(said, tokenize=True, **options))

    def _answers(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        found: list[Answer] = []
        for some in chunks(pairs, self.config.batch):
            rows = [self.prompt(question, first, second) for first, second in some]
            p = torch.softmax(self._model.logits(rows)[:, 0], dim=-1)
            yes, no = p[:, self._yes].sum(-1).tolist(), p[:, self._no].sum(-1).tolist()
            found += [Answer(y, n) for y, n in zip(yes, no, strict=True)]
        return found


class LikelihoodJudge:
    """How much likelier each of two texts is after the other one, for each of its tokens, in nats; the mean of both.

    P(yes) is a logistic function of that, not the probability of a word. The question is not read: this judge
    compares whole texts.
    """

    name = "likelihood"
    whole_texts = True

    def __init__(self, config: TextJudgeConfig) -> None:
        self.config = config
        self.cost = Cost()
        with opened(config.weights, SMOLLM2) as path:
            self._model = CausalModel(path, self.cost)
        self.middle = MIDDLE if config.middle is None else config.middle
        self.slope = SLOPE if config.slope is None else config.slope
        self._alone = lru_cache(maxsize=512)(lambda text: self._likelihood("", text))
        self._trial = SelfTest(self._model.name, config.self_test)

    @property
    def setup(self) -> dict[str, Any]:
        """Everything that an answer depends on, besides the descriptions."""
        return {"model": f"{self.name} of {self._model.name}", "revision": self._model.revision} | {
            "middle": self.middle, "slope": self.slope, "engine": "transformers", "dtype": "float32",
        }  # fmt: skip

    def answer(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        """An answer for each pair of descriptions, whatever the question.

        Raises:
            MissingResourceError: The model cannot tell equal texts from unrelated ones.
        """
        self._model.cost = self.cost
        with self.cost.timed():
            self._trial.of_question("", self._answers)
            return self._answers(pairs)

    def measure(self, first: str, second: str) -> float:
        """Nats for each token that the texts gain from each other; 0 where one of them is empty."""
        one, two = (self._model.harmless(clean_text(text)) for text in (first, second))
        if not (one and two):
            return 0.0
        gains = [self._likelihood(a, b) - self._alone(b) for a, b in ((one, two), (two, one))]
        return sum(gains) / 2

    def _answers(self, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        return [logistic(self.slope * (self.measure(first, second) - self.middle)) for first, second in pairs]

    def _likelihood(self, before: str, text: str) -> float:
        """Mean logarithm of the probability of a text's tokens, after another text or alone."""
        start = self._model.tokenizer.bos_token_id
        marks = [] if start is None else [start]
        prompt = f"{BEFORE}{before}{BETWEEN}" if before else BEFORE
        told, said = marks + self._model.ids(prompt.rstrip()), self._model.ids(f" {text}")
        logits = self._model.logits([told + said], last=len(said) + 1)[0, :-1]
        return float(logits.log_softmax(-1).gather(1, torch.tensor(said)[:, None]).mean())


def load_folder(folder: Path, config: TextJudgeConfig | None = None) -> TextJudge:
    """The causal language model in a folder, asked yes or no."""
    return TextJudge(replace(config or TextJudgeConfig(), weights=str(folder)))


def load_text_judge(config: TextJudgeConfig | None = None) -> TextJudge:
    """Any causal language model, asked yes or no."""
    return TextJudge(config or TextJudgeConfig())


def load_likelihood(config: TextJudgeConfig | None = None) -> LikelihoodJudge:
    """Any causal language model, by likelihood."""
    return LikelihoodJudge(config or TextJudgeConfig())
