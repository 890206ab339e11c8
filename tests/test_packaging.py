"""Container and recipe ask for what pyproject asks for, and give no more rights than they say."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OTHER_NAMES = {"opencv-python-headless": "py-opencv", "torch": "pytorch"}  # on conda-forge


def test_the_recipe_requires_what_the_package_does():
    recipe = (ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8")
    runs = recipe.split("\n  run:\n")[1].split("\n\n")[0]
    there = dict(re.findall(r"- ([a-z-]+) (\S+)", runs))
    assert there.pop("python") == ">=${{"
    here = dict(re.fullmatch(r"([A-Za-z-]+)(.*)", each).groups() for each in PROJECT["dependencies"])
    assert there == {OTHER_NAMES.get(name, name): limits for name, limits in here.items()}
    assert f'version: "{PROJECT["version"]}"' in recipe
    assert f'python_min: "{PROJECT["requires-python"].removeprefix(">=")}"' in recipe


def test_the_container_runs_without_rights_and_copies_what_is_there():
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    assert ["USER", "10001:10001"] in words and words.index(["USER", "10001:10001"]) > 0
    users = [number for number, each in enumerate(words) if each[0] == "USER"]
    assert len(users) == 1 and not any(each[0] in ("RUN", "COPY", "ADD") for each in words[users[0] :])
    allowed = (ROOT / ".containerignore").read_text(encoding="utf-8").split()
    for each in words:
        if each[0] == "COPY" and not each[1].startswith("--"):
            assert all((ROOT / name).exists() and f"!{name}" in allowed for name in each[1:-1]), each
