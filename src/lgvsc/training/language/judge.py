"""Train the compact judge: ``lgvsc train judge --out FOLDER``.

The judge is a next-word model. It learns to continue a prompt (question, first description, second description)
with an answer, and also to predict every word of the descriptions: to know what the second one will say from what
the first one said is to know where they differ.
"""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from safetensors.torch import save_file
from torch import Tensor

from lgvsc.core.interfaces import FOCUSES
from lgvsc.core.lexicon import COLOURS, PLACES, SIZES, TEXTURES, Region
from lgvsc.errors import ConfigError
from lgvsc.models.weights import read_tensors
from lgvsc.nets.judge_lm import JudgeLM, JudgeLMConfig, WordTokenizer, find_words
from lgvsc.semantics.backends.compact import words as compact_words
from lgvsc.semantics.prompts import question
from lgvsc.training.arguments import OutFolder, Trainer
from lgvsc.training.language.judge_questions import draw_question, question_words
from lgvsc.training.language.judge_scenes import CHANGES, COMMON_WORDS, Example, draw

_POOL = 8  # batches drawn together
_UNDECIDED = "unclear"  # where the rest of the probability goes: an answer that is neither yes nor no


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTraining:
    """How the judge is trained.

    Attributes:
        steps: Number of steps; only this makes a run repeatable.
        minutes: Wall clock instead, where no steps are given.
        batch: Examples in a batch.
        learning_rate: Of everything but the matrices, at its highest.
        matrix_rate: Of the matrices.
        warmup: Steps until the rates are at their highest.
        seed: Of scenes, questions and weights.
        log_every: Steps between lines of the log.
        save_every: Steps between checkpoints.
        start: Weights of an earlier run to go on from; words keep what they learned.
        answer_weight: Share of the answers' loss beside that of the next words of the second description.
    """

    steps: int | None = None
    minutes: float = 20.0
    batch: int = 24
    learning_rate: float = 4e-3
    matrix_rate: float = 0.015
    warmup: int = 100
    answer_weight: float = 4.0
    seed: int = 0
    start: Path | None = None
    log_every: int = 50
    save_every: int = 250

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes <= 0:
            raise ConfigError("training needs a number of steps or a number of minutes above zero")


def train(config: JudgeTraining, out: Path) -> Path:
    """Train, and write ``compact-judge.safetensors`` and ``log.jsonl`` to ``out``; a stopped run goes on.

    Args:
        config: Recipe and seed.
        out: Folder for the log, the checkpoint and the result.

    Returns:
        Path of the weights, float16, with the vocabulary and the sizes in the file's metadata.
    """
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = WordTokenizer(vocabulary())
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model = JudgeLM(JudgeLMConfig(vocabulary=len(tokenizer)))
    if config.start is not None:
        _start_from(model, tokenizer, config.start)
    optimisers = _optimisers(model, config)
    rates = [group["lr"] for optimiser in optimisers for group in optimiser.param_groups]
    checkpoint = out / "checkpoint.pt"
    step, spent_s = _resume(checkpoint, model, optimisers)
    started = time.monotonic() - spent_s
    running: dict[str, float] = {}
    pool: list[Batch] = []
    with (out / "log.jsonl").open("a", encoding="utf-8") as log:
        while (progress := _progress(config, step, time.monotonic() - started)) < 1.0:
            if not pool:
                pool = _pool(tokenizer, config, step)
            batch = pool.pop()
            groups = [group for optimiser in optimisers for group in optimiser.param_groups]
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * _schedule(progress, step, config.warmup)
            losses = _losses(model, batch)
            loss = config.answer_weight * losses["answer"] + losses["second"]
            model.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimiser in optimisers:
                optimiser.step()
            step += 1
            for name, value in losses.items():
                running[name] = 0.95 * running.get(name, value.item()) + 0.05 * value.item()
            spent_s = time.monotonic() - started
            row = {"step": step, "seconds": round(spent_s, 1), **running}
            if step % config.save_every == 0:
                row["error"] = evaluate(model, tokenizer, examples=10)["mean_error"]
            if step % config.log_every == 0:
                log.write(json.dumps({k: round(v, 4) for k, v in row.items()}) + "\n")
                log.flush()
            if step % config.save_every == 0:
                states = [optimiser.state_dict() for optimiser in optimisers]
                state = {"model": model.state_dict(), "optimisers": states, "step": step, "seconds": spent_s}
                torch.save(state, checkpoint)
        held_back = evaluate(model, tokenizer, examples=100)
        spent = round(time.monotonic() - started, 1)
        log.write(json.dumps({"step": step, "seconds": spent, **running, "held_back": held_back}) + "\n")
    return save_judge(model, tokenizer, out / "compact-judge.safetensors")


def save_judge(model: JudgeLM, tokenizer: WordTokenizer, path: Path) -> Path:
    """Weights as float16; vocabulary and sizes as metadata."""
    weights = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    metadata = {
        "config": json.dumps(asdict(model.config)),
        "words": json.dumps(tokenizer.words, ensure_ascii=False),
        "licence": "Apache-2.0",
        "source": "trained on generated scene descriptions only, python -m lgvsc.training.language.judge",
    }
    save_file(weights, str(path), metadata=metadata)
    return path


def vocabulary() -> list[str]:
    """Every word that the grammar, the questions and the answers can need, sorted."""
    texts = [*question_words(), *SIZES, *COLOURS, *PLACES, *TEXTURES, str(Region("", "", "", ""))]
    for group in ("SETTINGS", "LIGHTS", "TONES", "LINES", "KINDS", "STATES", "COUNTS"):
        texts += getattr(compact_words, group)
    texts += [compact_words.NOTHING_SEEN, compact_words.NOTHING_THERE]
    texts += [str(compact_words.Description()), _UNDECIDED, *COMMON_WORDS]
    words = {word if word in ("Yes", "No") else word.lower() for text in texts for word in find_words(text)}
    return sorted(words | {"yes", "no", "Yes", "No"})


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded prompts and what should follow. Each row asks all focuses about one pair, in threads of their own.

    Attributes:
        tokens: ``(B, T)``.
        threads: ``(B, T)``, see :meth:`JudgeLM.hidden`; padding is a thread nobody else sees.
        second: ``(B, T)``: where the next word belongs to the second description.
        ends: Positions of the answers, ``(B, focuses)``.
        targets: Probabilities of the answers, ``(B, focuses, vocabulary)``.
    """

    tokens: Tensor
    threads: Tensor
    second: Tensor
    ends: Tensor
    targets: Tensor


def pack(tokenizer: WordTokenizer, drawn: list[tuple[Example, list[tuple[str, float, float]]]]) -> Batch:
    """Examples and their questions, each with P(yes) and P(no), as tensors padded to the right."""
    ids = tokenizer.get_vocab()
    rows = []
    for example, asked in drawn:
        told = tokenizer.told(example.first, example.second, 512)
        rows.append((told, [tokenizer.asked(text) for text, _, _ in asked]))
    length = max(len(told) + sum(map(len, questions)) for told, questions in rows)
    count = len(rows[0][1])
    tokens = torch.zeros(len(rows), length, dtype=torch.long)
    threads = torch.full_like(tokens, count + 1)
    second = torch.zeros_like(tokens, dtype=torch.bool)
    ends = torch.zeros(len(rows), count, dtype=torch.long)
    targets = torch.zeros(len(rows), count, len(tokenizer))
    for i, ((told, questions), (_, asked)) in enumerate(zip(rows, drawn, strict=True)):
        at = len(told)
        tokens[i, :at], threads[i, :at] = torch.tensor(told), 0
        second[i, told.index(ids["<second>"]) : at - 1] = True
        for j, (words, (text, p_yes, p_no)) in enumerate(zip(questions, asked, strict=True)):
            tokens[i, at : at + len(words)], threads[i, at : at + len(words)] = torch.tensor(words), j + 1
            at += len(words)
            ends[i, j] = at - 1
            yes, no = ("Yes", "No") if "Yes" in text else ("yes", "no")
            targets[i, j, ids[yes]], targets[i, j, ids[no]] = p_yes, p_no
            targets[i, j, ids[_UNDECIDED]] = 1.0 - p_yes - p_no
    return Batch(tokens, threads, second, ends, targets)


@torch.no_grad()
def evaluate(model: JudgeLM, tokenizer: WordTokenizer, examples: int) -> dict[str, float]:
    """Held-back figures for each kind of change and focus, with the shipped questions.

    ``accuracy/...`` is the share of examples on the right side of a divergence of 0.35, ``error/...`` the mean
    absolute error of the divergence, ``divergence/...`` its mean.
    """
    ids = tokenizer.get_vocab()
    figures: dict[str, float] = {}
    errors: dict[str, list[float]] = defaultdict(list)
    for change in CHANGES:
        for focus in FOCUSES:
            rng = random.Random(f"held back:{change}")
            drawn = [draw(rng, change) for _ in range(examples)]
            prompts = [tokenizer.prompt(question(focus), e.first, e.second, 768) for e in drawn]
            p = model.answer_probabilities(prompts)
            found = p[:, ids["no"]] + p[:, ids["No"]] - p[:, ids["yes"]] - p[:, ids["Yes"]]
            right = torch.tensor([e.answers[focus][1] - e.answers[focus][0] for e in drawn])
            key = f"{change}/{focus}"
            figures[f"accuracy/{key}"] = ((found > 0.35) == (right > 0.35)).float().mean().item()
            figures[f"error/{key}"] = (found - right).abs().mean().item()
            figures[f"divergence/{key}"] = found.mean().item()
            errors["all"].append(figures[f"error/{key}"])
    figures["mean_error"] = sum(errors["all"]) / len(errors["all"])
    return {name: round(value, 4) for name, value in figures.items()}


def _pool(tokenizer: WordTokenizer, config: JudgeTraining, step: int) -> list[Batch]:
    """Several batches at once, each of examples of about the same length, in random order."""
    rng = random.Random(f"{config.seed}:{step}")
    drawn = [(e, _ask_all(rng, e)) for e in (draw(rng) for _ in range(_POOL * config.batch))]
    drawn.sort(key=lambda row: len(row[0].first + row[0].second) + sum(len(text) for text, _, _ in row[1]))
    rows = [drawn[i : i + config.batch] for i in range(0, len(drawn), config.batch)]
    rng.shuffle(rows)
    return [pack(tokenizer, row) for row in rows]


def _ask_all(rng: random.Random, example: Example) -> list[tuple[str, float, float]]:
    focuses = rng.sample(FOCUSES, len(FOCUSES))
    return [(draw_question(rng, focus), *example.answers[focus]) for focus in focuses]


def _losses(model: JudgeLM, batch: Batch) -> dict[str, Tensor]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.hidden(batch.tokens, batch.threads)
        answers = model.logits(hidden[torch.arange(len(hidden))[:, None], batch.ends])
        rows, columns = torch.nonzero(batch.second, as_tuple=True)
        second = model.logits(hidden[rows, columns])
    # Cross-entropy less the targets' own entropy: what is left is how far the answers are off.
    entropy = -torch.special.xlogy(batch.targets, batch.targets).sum(-1).mean()
    answer = -(batch.targets * answers.log_softmax(-1)).sum(-1).mean() - entropy
    return {"answer": answer, "second": F.cross_entropy(second, batch.tokens[rows, columns + 1])}


def _schedule(progress: float, step: int, warmup: int) -> float:
    """Linear warm-up, then linear decay to nothing."""
    return min(1.0, (step + 1) / warmup) * (1.0 - progress)


def _progress(config: JudgeTraining, step: int, spent_s: float) -> float:
    return step / config.steps if config.steps is not None else spent_s / (60.0 * config.minutes)


def _optimisers(model: JudgeLM, config: JudgeTraining) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al. 2024) for the matrices inside the blocks, AdamW for everything else."""
    inside = [p for name, p in model.named_parameters() if name.startswith("blocks.") and p.ndim == 2]
    outside = [p for name, p in model.named_parameters() if not (name.startswith("blocks.") and p.ndim == 2)]
    return [
        torch.optim.Muon(inside, lr=config.matrix_rate, momentum=0.95, weight_decay=0.02),
        torch.optim.AdamW(outside, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _start_from(model: JudgeLM, tokenizer: WordTokenizer, path: Path) -> None:
    """Take over weights of the same sizes; embeddings go by word, so the vocabularies may differ."""
    weights, stated = read_tensors(path.read_bytes())
    words = WordTokenizer(json.loads(stated["words"])).get_vocab()
    embedding = model.embedding.weight.detach().clone()
    for word, i in tokenizer.get_vocab().items():
        if word in words:
            embedding[i] = weights["embedding.weight"][words[word]]
    model.load_state_dict({**weights, "embedding.weight": embedding})


def _resume(path: Path, model: JudgeLM, optimisers: list[torch.optim.Optimizer]) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(saved)
    return state["step"], state["seconds"]


def train_faster(
    config: JudgeTraining,
    *,
    out: OutFolder,
    rate: Annotated[float, typer.Option(help="Factor on both learning rates.")] = 1.0,
) -> None:
    """Train with the recipe's learning rates times a factor."""
    torch.set_num_threads(1)
    faster = replace(config, learning_rate=rate * config.learning_rate, matrix_rate=rate * config.matrix_rate)
    train(faster, out)


main = Trainer("judge", train_faster, JudgeTraining(), __doc__)


if __name__ == "__main__":
    main()
