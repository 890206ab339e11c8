"""What the README promises exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import lgvsc
from lgvsc.cli.main import app
from lgvsc.config import SCHEMES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_both_commands_stand_on_the_first_screen():
    first_screen = "\n".join(README.splitlines()[:40])
    assert "make demo" in first_screen and "make test" in first_screen and "lgvsc run" in first_screen


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)", README))))
def test_every_link_leads_somewhere(target):
    assert (ROOT / target).exists(), target


def test_the_python_example_uses_names_that_exist():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    names = {
        n.attr for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "lgvsc"
    }
    assert names and all(hasattr(lgvsc, name) for name in names)


def test_every_command_that_is_shown_exists():
    commands = set(re.findall(r"^lgvsc ([a-z]+)", README, re.M)) | set(re.findall(r"`lgvsc ([a-z]+)", README))
    assert commands
    for command in commands:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code in (0, 2), command
    known = {c.name or c.callback.__name__ for c in app.registered_commands} | {g.name for g in app.registered_groups}
    assert commands <= known, commands - known


def test_the_schemes_that_are_named_exist():
    named = set(re.findall(r"`((?:skem|skim|text)-[a-z]+)`", README))
    assert named - {"skem-sfa"} <= set(SCHEMES)


def test_no_number_was_left_out():
    assert not re.search(r"@[A-Z]+@", README)


def test_public_names_are_there_and_documented():
    for name in lgvsc.__all__:
        thing = getattr(lgvsc, name)
        assert name == "__version__" or thing.__doc__, f"{name} has no docstring"
    with pytest.raises(AttributeError):
        _ = lgvsc.no_such_name
