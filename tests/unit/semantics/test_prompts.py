"""The questions: one per focus, replaceable from a file."""

import pytest

from lgvsc.core.interfaces import FOCUSES
from lgvsc.errors import ConfigError
from lgvsc.semantics.prompts import QUESTIONS, load_questions, question


def test_each_focus_asks_something_else_and_for_yes_or_no():
    asked = [question(focus) for focus in FOCUSES]
    assert len(set(asked)) == 3
    assert all("yes or no" in text.lower() for text in asked)
    assert "actions" in question("main_object") and "background" in question("background")


def test_another_wording_replaces_its_focus_alone():
    custom = {"background": "Is it the same place? Yes or no?"}
    assert question("background", custom) == custom["background"]
    assert question("general", custom) == QUESTIONS["general"]


def test_wordings_come_from_a_file(tmp_path):
    path = tmp_path / "questions.toml"
    path.write_text('general = """Is this\n the same?"""\n', encoding="utf-8")
    assert load_questions(path) == {"general": "Is this the same?"}


@pytest.mark.parametrize("text", ["scene = 'x'", "general = 3", "general = ' '", "", "general = ["])
def test_a_bad_file_is_refused(tmp_path, text):
    path = tmp_path / "questions.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load_questions(path)


def test_an_unknown_focus_is_refused():
    with pytest.raises(ConfigError, match="main_object"):
        question("objects")
