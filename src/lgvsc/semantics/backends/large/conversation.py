"""Reading and writing with a language model, many conversations at a time, nothing read twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lgvsc.core.cost import Cost


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A frame as a language model reads it.

    Attributes:
        text: Its marks and placeholders in a prompt.
        features: What stands at the placeholders, ``(tokens, hidden)``.
        tiles: How many tiles the frame was cut into.
        deep: What is added to the first layers at these places, ``(layers, tokens, hidden)``; Qwen3-VL only.
        grid: Rows and columns of tokens; Qwen3-VL only.
    """

    text: str
    features: Tensor
    tiles: int
    deep: Tensor | None = None
    grid: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """Token ids, and the pictures whose placeholders are among them, in order."""

    ids: tuple[int, ...]
    pictures: tuple[Picture, ...] = ()

    def extended(self, ids: Sequence[int]) -> Prompt:
        return Prompt((*self.ids, *ids), self.pictures)

    def cut(self, length: int) -> Prompt:
        """The first so many tokens."""
        return Prompt(self.ids[:length], self.pictures)

    def end_of_picture(self, number: int, image_token: int) -> int:
        """How many tokens there are up to and with the last placeholder of a picture."""
        wanted = sum(len(picture.features) for picture in self.pictures[: number + 1])
        places = [i for i, token in enumerate(self.ids) if token == image_token]
        return places[wanted - 1] + 1


@dataclass(frozen=True, slots=True, eq=False)
class PromptCache:
    """What a model has read, as keys and values: ``prompts`` of one length, one for each sequence.

    Attributes:
        layers: Keys and values of each layer, each ``(sequences, heads, tokens, head size)``.
    """

    prompts: tuple[Prompt, ...]
    layers: tuple[tuple[Tensor, Tensor], ...]

    @property
    def length(self) -> int:
        return len(self.prompts[0].ids)

    def begins(self, prompt: Prompt) -> bool:
        """Whether a prompt starts with what is known, pictures included, and goes on after it."""
        mine = self.prompts[0]
        same = mine.ids == prompt.ids[: self.length] and len(prompt.ids) > self.length
        return same and all(a is b for a, b in zip(mine.pictures[:1], prompt.pictures[:1], strict=True))

    def spread(self, count: int) -> PromptCache:
        """The same for ``count`` sequences; nothing is copied."""
        spread = [(k.expand(count, -1, -1, -1), v.expand(count, -1, -1, -1)) for k, v in self.layers]
        return PromptCache(self.prompts * count, tuple(spread))

    def row(self, row: int, prompt: Prompt, length: int) -> PromptCache:
        """One sequence, cut to what was read of a prompt."""
        cut = [(k[row : row + 1, :, :length], v[row : row + 1, :, :length]) for k, v in self.layers]
        return PromptCache((prompt.cut(length),), tuple(cut))

    @classmethod
    def together(cls, some: Sequence[PromptCache]) -> PromptCache:
        """Sequences of one length as one batch."""
        if len(some) == 1:
            return some[0]
        layers = [
            (torch.cat([k for k, _ in pairs]), torch.cat([v for _, v in pairs]))
            for pairs in zip(*(known.layers for known in some), strict=True)
        ]
        return cls(tuple(prompt for known in some for prompt in known.prompts), tuple(layers))


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """What a model wrote: tokens without the stop, the closest call among them in logits, and what it then knows."""

    ids: list[int]
    margin: float
    known: PromptCache


@dataclass(slots=True, eq=False)
class Reader:
    """The language part of a model.

    Attributes:
        decoder: Takes embeddings and a cache, gives hidden states.
        head: From hidden states to logits.
        embedding: From ids to embeddings.
        image_token: The placeholder of pictures.
        stops: Tokens that end a turn.
        positions: Positions of a prompt's tokens, ``(axes, tokens)``, where they are not simply counted.
        layers: The decoder's layers, for counting.
        context_flops: Operations for each token and each token that it attends to.
    """

    decoder: Any
    head: Any
    embedding: Any
    image_token: int
    stops: frozenset[int]
    layers: Any
    context_flops: float
    positions: Callable[[Prompt], Tensor] | None = None
    token_flops: float = field(init=False)
    head_flops: float = field(init=False)

    def __post_init__(self) -> None:
        self.token_flops = 2.0 * sum(p.numel() for p in self.layers.parameters() if p.ndim > 1)
        self.head_flops = 2.0 * self.head.weight.numel()

    @torch.inference_mode()
    def read(self, prompts: Sequence[Prompt], known: PromptCache | None, cost: Cost) -> tuple[PromptCache, Tensor]:
        """Read what is not known yet of each prompt; give what is known then, and the logits of each prompt's end.

        Prompts of unequal length are padded on the right: no token sees what comes after it, so padding needs no mask
        and changes nothing. What is known of the shorter ones afterwards is not to be used.
        """
        start = known.length if known else 0
        rows = [prompt.ids[start:] for prompt in prompts]
        longest = max(len(row) for row in rows)
        device = self.embedding.weight.device
        ids = torch.tensor([[*row, *(row[-1:] * (longest - len(row)))] for row in rows], device=device)
        embedded = self.embedding(ids)
        extra: dict[str, Any] = {}
        if any(prompt.pictures for prompt in prompts):
            extra = self._place_pictures(embedded, ids, prompts, start)
        if self.positions is not None:
            extra["position_ids"] = self._positions(prompts, start, longest).to(device)
        cache = self._cache(known)
        hidden = self._pass(embedded, cache, extra)
        ends = torch.tensor([len(row) - 1 for row in rows], device=device)
        logits = self.head(hidden[torch.arange(len(rows), device=device), ends])
        self._charge(cost, [(len(row), start) for row in rows], len(rows))
        cost.prefill_tokens += sum(len(row) for row in rows)
        return PromptCache(tuple(prompts), _layers(cache)), logits.float()

    @torch.inference_mode()
    def write(
        self,
        prompts: Sequence[Prompt],
        known: PromptCache | None,
        limit: int,
        cost: Cost,
        generator: torch.Generator | None = None,
    ) -> list[Written]:
        """Continue each prompt until it stops, with the likeliest tokens or, given a generator, with drawn ones.

        The prompts have one length.
        """
        known, logits = self.read(prompts, known, cost)
        start, count = len(prompts[0].ids), len(prompts)
        next_position = [int(self.positions(p).max()) + 1 if self.positions else 0 for p in prompts]
        tokens: list[list[int]] = [[] for _ in prompts]
        margins, running = [float("inf")] * count, [True] * count
        cache = self._cache(known)
        for step in range(limit):
            logits[:, self.image_token] = -torch.inf  # a picture cannot be written
            best = logits.topk(2, dim=-1)
            gaps = (best.values[:, 0] - best.values[:, 1]).tolist()
            taken = best.indices[:, :1]
            if generator is not None:
                taken = torch.multinomial(torch.softmax(logits, dim=-1).cpu(), 1, generator=generator).to(taken.device)
            chosen = taken[:, 0].tolist()
            for row in range(count):
                if running[row]:
                    margins[row] = min(margins[row], gaps[row])
                    running[row] = chosen[row] not in self.stops
                    if running[row]:
                        tokens[row].append(chosen[row])
                        cost.decode_tokens += 1
            if not any(running) or step == limit - 1:
                break
            extra: dict[str, Any] = {}
            if self.positions is not None:
                places = torch.tensor([p + step for p in next_position], device=taken.device)
                extra["position_ids"] = places.view(1, -1, 1).expand(3, -1, 1)
            hidden = self._pass(self.embedding(taken), cache, extra)
            logits = self.head(hidden[:, -1]).float()
            self._charge(cost, [(1, start + step)] * count, count)
            cost.decode_steps += 1
        layers = _layers(cache)
        read = layers[0][0].shape[2]
        whole = [prompt.extended(ids) for prompt, ids in zip(prompts, tokens, strict=True)]
        return [
            Written(tokens[row], margins[row], PromptCache((), layers).row(row, prompt, min(read, len(prompt.ids))))
            for row, prompt in enumerate(whole)
        ]

    def _cache(self, known: PromptCache | None) -> Any:
        from transformers import DynamicCache

        return DynamicCache(known.layers if known else None)

    def _pass(self, embedded: Tensor, cache: Any, extra: dict[str, Any]) -> Tensor:
        out = self.decoder(inputs_embeds=embedded, past_key_values=cache, use_cache=True, **extra)
        hidden: Tensor = out.last_hidden_state
        return hidden

    def _place_pictures(self, embedded: Tensor, ids: Tensor, prompts: Sequence[Prompt], start: int) -> dict[str, Any]:
        """Put what the vision tower said in place of the placeholders that are yet to be read."""
        mask = torch.zeros_like(ids, dtype=torch.bool)
        deep: list[Tensor] = []
        for row, prompt in enumerate(prompts):
            length = len(prompt.ids) - start
            mask[row, :length] = ids[row, :length] == self.image_token
            used = prompt.ids[:start].count(self.image_token)
            places = int(mask[row].sum())
            features = torch.cat([picture.features for picture in prompt.pictures])[used : used + places]
            embedded[row, mask[row]] = features.to(embedded.dtype)
            if prompt.pictures[0].deep is not None:
                deep.append(
                    torch.cat([p.deep for p in prompt.pictures if p.deep is not None], 1)[:, used : used + places]
                )
        if not deep or not mask.any():
            return {}
        return {"visual_pos_masks": mask, "deepstack_visual_embeds": list(torch.cat(deep, dim=1))}

    def _positions(self, prompts: Sequence[Prompt], start: int, longest: int) -> Tensor:
        assert self.positions is not None
        rows = [self.positions(prompt)[:, start:] for prompt in prompts]
        return torch.stack([torch.nn.functional.pad(row, (0, longest - row.shape[1])) for row in rows], dim=1)

    def _charge(self, cost: Cost, rows: Sequence[tuple[int, int]], logits: int) -> None:
        """One forward pass: ``(new tokens, tokens before them)`` of each sequence."""
        cost.model_calls += 1
        tokens = sum(new for new, _ in rows)
        seen = sum(new * before + new * (new + 1) / 2 for new, before in rows)
        cost.flops += tokens * self.token_flops + seen * self.context_flops + logits * self.head_flops


def _layers(cache: Any) -> tuple[tuple[Tensor, Tensor], ...]:
    return tuple((layer.keys, layer.values) for layer in cache.layers)


def common_length(a: Prompt, b: Prompt) -> int:
    """How many tokens two prompts share at the beginning; at least one is left to be read."""
    shorter = min(len(a.ids), len(b.ids)) - 1
    return next((i for i in range(shorter) if a.ids[i] != b.ids[i]), shorter)


def same_length(prompts: Sequence[Prompt]) -> list[list[int]]:
    """Places of the prompts of each length."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for place, prompt in enumerate(prompts):
        groups[len(prompt.ids)].append(place)
    return list(groups.values())
