"""What mkdocs asks while it builds the site: pages that live elsewhere in the repository take part, and links work.

README is the start page. The guide for contributors, the cards of models and the labs are pages too, and each module of
the reference has one. No text is kept twice.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
LABS = "examples/labs"
ELSEWHERE = {  # file of the repository: page of the site
    "README.md": "index.md",
    "docs/index.md": "all-pages.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "THIRD_PARTY.md": "third-party.md",
}
REFERENCE = {  # room of the reference: its modules
    "From Python": ["api", "config", "settings", "record", "errors"],
    "The way of a video": [
        *("link", "kinds", "schemes.generative", "semantics.encoder", "coding.message_codec", "channel.awgn"),
        "world.decoder",
    ],
    "Nouns": ["core.video", "core.message", "core.air", "core.ledger", "core.interfaces", "core.container"],
    "Meaning": ["semantics.keyframes", "semantics.psss", "semantics.prompts", "inspection"],
    "Coding": ["coding.belief", "coding.budget", "coding.modem.digital", "coding.modem.fec", "coding.parts.part"],
    "Channels": [
        *("channel.settings", "channel.rayleigh", "channel.tdl", "channel.pilots", "channel.erasures"),
        *("channel.waveform", "channel.synchronisation", "channel.equaliser", "channel.radio", "channel.sigmf"),
        "channel.zeromq",
    ],
    "At once": ["live", "flowgraph"],
    "Measuring": ["metrics.registry", "metrics.quality", "metrics.lpips", "metrics.dists", "experiments.bd_rate"],
}
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)]*)?\))")
_ROLE = re.compile(r":(?:func|class|mod|meth|data|attr):<code>~?")


def on_files(files: Files, config: Any) -> Files:
    """Pages that live elsewhere, and those that are made."""
    for file in [file for file in files if file.src_uri in ("index.md", "all-pages.md")]:
        files.remove(file)
    for path, page in pages().items():
        if not path.startswith("docs/") or path in ELSEWHERE:
            content = notebook(ROOT / path) if path.endswith(".ipynb") else (ROOT / path).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=content))
    for page, content in reference().items():
        files.append(File.generated(config, page, content=content))
    return files


def on_config(config: Any) -> Any:
    """The reference goes into the navigation where it is called for."""
    rooms = [{room: [page_of(name) for name in names]} for room, names in REFERENCE.items()]
    cards = sorted(page for path, page in pages().items() if "/models/cards/" in path)
    made = [{"Commands": "reference/commands.md"}, *rooms, {"Cards of models": cards}]
    config.nav = [{"Reference": made} if entry == {"Reference": "reference/"} else entry for entry in config.nav]
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links between files of the repository become links between pages of the site."""
    here = next((path for path, name in pages().items() if name == page.file.src_uri), "docs/" + page.file.src_uri)
    known = pages()

    def turned(match: re.Match[str]) -> str:
        before, target, after = match.groups()
        if re.match(r"[a-z]+:", target):
            return match[0]
        path = os.path.normpath(PurePosixPath(here).parent / target)
        name = known.get(path) or made_of(path) or path.removeprefix("docs/")
        return before + os.path.relpath(name, PurePosixPath(page.file.src_uri).parent) + after

    return _LINK.sub(turned, _plain_links(markdown, here, known))


def on_page_content(html: str, **_: Any) -> str:
    """Docstrings are written for readers of code; what only means something there goes."""
    return _ROLE.sub("<code>", html).replace("::</p>", ":</p>")


def pages() -> dict[str, str]:
    """Every file of the repository that is a page, and where it is on the site."""
    docs = {f"docs/{path.relative_to(ROOT / 'docs').as_posix()}": "" for path in (ROOT / "docs").rglob("*.md")}
    found = {path: ELSEWHERE.get(path, path.removeprefix("docs/")) for path in docs} | ELSEWHERE
    for card in (ROOT / "src/lgvsc/models/cards").glob("*.md"):
        found[card.relative_to(ROOT).as_posix()] = f"cards/{card.name}"
    for lab in (ROOT / LABS).glob("*.ipynb"):
        found[lab.relative_to(ROOT).as_posix()] = f"labs/{lab.stem}.md"
    return found


def page_of(module: str) -> str:
    """Of a module of the reference."""
    return f"reference/{module}.md"


def made_of(path: str) -> str | None:
    """The page of the reference that shows a source file."""
    module = path.removeprefix("src/lgvsc/").removesuffix(".py").replace("/", ".")
    listed = path.startswith("src/lgvsc/") and any(module in names for names in REFERENCE.values())
    return page_of(module) if listed else None


def reference() -> dict[str, str]:
    """A page for each module, and one for the command line."""
    found = {}
    for names in REFERENCE.values():
        for name in names:
            found[page_of(name)] = f"# {name}\n\n::: lgvsc.{name}\n    options:\n      show_root_heading: false\n"
    found["reference/commands.md"] = commands()
    return found


def commands() -> str:
    """The command line, from its own help."""
    import typer

    from lgvsc.cli.main import app

    lines = ["# Commands", "", "`lgvsc COMMAND --help` says the same.", ""]

    def tell(command: Any, name: str) -> None:
        nested = getattr(command, "commands", None)
        text = (command.help or "").replace("\b", "").strip()
        lines.extend([f"## {name}", "", text, ""])
        rows = [parameter for parameter in command.params if parameter.name != "help"]
        if rows:
            lines.extend(["| | |", "|---|---|"])
        for parameter in rows:
            names = ", ".join(f"`{each}`" for each in parameter.opts) if parameter.opts else f"`{parameter.name}`"
            if parameter.param_type_name == "argument":
                names = f"`{parameter.metavar or (parameter.name or '').upper()}`"
            about = (getattr(parameter, "help", None) or "").replace("|", "\\|").replace("\n", " ")
            lines.append(f"| {names} | {about} |")
        lines.append("")
        for each, child in (nested or {}).items():
            tell(child, f"{name} {each}")

    for each, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        tell(command, f"lgvsc {each}")
    return "\n".join(lines)


def notebook(path: Path) -> str:
    """A lab as a page: what is said and what is run, in order."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    shown = []
    for cell in cells:
        source = "".join(cell["source"]).strip()
        shown.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(shown) + "\n"


def _plain_links(markdown: str, here: str, known: dict[str, str]) -> str:
    """Links to files that are no page, a licence or a script, keep their words alone."""

    def bare(match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            return match[0]
        path = os.path.normpath(PurePosixPath(here).parent / target.split("#")[0])
        page = path in known or made_of(path) or path.startswith("docs/")
        return match[0] if page else text

    return re.sub(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", bare, markdown)
