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
from lgvsc.models.catalog import find
from lgvsc.models.weights import load_asset, read_tensors
from lgvsc.nets.judge_lm import JudgeLM, JudgeLMConfig, WordTokenizer, find_words
from lgvsc.nets.word_senses import WordSenses
from lgvsc.semantics.backends.compact import words as compact_words
from lgvsc.semantics.prompts import question
from lgvsc.training.arguments import OutFolder, Trainer
from lgvsc.training.checkpoints import reading_checkpoint
from lgvsc.training.language.judge_batches import UNDECIDED, Batch, excess, pool_of, schedule
from lgvsc.training.language.judge_english import COMMON_WORDS, EnglishPairs
from lgvsc.training.language.judge_head import train_head
from lgvsc.training.language.judge_questions import question_words
from lgvsc.training.language.judge_scenes import CHANGES, NAMED, TAGS, draw
from lgvsc.training.language.word_senses import distil

HELD_BACK = 40  # examples of each kind and focus at the end
SENSES = "senses.vectors"


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
        head_only: Train nothing but the head that weighs the likeness of the words, on so many pairs; ``start`` gives
            the rest. The language model reads each pair once, so this takes minutes.
        sentences: Folder of a sentence encoder to take the senses of words from; by default those of ``start``, or of
            the shipped judge, are kept.
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
    head_only: int = 0
    sentences: Path | None = None
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
    senses = _senses(config, out)
    english = EnglishPairs(senses)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        size = senses.vectors.shape[1]
        model = JudgeLM(JudgeLMConfig(vocabulary=len(tokenizer), sense_size=size), senses)
    if config.start is not None:
        _start_from(model, tokenizer, config.start)
    if config.head_only:
        with (out / "log.jsonl").open("a", encoding="utf-8") as log:
            train_head(model, tokenizer, english, pairs=config.head_only, batch=config.batch, seed=config.seed, log=log)
            figures = evaluate(model, tokenizer, english, examples=HELD_BACK)
            log.write(json.dumps({"head_pairs": config.head_only, "held_back": figures}) + "\n")
        return save_judge(model, tokenizer, out / "compact-judge.safetensors")
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
                pool = pool_of(tokenizer, english, config.batch, f"{config.seed}:{step}")
            batch = pool.pop()
            groups = [group for optimiser in optimisers for group in optimiser.param_groups]
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * schedule(progress, step, config.warmup)
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
                row["error"] = evaluate(model, tokenizer, english, examples=10)["mean_error"]
            if step % config.log_every == 0:
                log.write(json.dumps({k: round(v, 4) for k, v in row.items()}) + "\n")
                log.flush()
            if step % config.save_every == 0:
                states = [optimiser.state_dict() for optimiser in optimisers]
                state = {"model": model.state_dict(), "optimisers": states, "step": step, "seconds": spent_s}
                torch.save(state, checkpoint)
        held_back = evaluate(model, tokenizer, english, examples=HELD_BACK)
        spent = round(time.monotonic() - started, 1)
        log.write(json.dumps({"step": step, "seconds": spent, **running, "held_back": held_back}) + "\n")
    return save_judge(model, tokenizer, out / "compact-judge.safetensors")


def save_judge(model: JudgeLM, tokenizer: WordTokenizer, path: Path) -> Path:
    """Weights as float16, senses of words as int8; vocabularies and sizes as metadata."""
    weights = {
        name: (value.detach().half() if value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
    metadata = {
        "config": json.dumps(asdict(model.config)),
        "words": json.dumps(tokenizer.words, ensure_ascii=False),
        "pieces": "\n".join(model.senses.pieces if model.senses else ()),
        "licence": "Apache-2.0",
        "source": "trained on generated texts, lgvsc train judge; senses of words from all-MiniLM-L6-v2 (Apache-2.0)",
    }
    save_file(weights, str(path), metadata=metadata)
    return path


def vocabulary() -> list[str]:
    """Every word that the grammar, the questions and the answers can need, sorted."""
    texts = [*question_words(), *SIZES, *COLOURS, *PLACES, *TEXTURES, str(Region("", "", "", ""))]
    for group in ("SETTINGS", "LIGHTS", "TONES", "LINES", "KINDS", "STATES", "COUNTS"):
        texts += getattr(compact_words, group)
    texts += [compact_words.NOTHING_SEEN, compact_words.NOTHING_THERE]
    texts += [str(compact_words.Description()), UNDECIDED, *COMMON_WORDS, *NAMED, *TAGS]
    words = {word if word in ("Yes", "No") else word.lower() for text in texts for word in find_words(text)}
    return sorted(words | {"yes", "no", "Yes", "No"})


@torch.no_grad()
def evaluate(model: JudgeLM, tokenizer: WordTokenizer, english: EnglishPairs, examples: int) -> dict[str, float]:
    """Held-back figures for each kind of change and focus, with the shipped questions.

    ``accuracy/...`` is the share of examples on the right side of a divergence of 0.35, ``error/...`` the mean
    absolute error of the divergence, ``divergence/...`` its mean.
    """
    ids = tokenizer.get_vocab()
    figures: dict[str, float] = {}
    errors: dict[str, list[float]] = defaultdict(list)
    for change in (*CHANGES, "free text"):
        for focus in FOCUSES:
            rng = random.Random(f"held back:{change}")
            drawn = [english.draw(rng) if change == "free text" else draw(rng, change) for _ in range(examples)]
            prompts = [tokenizer.prompt(question(focus), e.first, e.second, 768) for e in drawn]
            p = model.answer_probabilities(prompts, model.likeness([(e.first, e.second) for e in drawn]))
            found = p[:, ids["no"]] + p[:, ids["No"]] - p[:, ids["yes"]] - p[:, ids["Yes"]]
            right = torch.tensor([e.answers[focus][1] - e.answers[focus][0] for e in drawn])
            key = f"{change}/{focus}"
            figures[f"accuracy/{key}"] = ((found > 0.35) == (right > 0.35)).float().mean().item()
            figures[f"error/{key}"] = (found - right).abs().mean().item()
            figures[f"divergence/{key}"] = found.mean().item()
            errors["all"].append(figures[f"error/{key}"])
    figures["mean_error"] = sum(errors["all"]) / len(errors["all"])
    return {name: round(value, 4) for name, value in figures.items()}


def _losses(model: JudgeLM, batch: Batch) -> dict[str, Tensor]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.hidden(batch.tokens, batch.threads)
        states = hidden[torch.arange(len(hidden))[:, None], batch.ends]
        answers = model.logits(model.informed(states, batch.likeness[:, None].expand(-1, states.shape[1], -1)))
        rows, columns = torch.nonzero(batch.second, as_tuple=True)
        second = model.logits(hidden[rows, columns])
    return {
        "answer": excess(answers, batch.targets),
        "second": F.cross_entropy(second, batch.tokens[rows, columns + 1]),
    }


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
    """Take over weights of the same sizes; embeddings go by word, so the vocabularies may differ. A new word begins as
    the unknown word that it was.
    """
    tensors, stated = read_tensors(path.read_bytes())
    weights = {name: value for name, value in tensors.items() if name != SENSES}
    before = WordTokenizer(json.loads(stated["words"]))
    embedding = model.embedding.weight.detach().clone()
    known = before.get_vocab()
    for word, i in tokenizer.get_vocab().items():
        place = known[word] if word in known else before.encode(word)[0]
        embedding[i] = weights["embedding.weight"][place]
    own = {name: value for name, value in model.state_dict().items() if name.startswith(("head.", "senses."))}
    model.load_state_dict({**own, **weights, "embedding.weight": embedding})  # earlier ones had no head


def _senses(config: JudgeTraining, out: Path) -> WordSenses:
    """Senses of words: made once for a folder, or as in earlier weights."""
    kept = out / "senses.safetensors"
    if config.sentences is not None and not kept.exists():
        made = distil(config.sentences)
        save_file({SENSES: made.vectors}, str(kept), metadata={"pieces": "\n".join(made.pieces)})
    source = kept if kept.exists() else config.start
    tensors, stated = read_tensors(load_asset(find("compact-judge")) if source is None else source.read_bytes())
    if SENSES not in tensors:
        raise ConfigError(f"{source} has no senses of words; give a sentence encoder's folder with --sentences")
    return WordSenses(stated["pieces"].split("\n"), tensors[SENSES])


def _resume(path: Path, model: JudgeLM, optimisers: list[torch.optim.Optimizer]) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    with reading_checkpoint(path, "this judge") as state:
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
