"""Training the judge's head alone: how the likeness of words counts against what the language model has read.

The language model reads each pair once and stays as it is, so this takes minutes where the whole takes an hour.
"""

from __future__ import annotations

import json
import time
from typing import TextIO

import torch
from torch import Tensor

from lgvsc.nets.judge_lm import JudgeLM, WordTokenizer
from lgvsc.training.language.judge_batches import POOL, Batch, excess, pool_of, schedule
from lgvsc.training.language.judge_english import EnglishPairs

RATE, BATCH, EPOCHS = 3e-3, 256, 40


def train_head(
    model: JudgeLM, tokenizer: WordTokenizer, english: EnglishPairs, *, pairs: int, batch: int, seed: int, log: TextIO
) -> None:
    """Train the head, and nothing else of the model.

    Args:
        model: With a head.
        pairs: How many to draw, at least.
        batch: Pairs that are read together.
        seed: Of the pairs and of their order.
        log: Takes a line of JSON now and then.
    """
    assert model.head is not None
    started = time.monotonic()
    pools = -(-pairs // (POOL * batch))
    drawn = [some for step in range(pools) for some in pool_of(tokenizer, english, batch, f"{seed}:{step}")]
    states, likeness, targets = (torch.cat(part) for part in zip(*(_read(model, some) for some in drawn), strict=True))
    optimiser = torch.optim.AdamW(model.head.parameters(), lr=RATE, weight_decay=0.01)
    generator = torch.Generator().manual_seed(seed)
    steps = EPOCHS * len(states) // BATCH
    running = 0.0
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * schedule(step / steps, step, 20)
        rows = torch.randint(len(states), (BATCH,), generator=generator)
        loss = excess(model.logits(model.informed(states[rows], likeness[rows])), targets[rows])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        running = 0.95 * running + 0.05 * loss.item() if step else loss.item()
        if (step + 1) % 200 == 0 or step + 1 == steps:
            row = {"head_step": step + 1, "seconds": time.monotonic() - started, "answer": running}
            log.write(json.dumps({key: round(value, 4) for key, value in row.items()}) + "\n")


@torch.no_grad()
def _read(model: JudgeLM, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """States before the answers, likeness and targets, one row for each question."""
    states = model.hidden(batch.tokens, batch.threads)[torch.arange(len(batch.ends))[:, None], batch.ends]
    likeness = batch.likeness[:, None].expand(-1, states.shape[1], -1)
    return states.flatten(0, 1), likeness.flatten(0, 1), batch.targets.flatten(0, 1)
