"""What a large model wrote, made fit to be sent: one line of plain words within a number of bytes.

A caption steers the world model at the far end, and a description is read by the judge, so neither may carry what
somebody wrote on a wall for machines to read, nor marks that end a turn of a conversation.
"""

from __future__ import annotations

import re
import unicodedata

# Marks of chat formats; a tokenizer that met one in a prompt would take it for the real thing.
_MARKS = re.compile(r"<\|[^<>|]{0,40}\|>|</?(?:s|img|image|video|IMG_CONTEXT|end_of_utterance|unk|pad|bos|eos)>", re.I)
_LABEL = re.compile(
    r"^(?:(?:the )?(?:caption|description|answer|assistant|image-\d|frame \d+) ?(?:is|reads)?:)\s*", re.I
)
_REFUSAL = re.compile(
    r"^(?:i(?:['’]?m| am) (?:very )?sorry|sorry,|i apologi[sz]e|i (?:can(?:no|['’])t|can not|am unable|am not able)"
    r"|i['’]m (?:unable|not able)|i (?:won['’]t|will not|do not|don['’]t) (?:have|see|describe)"
    r"|as an? (?:ai|large language)"
    r"|unfortunately, i|there (?:is|are) no (?:image|picture|video|frame)s? (?:provided|attached))",
    re.I,
)
# Sentences that speak to the reader instead of describing. Cut whole: half of an order is still one.
_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|override) (?:all |any |the |your )*(?:previous|prior|above|earlier|other)?\s*"
    r"(?:instruction|prompt|rule|message|question|context)s?\b"
    r"|\b(?:system|developer) (?:prompt|message)\b"
    r"|\byou (?:are|must|should|will) (?:now|always|only|answer|reply|respond)\b"
    r"|\b(?:answer|reply|respond)\b.{0,30}\b(?:yes|no|only)\b|\bdo not (?:describe|answer|follow)\b"
    r"|\bnew instructions?\b|https?://|\bwww\.",
    re.I,
)
# What a thinking model writes before it answers; the opening mark may have stood in the prompt, the closing one may be
# beyond the last token.
_THOUGHTS = re.compile(r"<(think(?:ing)?|reasoning)>.*?(?:</\1>|\Z)", re.I | re.S)
_THOUGHTS_BEFORE = re.compile(r"\A.*</(?:think(?:ing)?|reasoning)>", re.I | re.S)
_SECOND_PICTURE = re.compile(
    r"(?:^|(?<=[\s*#>(\[]))(?:(?:image|picture|photo|frame)[-_ #]*(?:2|two|ii)"
    r"|(?:the )?second (?:image|picture|photo|frame))[\s*\])]*:",
    re.I | re.M,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def clean_text(text: str) -> str:
    """One line of printable text: no control or formatting characters, no marks of chat formats, no label in front.

    Cleaning goes on until nothing changes, since taking one mark away can make another.
    """
    text = without_thoughts(text.encode("utf-8", "ignore").decode("utf-8"))
    while (cleaner := _cleaned_once(text)) != text:
        text = cleaner
    return text


def without_thoughts(text: str) -> str:
    """What a model says, without what it thinks before it."""
    return _THOUGHTS_BEFORE.sub("", _THOUGHTS.sub("", text))


def clean_description(text: str) -> str:
    """A description for the judge: cleaned, without refusals and without sentences that give orders."""
    return " ".join(_sentences(clean_text(text)))


def clean_caption(text: str, max_bytes: int) -> str:
    """A caption for the world model: whole sentences while they fit, at least whole words; "" where nothing is left.

    Args:
        text: As the model wrote it.
        max_bytes: Length of the result in UTF-8, at most.
    """
    kept = ""
    for sentence in _sentences(clean_text(text)):
        longer = f"{kept} {sentence}".strip()
        if len(longer.encode()) > max_bytes:
            break
        kept = longer
    if kept or not text:
        return kept
    return _whole_words(next(iter(_sentences(clean_text(text))), ""), max_bytes)


def split_pair(text: str) -> tuple[str, str]:
    """The two descriptions out of what was written in one go; the second is empty where the model did not part them."""
    parts = _SECOND_PICTURE.split(text, maxsplit=1)
    first, second = parts if len(parts) == 2 else (text, "")
    return clean_description(first), clean_description(second)


def _cleaned_once(text: str) -> str:
    text = _MARKS.sub(" ", unicodedata.normalize("NFC", text))
    kept = (" " if c in "\n\r\t\v\f\u2028\u2029" else c for c in text)
    plain = "".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    plain = " ".join(plain.replace("*", "").replace("#", " ").split())
    return _LABEL.sub("", plain.strip("\"'`“”‘’ "))


def _sentences(text: str) -> list[str]:
    found: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        refused = _REFUSAL.match(sentence) or _ORDER.search(sentence)
        if sentence and not refused and sentence not in found:  # a model that loops repeats itself without end
            found.append(sentence)
    return found


def _whole_words(text: str, max_bytes: int) -> str:
    """As many words as fit; of a single word that is too long, as many characters."""
    cut = text.encode()[: max(0, max_bytes)].decode("utf-8", "ignore")
    if len(cut) < len(text) and not text[len(cut)].isspace() and " " in cut:
        cut = cut.rsplit(" ", 1)[0]
    return cut.rstrip(" ,;:-")
