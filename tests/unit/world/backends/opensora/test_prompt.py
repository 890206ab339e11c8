"""What Open-Sora is told: the order of the parts, and each rule of the cleaning."""

from __future__ import annotations

import pytest

from lgvsc.core.message import Motion
from lgvsc.semantics.backends.compact.gist import Group, Telling

pytest.importorskip("ftfy", reason="needs the extra 'paper'")

from lgvsc.world.backends.diffusers.clip import prompt_of
from lgvsc.world.backends.opensora.prompt import clean, opensora_prompt

MOTION = Motion(score=4.24, camera="pan left")


def test_parts_follow_the_caption_in_their_order():
    assert opensora_prompt("A Dog runs.", MOTION) == (
        "a dog runs. aesthetic score: 6.5. motion score: 4.2. camera motion: pan left."
    )
    assert opensora_prompt("A dog runs.", None) == "a dog runs. aesthetic score: 6.5."
    assert opensora_prompt("A dog runs.", None, None) == "a dog runs."


def test_a_part_that_the_caption_names_is_left_to_it():
    told = opensora_prompt("a dog. motion score: 9.0. camera motion: static.", MOTION)
    assert told == "a dog. motion score: 9.0. camera motion: static. aesthetic score: 6.5."
    assert opensora_prompt("a dog aesthetic score: 5.0.", None) == "a dog aesthetic score: 5.0."


def test_every_sentence_of_the_compact_captioner_is_told():
    one = Group(kind="racing car", count=2, size="large", colour="dark red", place="bottom left", does="moves right")
    told = Telling(
        tags=frozenset(("out", "road")),
        groups=(one,) * 3,
        light="dim",
        camera="pan left",
        pace="fast",
        shown=("valley",),
    )
    assert len(str(told)) > 160
    assert opensora_prompt(str(told), None).startswith(str(told).lower())
    assert prompt_of(str(told), None) == str(told)


def test_nothing_known_is_no_text_but_motion_alone_is_one():
    assert opensora_prompt(None, None) is None
    assert opensora_prompt(None, MOTION, None) == "motion score: 4.2. camera motion: pan left."
    assert opensora_prompt("", None, None) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A dog (brown) runs -- fast.", "a dog brown runs - fast."),
        ("a b. [aesthetic score: 6.5, motion score: 4.2]", "a b. aesthetic score: 6.5, motion score: 4.2"),
        ("100%25 sure+thing", "100% sure thing"),
        ("the <person> waves", "the person waves"),
        ("see http://foo.com/a and www.bar.org or baz.it now", "see and or now"),
        ("<b>bold</b> words<br/>", "bold words"),
        ("by @someone today", "by today"),
        ("a 中文 b ㇰ c ㍻ d ㈱", "a b c d"),
        ("one—two – three", "one-two - three"),
        ("“quoted” ‘word’ here", "\"quoted\" 'word' here"),
        ("fish &amp; chips", "fish chips"),
        ("a clip 3:45 &amp", "a clip"),  # an entity that nothing ends is not one yet, so the time is at the end
        ("caf&eacute; &#233; &copy now", "café é now"),
        ("x1y2z&#x41;", ""),
        ("at 192.168.1.1 now", "at now"),
        ("a clip 3:45 ", "a clip 3:45"),
        (r"line\nbreak", "line break"),
        ("tag #12 #1234 #12345 end", "tag 1234 end"),
        ("number 1234567 here", "number here"),
        ("open image.png and doc.pdf", "open and"),
        ("a ''quoted'' word", 'a "quoted" word'),
        ("wait... what", "wait what"),
        ("® a • b © c ~ d {e} | f", "a b c d e f"),
        ("a . b", "a b"),
        ("a-b_c-d_e", "a b c d e"),
        ("a-b_c-d", "a-b_c-d"),
        ("model ab123 and x1y and 1x2", "model and and"),
        ("free shipping and free download of jpg images on page 12", "and of on"),
        ("click for more fun", "fun"),
        ("code a1b2c3d", "code"),
        ("size 12x34 or 1.5×2", "size or"),
        ("word : other", "word: other"),
        ("a,b.c/d but 1.5", "a, b. c d but 1.5"),
        ("tabs\tand\n lines", "tabs and lines"),
        ('"all of it"', "all of it"),
        ("-leading and trailing-", "leading and trailing"),
        (".hidden", ""),
        ("ﬁne &lt;3", "fine <3"),
        ("", ""),
    ],
)
def test_rules_of_cleaning(text, expected):
    assert clean(text) == expected
