"""What Open-Sora 1.2 is told: the caption with scores and camera motion behind it, cleaned as it was for training.

The rules of cleaning, in their order, follow the public description of the release. For ordinary English they mean:
lower case, plain quotes and dashes, no brackets, single spaces. The scores pass unchanged.
"""

from __future__ import annotations

import html
import re
from html.entities import html5
from html.parser import HTMLParser
from urllib.parse import unquote_plus

from lgvsc.core.message import Motion

_NAMES_OF_FILES = "png|jpg|jpeg|bmp|webp|eps|pdf|apk|mp4"
_HOSTS = "com|co|ru|net|org|edu|gov|it"
_DASHES = "-֊־᐀᠆‐-―⸗⸚⸺⸻⹀〜〰゠︱︲﹘﹣－"

# (what is looked for, what takes its place)
_Rules = tuple[tuple[re.Pattern[str], str], ...]


def _rules(*rules: tuple[str, str]) -> _Rules:
    return tuple((re.compile(pattern), instead) for pattern, instead in rules)


_ADDRESSES = _rules(
    (r"<person>", "person"),
    # with a scheme, then bare: host.ending, with a port or a path and what follows it
    (rf"\b(?:https?:(?:/{{1,3}}|[a-z0-9%])|[a-z0-9.\-]+[.](?:{_HOSTS})[\w/-]*\b/?(?!@))", ""),
    (rf"\b(?:www:(?:/{{1,3}}|[a-z0-9%])|[a-z0-9.\-]+[.](?:{_HOSTS})[\w/-]*\b/?(?!@))", ""),
)
_CHARACTERS = _rules(
    (r"@\w+\b", ""),
    # CJK strokes, phonetic extensions, enclosed and compatibility forms, extension A, Yijing, unified ideographs
    (r"[\u31c0-\u31ef]+|[\u31f0-\u31ff]+|[\u3200-\u32ff]+|[\u3300-\u33ff]+|[\u3400-\u4dff]+|[\u4e00-\u9fff]+", ""),
    (rf"[{_DASHES}]+", "-"),
    (r"[`´«»“”¨]", '"'),
    (r"[‘’]", "'"),
    (r"&quot;?", ""),
    (r"&amp", ""),
    (r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", " "),
    (r"\d:\d\d\s+$", ""),
    (r"\\n", " "),
    (r"#\d{1,3}\b", ""),
    (r"#\d{5,}\b", ""),
    (r"\b\d{6,}\b", ""),
    (rf"\S+\.(?:{_NAMES_OF_FILES})", ""),
    (r"[\"']{2,}", '"'),
    (r"\.{2,}", " "),
    (r"[#®•©™&@·º½¾¿¡§~()\[\]{}|\\/*]+", " "),
    (r"\s+\.\s+", " "),
)
_LEFTOVERS = _rules(
    (r"\b[a-zA-Z]{1,3}\d{3,15}\b", ""),  # a numbered entity may have been a capital
    (r"\b[a-zA-Z]+\d+[a-zA-Z]+\b", ""),
    (r"\b\d+[a-zA-Z]+\d+\b", ""),
    (r"(?:worldwide\s+)?(?:free\s+)?shipping", ""),
    (r"(?:free\s)?download(?:\sfree)?", ""),
    (r"\bclick\b\s(?:for|on)\s\w+", ""),
    (rf"\b(?:{_NAMES_OF_FILES})(?:\simages?)?", ""),
    (r"\bpage\s+\d+\b", ""),
    (r"\b\d*[a-zA-Z]+\d+[a-zA-Z]+\d+[a-zA-Z\d]*\b", " "),
    (r"\b\d+\.?\d*[xх×]\d+\.?\d*\b", ""),
    (r"\b\s+:\s+", ": "),
    (r"(\D[,./])\b", r"\1 "),
    (r"\s+", " "),
)
_EDGES = _rules(
    (r"""^["']([\w\W]+)["']$""", r"\1"),
    (r"^['_,\-:;]", ""),
    (r"['_,\-:+]$", ""),
    (r"^\.\S+$", ""),
)


def opensora_prompt(caption: str | None, motion: Motion | None, aesthetic_score: float | None = 6.5) -> str | None:
    """The text for the text encoder, or ``None`` where nothing is known and the null caption takes its place.

    Args:
        caption: In the user's words; ``None`` where it was lost or never sent.
        motion: Its score and its camera word are told; a part that the caption already names is left to the caption.
        aesthetic_score: 0 to 10; ``None`` leaves it out.
    """
    if caption is None and motion is None:
        return None
    text = caption or ""
    parts = [text]
    if aesthetic_score is not None and "aesthetic score:" not in text:
        parts.append(f"aesthetic score: {aesthetic_score:.1f}.")
    if motion is not None and "motion score:" not in text:
        parts.append(f"motion score: {motion.score:.1f}.")
    if motion is not None and "camera motion:" not in text:
        parts.append(f"camera motion: {motion.camera}.")
    return clean(" ".join(parts))


def clean(text: str) -> str:
    """Cleaned twice, as the release does."""
    return _cleaned(_cleaned(text))


def _cleaned(text: str) -> str:
    text = _replaced(unquote_plus(text).strip().lower(), _ADDRESSES)
    text = _replaced(without_tags(text), _CHARACTERS)
    if len(re.findall(r"[-_]", text)) > 3:
        text = re.sub(r"[-_]", " ", text)
    text = html.unescape(html.unescape(repaired(text))).strip()
    return _replaced(_replaced(text, _LEFTOVERS), _EDGES).strip()


def _replaced(text: str, rules: _Rules) -> str:
    for pattern, instead in rules:
        text = pattern.sub(instead, text)
    return text


def repaired(text: str) -> str:
    """Text that was decoded with the wrong character set, put right."""
    import ftfy

    return str(ftfy.fix_text(text))


def without_tags(text: str) -> str:
    """What a reader of the page would see."""
    page = _Page()
    page.feed(text)
    page.close()
    return "".join(page.seen)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)  # which would also convert entities that nothing ends
        self.seen: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_entityref(self, name: str) -> None:
        self.handle_data(html5.get(f"{name};", f"&{name}"))

    def handle_charref(self, name: str) -> None:
        self.handle_data(html.unescape(f"&#{name};"))

    def handle_data(self, data: str) -> None:
        if self._hidden <= 0:
            self.seen.append(data)
