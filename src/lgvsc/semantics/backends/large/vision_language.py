"""Large vision-language models as captioner and judge, whatever the family.

A model reads *prompts* (token ids and pictures) and keeps what it has read as keys and values. Everything that makes
PSSS cheap is reading nothing twice: each frame passes the vision tower once, the keyframe's part of the prompt is
read once for each keyframe, the second question of a conversation continues the first, and candidates share batches.
Each of these gives the same probabilities as one plain forward pass, up to rounding.

A family (``internvl.py``, ``qwen.py``, ``smolvlm.py``) says how a frame becomes a picture and how a conversation is
written; conversations run in ``conversation.py``.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from lgvsc.core.cost import Cost
from lgvsc.core.interfaces import Answer, Comparison
from lgvsc.core.message import Motion
from lgvsc.core.video import Frame
from lgvsc.errors import ConfigError, InputError, MissingResourceError
from lgvsc.semantics.backends.large.conversation import Picture, Prompt, PromptCache, Reader, common_length, same_length
from lgvsc.semantics.caption_text import clean_caption, clean_description, clean_text, split_pair
from lgvsc.semantics.labels import bare
from lgvsc.semantics.prompts import DESCRIBE, DESCRIBE_PAIR, caption_request

T = TypeVar("T")
Family = TypeVar("Family", bound="VisionLanguageModel")

REMEMBERED_PICTURES = 64
ROUNDS = (("user", "Which?"), ("assistant", "This."), ("user", "Why?"))  # with which templates are compared
PICTURE = "\ufffc"  # stands for a picture in a text that is about to become a prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeModelConfig:
    """How large models are run.

    Attributes:
        device: Where; ``"auto"`` is the first GPU, or the processor.
        dtype: Of weights and arithmetic; ``"auto"`` is bfloat16 on a GPU and float32 without one. Probabilities
            come from a softmax in float32 in any case.
        tiles: Tiles of a frame at most when frames are compared. One keeps all frames at one length.
        caption_tiles: The same for captions of segments.
        description_tokens: Length of the description of one frame, at most.
        caption_tokens: Length of a segment's caption as it is written, at most; it is cut to bytes afterwards.
        labels: ``"all"`` sums over every spelling of yes and no in the vocabulary, ``"single"`` takes "Yes" and "No".
        batch: Sequences that share a forward pass, at most.
        tie_margin: A description where two words were closer than this, in logits, is written again alone, so that
            it does not depend on the batch. Below float32 near ties are everywhere, and nothing is written again.
    """

    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    tiles: int = 1
    caption_tiles: int = 1
    description_tokens: int = 160
    caption_tokens: int = 120
    labels: Literal["all", "single"] = "all"
    batch: int = 8
    tie_margin: float = 1e-4

    def __post_init__(self) -> None:
        if self.dtype not in ("auto", "float32", "bfloat16", "float16"):
            raise ConfigError(f"large_models.dtype is {self.dtype!r}; there are auto, float32, bfloat16 and float16")
        if self.labels not in ("all", "single"):
            raise ConfigError(f"large_models.labels is {self.labels!r}; there are 'all' and 'single'")
        for name in ("tiles", "caption_tiles", "description_tokens", "caption_tokens", "batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"large_models.{name} is {getattr(self, name)}; give at least 1")
        if not self.tie_margin >= 0:
            raise ConfigError(f"large_models.tie_margin is {self.tie_margin}; give a difference of logits, or 0")


class TemplateWarning(UserWarning):
    """A model came with another chat template than the one that it is asked in."""


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """The fixed text around what is said in a conversation.

    A conversation is ``start``, then for each round ``user``, what the user says, ``stop``, ``assistant``, and what
    the model writes up to ``stop``.
    """

    start: str
    user: str
    stop: str  # a single token, which ends every turn
    assistant: str
    user_picture: str = ""  # instead of ``user`` where a picture comes first, if that is another text

    def opening(self, content: str) -> str:
        """The prompt of the first round."""
        return self.start + self._turn(content)

    def following(self, content: str) -> str:
        """What comes between the answer and the model's next turn, the ``stop`` of the answer included."""
        return self.stop + "\n" + self._turn(content)

    def _turn(self, content: str) -> str:
        user = self.user_picture if self.user_picture and content.startswith(PICTURE) else self.user
        return user + content + self.stop + "\n" + self.assistant

    def fault(self, tokenizer: Any) -> str | None:
        """What the template that came with the weights writes otherwise; ``None`` where it agrees or there is none."""
        if not getattr(tokenizer, "chat_template", None):
            return None
        rounds = [{"role": role, "content": [{"type": "text", "text": said}]} for role, said in ROUNDS]
        options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
        try:
            written = tokenizer.apply_chat_template(rounds, **options)
        except Exception as error:  # templates are programs of their own, and fail with errors of their own
            return f"its chat template cannot be written here ({type(error).__name__}: {error})"
        (_, first), (_, answer), (_, second) = ROUNDS
        wanted = self.opening(first) + answer + self.following(second)
        if written in (wanted, self.opening(first) + f" {answer}" + self.following(second)):  # some write the space
            return None
        at = next((i for i, (a, b) in enumerate(zip(written, wanted, strict=False)) if a != b), len(wanted))
        theirs, ours = (text[max(0, at - 20) : at + 20] for text in (written, wanted))
        return f"its chat template writes {theirs!r} where lgvsc writes {ours!r}"


class VisionLanguageModel(ABC):
    """Captioner and judge in one: describes frames, answers questions about descriptions or about the frames.

    Args:
        name: What reports call it.
        revision: Which version of the weights.
        model: A conditional-generation model of the transformers library.
        tokenizer, image_processor: As they come with the weights.
        config: How to run it.

    Raises:
        InputError: The vocabulary has no entry for one of the two labels.
    """

    chat: ChatFormat

    def __init__(
        self, *, name: str, revision: str, model: Any, tokenizer: Any, image_processor: Any, config: LargeModelConfig
    ) -> None:
        self.name, self.revision, self.config = name, revision, config
        self.cost = Cost()
        self._model = model.eval()
        self._tokenizer, self._image_processor = tokenizer, image_processor
        self._pictures: OrderedDict[tuple[int, int], tuple[Frame, Picture]] = OrderedDict()
        self._opened: list[PromptCache] = []  # what has been read of the latest keyframe, or of its description
        self._reader = self.make_reader()
        vocabulary = tokenizer.get_vocab()
        self._yes, self._no = (label_ids(vocabulary, word, config.labels) for word in ("yes", "no"))
        self._special = sorted({str(token) for token in tokenizer.get_added_vocab()}, key=len, reverse=True)
        fault = self.chat.fault(tokenizer)
        if fault:
            warnings.warn(f"{name}: {fault}; its answers may be another model's", TemplateWarning, stacklevel=2)

    # --- what a family must say ---

    @abstractmethod
    def make_reader(self) -> Reader:
        """The language part of the model."""

    @abstractmethod
    def picture(self, frame: Frame, tiles: int) -> Picture:
        """A frame through the vision tower, with at most so many tiles."""

    # --- captioner ---

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that a description of a frame depends on, besides the frame."""
        return {
            "model": self.name,
            "revision": self.revision,
            "prompt": DESCRIBE,
            "tiles": self.config.tiles,
            "tokens": self.config.description_tokens,
            "dtype": str(self._model.dtype).removeprefix("torch."),
        }

    @property
    def setup(self) -> dict[str, Any]:
        """Everything that a score depends on, besides the frames, the question and the mode."""
        return self.identity | {"pair_prompt": DESCRIBE_PAIR, "labels": self.config.labels, "engine": "transformers"}

    def describe(self, frames: Sequence[Frame]) -> list[str]:
        """One description of each frame, alone; no frame affects another one's words."""
        with self.cost.timed():
            prompts = [self._prompt(self.chat.opening(PICTURE + DESCRIBE), self._seen([frame])) for frame in frames]
            written = self._write(prompts, None, self.config.description_tokens)
            self.cost.descriptions += len(frames)
            return [clean_description(self._text(ids)) for ids, _ in written]

    def describe_pair(self, first: Frame, second: Frame) -> tuple[str, str]:
        """Both frames described in one conversation."""
        with self.cost.timed():
            ((ids, _),) = self._describe_pairs(first, [second])[1]
            return split_pair(self._text(ids))

    def caption(self, frames: Sequence[Frame], motion: Motion | None, max_bytes: int) -> str:
        """One caption for a segment, at most ``max_bytes`` of UTF-8; "" where the model has nothing usable to say."""
        with self.cost.timed():
            pictures = self._seen(frames, self.config.caption_tiles)
            request = caption_request(max_bytes, motion)
            prompt = self._prompt(self.chat.opening(PICTURE * len(frames) + request), pictures)
            ((ids, _),) = self._write([prompt], None, self.config.caption_tokens)
            self.cost.descriptions += 1
            return clean_caption(self._text(ids), max_bytes)

    # --- judge ---

    def answer(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
        """P(yes) and P(no) for pairs of descriptions, without pictures; a first text that pairs share is read once."""
        with self.cost.timed():
            answers: list[Answer] = []
            for some in [part for run in same_first(pairs) for part in chunks(run, self.config.batch)]:
                first = f"Image-1: {self._harmless(some[0][0])}\n"
                texts = [f"{first}Image-2: {self._harmless(second)}\n{question}" for _, second in some]
                prompts = [self._prompt(self.chat.opening(text)) for text in texts]
                # The last tokens of the first text may depend on what follows, so they are read with it.
                known = self._open(prompts, len(self._ids(self.chat.start + self.chat.user + first)) - 2)
                answers += self._answers(self._reader.read(prompts, known.spread(len(prompts)), self.cost)[1])
            return answers

    def look(self, question: str, keyframe: Frame, candidates: Sequence[Frame]) -> list[Answer]:
        """P(yes) and P(no) for a keyframe and each candidate, from the frames themselves; nothing is written."""
        with self.cost.timed():
            answers: list[Answer] = []
            for some in chunks(candidates, self.config.batch):
                prompts = self._pair_prompts(question, keyframe, some)
                for places in same_length(prompts):  # as long as the frames have one size there is one group
                    group = [prompts[i] for i in places]
                    known = self._open(group, group[0].end_of_picture(0, self._reader.image_token))
                    answers += self._answers(self._reader.read(group, known.spread(len(group)), self.cost)[1])
            return answers

    def compare(self, question: str, keyframe: Frame, candidates: Sequence[Frame]) -> list[Comparison]:
        """The paper's conversation for each candidate: describe both frames, then the question, on one cache.

        Source: Ma et al. 2026 (arXiv:2606.12899), sections II-B, II-C2 and III-E: two rounds, the second not sampled.
        """
        with self.cost.timed():
            compared: list[Comparison] = []
            for some in chunks(candidates, self.config.batch):
                prompts, written = self._describe_pairs(keyframe, some)
                answers = self._second_round(question, prompts, written)
                texts = [split_pair(self._text(ids)) for ids, _ in written]
                compared += [Comparison(answer, pair) for answer, pair in zip(answers, texts, strict=True)]
            return compared

    # --- the steps ---

    def _describe_pairs(
        self, keyframe: Frame, candidates: Sequence[Frame]
    ) -> tuple[list[Prompt], list[tuple[list[int], PromptCache]]]:
        prompts = self._pair_prompts(DESCRIBE_PAIR, keyframe, candidates)
        known = self._open(prompts, prompts[0].end_of_picture(0, self._reader.image_token))
        written = self._write(prompts, known, 2 * self.config.description_tokens)
        self.cost.descriptions += len(candidates)
        return prompts, written

    def _second_round(
        self, question: str, prompts: Sequence[Prompt], written: Sequence[tuple[list[int], PromptCache]]
    ) -> list[Answer]:
        """The question after what was written. Conversations of one length share a pass; no text is tokenized again."""
        asked = self._ids(self.chat.following(question))
        longer = [prompt.extended(ids + asked) for prompt, (ids, _) in zip(prompts, written, strict=True)]
        answers: dict[int, Answer] = {}
        for places in same_length(longer):
            known = PromptCache.together([written[i][1] for i in places])
            _, logits = self._reader.read([longer[i] for i in places], known, self.cost)
            answers |= zip(places, self._answers(logits), strict=True)
        return [answers[i] for i in range(len(longer))]

    def _write(
        self, prompts: Sequence[Prompt], known: PromptCache | None, limit: int
    ) -> list[tuple[list[int], PromptCache]]:
        """What the model says to each prompt, without the stop, and what it then knows."""
        written: dict[int, tuple[list[int], PromptCache]] = {}
        margin = self.config.tie_margin if self._model.dtype == torch.float32 else 0.0
        for group in same_length(prompts):
            for places in chunks(group, self.config.batch):
                start = known.spread(len(places)) if known else None
                texts = self._reader.write([prompts[i] for i in places], start, limit, self.cost)
                for i, text in zip(places, texts, strict=True):
                    if len(places) > 1 and text.margin < margin:
                        start = known.spread(1) if known else None
                        (text,) = self._reader.write([prompts[i]], start, limit, self.cost)
                    written[i] = (text.ids, text.known)
        return [written[i] for i in range(len(prompts))]

    def _open(self, prompts: Sequence[Prompt], length: int) -> PromptCache:
        """What all the prompts begin with, read once and kept until another keyframe comes."""
        for known in self._opened:
            if all(known.begins(prompt) for prompt in prompts):
                return known
        shared = prompts[0].cut(min(length, *(common_length(prompts[0], other) for other in prompts)))
        self._opened = [self._reader.read([shared], None, self.cost)[0], *self._opened[:1]]
        return self._opened[0]

    def _answers(self, logits: Tensor) -> list[Answer]:
        """Eqs. (1) and (2) want the softmax over the whole vocabulary, and in float32."""
        p = torch.softmax(logits.float(), dim=-1)
        yes, no = p[:, self._yes].sum(dim=-1).tolist(), p[:, self._no].sum(dim=-1).tolist()
        return [Answer(y, n) for y, n in zip(yes, no, strict=True)]

    def _pair_prompts(self, request: str, keyframe: Frame, candidates: Sequence[Frame]) -> list[Prompt]:
        request = request.replace(PICTURE, " ")
        text = self.chat.opening(f"Image-1: {PICTURE}Image-2: {PICTURE}{request}")
        return [self._prompt(text, self._seen([keyframe, candidate])) for candidate in candidates]

    def _prompt(self, text: str, pictures: Sequence[Picture] = ()) -> Prompt:
        """Token ids of a text in which each mark stands for a picture and a line break."""
        pieces = text.split(PICTURE) if pictures else [text]
        whole = "".join(piece + picture.text + "\n" for piece, picture in zip(pieces, pictures, strict=False))
        return Prompt(tuple(self._ids(whole + pieces[-1])), tuple(pictures))

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _harmless(self, text: str) -> str:
        """A description that cannot end its own turn: no special token of this tokenizer is left in it."""
        for token in self._special:
            text = text.replace(token, " ")
        return clean_text(text)

    def _seen(self, frames: Sequence[Frame], tiles: int | None = None) -> list[Picture]:
        """Frames as the language part reads them; each passes the vision tower once, and alone."""
        limit = tiles or self.config.tiles
        found = []
        for frame in frames:
            key = (id(frame), limit)
            if key not in self._pictures:
                self._pictures[key] = (frame, self.picture(frame, limit))
                while len(self._pictures) > REMEMBERED_PICTURES:
                    self._pictures.popitem(last=False)
            self._pictures.move_to_end(key)
            found.append(self._pictures[key][1])
        return found


def label_ids(vocabulary: Mapping[str, int], word: str, labels: Literal["all", "single"] = "all") -> list[int]:
    """Vocabulary entries that are a label.

    They are found in the vocabulary itself: a tokenizer that encodes a string puts space marks where it likes, and
    entries that follow a newline would be missed.

    Args:
        labels: ``"all"``: every entry that is the word without space marks and in lower case. ``"single"``: the
            capitalised word alone, as Eq. (1) writes it.

    Raises:
        InputError: There is none; such a model cannot be a judge.
    """
    if labels == "single":
        spellings = (f"{mark}{word.capitalize()}" for mark in ("", "\u2581", "\u0120"))
        exact = [vocabulary[piece] for piece in spellings if piece in vocabulary]
        found = exact[:1]
    else:
        found = sorted(number for piece, number in vocabulary.items() if bare(piece).lower() == word)
    if not found:
        raise InputError(f"the vocabulary has no entry for {word!r}, so the model cannot be asked yes/no questions")
    return found


def same_first(pairs: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Runs of pairs that share the first text."""
    runs: list[list[tuple[str, str]]] = []
    for pair in pairs:
        if runs and runs[-1][0][0] == pair[0]:
            runs[-1].append(pair)
        else:
            runs.append([pair])
    return runs


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Items in order, at most ``size`` at a time."""
    return [items[i : i + size] for i in range(0, len(items), size)]


def place(config: LargeModelConfig) -> tuple[torch.device, torch.dtype]:
    """Device and number format that a configuration comes to on this machine.

    Raises:
        MissingResourceError: The device is not there.
    """
    name = config.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise MissingResourceError(f"large_models.device is {name!r}, but this machine has no GPU that torch can use")
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    auto = torch.float32 if name == "cpu" else torch.bfloat16
    return torch.device(name), dtypes.get(config.dtype, auto)


def weights_name(folder: Path) -> tuple[str, str, str]:
    """Name, revision and kind of what lies in a folder; folders of the hub's client are named by their commit."""
    try:
        kind = str(json.loads((folder / "config.json").read_text("utf-8")).get("model_type"))
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{folder} holds no model: config.json cannot be read ({error})") from error
    if folder.parent.name == "snapshots":
        return folder.parent.parent.name.removeprefix("models--").replace("--", "/"), folder.name, kind
    weights = sorted(path for path in folder.glob("*.safetensors*") if path.is_file())
    digest = hashlib.sha256()
    for path in weights:  # samples of each file: reading all of it would take longer than loading it
        size = path.stat().st_size
        with path.open("rb") as file:
            for at in range(0, size, max(1 << 16, size // 64)):
                file.seek(at)
                digest.update(file.read(1 << 12))
        digest.update(str(size).encode())
    return folder.name, digest.hexdigest()[:12], kind


def read_checkpoint(
    family: type[Family], folder: Path, class_name: str, config: LargeModelConfig | None = None
) -> Family:
    """A model of one family from a folder in the layout of the transformers library's class of that name.

    Raises:
        MissingResourceError: The transformers library is not installed.
        InputError: The folder does not hold what the class needs.
    """
    name, revision, _ = weights_name(folder)
    config = config or LargeModelConfig()
    model, tokenizer = open_language_model(folder, class_name, config)
    from transformers import AutoImageProcessor

    with readable(folder, "its image processor"):
        pictures = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
    return family(
        name=name, revision=revision, model=model, tokenizer=tokenizer, image_processor=pictures, config=config
    )


def open_language_model(folder: Path, class_name: str, config: LargeModelConfig) -> tuple[Any, Any]:
    """Model and tokenizer from a folder: safetensors only, no code from the folder, no network.

    Raises:
        MissingResourceError: The transformers library is not installed.
        InputError: The folder does not hold what the class needs.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingResourceError("large models need more libraries: pip install 'lgvsc[paper]'") from error
    device, dtype = place(config)
    with readable(folder, class_name), without_progress_bars():
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, report = getattr(transformers, class_name).from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    absent = sorted(report["missing_keys"])
    if absent:  # the library would go on with random numbers in their place
        raise InputError(f"{folder} lacks {len(absent)} tensors of {class_name}, for example {absent[0]}")
    return model.to(device), tokenizer


def read_vocabulary(folder: Path) -> dict[str, int]:
    """Words of the tokenizer in a folder, each with its number.

    Raises:
        InputError: The folder holds no tokenizer.
    """
    from transformers import AutoTokenizer

    with readable(folder, "a tokenizer"):
        words: dict[str, int] = AutoTokenizer.from_pretrained(folder, local_files_only=True).get_vocab()
    return words


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Loading draws on stderr otherwise, whatever the user has said about it."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def readable(folder: Path, what: str) -> Iterator[None]:
    """The library's ways of saying that a folder does not hold something, as one error."""
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder} cannot be read as {what}: {said}") from error
