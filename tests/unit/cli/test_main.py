"""The command line as a user meets it: help, mistakes, exit status."""

from __future__ import annotations

import errno
import json
import re
import signal
import subprocess
import sys
from unittest import mock

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from lgvsc import __version__
from lgvsc.cli.main import app, main
from lgvsc.cli.tables import table
from lgvsc.config import load_config
from lgvsc.core.files import part_path
from lgvsc.errors import ConfigError
from lgvsc.kinds import schemes

runner = CliRunner()


@pytest.mark.parametrize(
    "command", ["run", "send", "channel", "receive", "keyframes", "score", "calibrate", "demo", "doctor"]
)
def test_every_command_has_help(command):
    shown = runner.invoke(app, [command, "--help"])
    assert shown.exit_code == 0 and "Usage" in shown.output


def commands(command, path=()):
    """Every command with the words that call it."""
    below = getattr(command, "commands", {})
    for name, inner in below.items():
        yield from commands(inner, (*path, name))
    if not below:
        yield path, command


OPTIONAL_WITHOUT_WORDS = {"help", "version"}


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*c, id=" ".join(c[0])) for c in commands(get_command(app)) if c[0] != ("train",)]
)
def test_help_says_the_default_of_every_option(path, command):
    """A default that is written into the help text vanishes, as square brackets are marks for colours there."""
    plain = runner.invoke(app, [*path, "--help"], env={"COLUMNS": "400", "TERM": "dumb"}).output
    shown = " ".join(plain[plain.index(" Options ") :].split())
    for option in command.params:
        flag = getattr(option, "is_flag", False)
        if option.param_type_name != "option" or option.required or flag or option.name in OPTIONAL_WITHOUT_WORDS:
            continue
        if option.default is None and option.show_default is False:  # one of two ways, of which neither is a default
            continue
        text = re.split(rf" {option.opts[0]}[ ,]", shown, maxsplit=1)[1].split(" │ ")[0]
        said = option.show_default if isinstance(option.show_default, str) else str(option.default)
        assert f"[default: {said}]" in text or f"[default: ({said})]" in text, f"{option.opts[0]}: {text}"


def test_version_and_module():
    assert runner.invoke(app, ["--version"]).output == f"lgvsc {__version__}\n"
    ran = subprocess.run([sys.executable, "-m", "lgvsc", "--version"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, f"lgvsc {__version__}\n")


def test_an_unknown_scheme_brings_the_known_ones_once():
    with pytest.raises(ConfigError) as refused:
        load_config("compact", "zzz")
    assert all(str(refused.value).split("; ", 1)[1].replace(",", "").split().count(name) == 1 for name in schemes())


def test_help_does_not_import_the_heavy_libraries():
    code = (
        "import sys; sys.argv = ['lgvsc', '--help']\n"
        "from lgvsc.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'sionna', 'cv2', 'av', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_a_pipe_that_closes_ends_the_command_and_not_the_process_that_called_it():
    """A connection that breaks must be an error of its own, never the end of the program."""
    before = signal.getsignal(signal.SIGPIPE)
    with pytest.raises(SystemExit), mock.patch.object(sys, "argv", ["lgvsc", "cite", "--nonsense"]):
        main()
    assert signal.getsignal(signal.SIGPIPE) is before


def ended(capsys, raised):
    """Exit status and stderr of a command in which something was raised."""
    with (
        mock.patch.object(sys, "argv", ["lgvsc", "config", "show"]),
        mock.patch("lgvsc.config.load_config", side_effect=raised),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return end.value.code, capsys.readouterr().err


def test_who_stops_a_command_is_told_what_is_left_of_it(capsys):
    status, told = ended(capsys, KeyboardInterrupt())
    assert status == 130 and told.startswith("lgvsc: stopped; nothing was left half-written")


def test_a_full_disk_is_told_by_the_name_that_the_user_gave(capsys, tmp_path):
    written = f"file:{part_path(tmp_path / 'b.mp4')}"
    status, told = ended(capsys, OSError(errno.ENOSPC, "No space left on device", written))
    assert status == 4 and told == f"lgvsc: the disk is full: {tmp_path / 'b.mp4'}\n"


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, lgvsc; sys.exit(str({'torch', 'numpy', 'av'} & set(sys.modules)) if 'torch' in sys.modules else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["run"], 2),
        (["run", "x.mp4", "--snr-db", "loud"], 2),
        (["run", "x.mp4", "--bogus"], 2),
        (["run", "x.mp4", "--scheme", "skem-sfa"], 2),
        (["run", "x.mp4", "--set", "keyframes.treshold=0.1"], 2),
        (["run", "x.mp4", "--budget", "lots"], 2),
        (["run", "x.mp4", "--preset", "papers"], 2),
        (["run", "absent.mp4"], 3),
        (["message", "show", "absent.lgvsc"], 3),
        (["channel", "absent", "-o", "out"], 3),
        (["receive", "absent", "-o", "out.mp4"], 3),
        (["score", "absent.png", "absent.png"], 3),
        (["models", "card", "absent"], 2),
        (["calibrate", "."], 2),
        (["send", "absent.mp4", "-o", "tx", "--samples-per-symbol", "33"], 2),
        (["send", "absent.mp4", "-o", "tx", "--samples-per-symbol", "2.5"], 2),
        (["send", "absent.mp4", "--to", "127.0.0.1:5004", "--samples-per-symbol", "4"], 2),
        (["receive", "--listen", "5004", "-o", "out.mp4", "--samples-per-symbol", "4"], 2),
    ],
)
def test_mistakes_end_in_one_sentence_with_their_status(arguments, status, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lgvsc", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    complaint = capsys.readouterr().err
    assert ended.value.code == status, complaint
    assert complaint.strip() and "Traceback" not in complaint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["receive", "channel"])
@pytest.mark.parametrize(
    ("name", "words"), [("walk.mp4", "is no SigMF recording"), ("raw.cfile", "is no SigMF"), ("rx.sigmf", "tar xf")]
)
def test_what_is_no_recording_is_called_what_it_is(command, name, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(b"something")
    monkeypatch.setattr(sys, "argv", ["lgvsc", command, name, "-o", "out.mp4"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3 and words in capsys.readouterr().err


def test_config_show_prints_what_resolved():
    shown = runner.invoke(app, ["config", "show", "--json", "--set", "keyframes.threshold=0.2"])
    assert json.loads(shown.output)["keyframes"]["threshold"] == 0.2
    plain = runner.invoke(app, ["config", "show", "--scheme", "text-only"]).output
    assert "[message]" in plain and "send_keyframes = false" in plain


def test_models_and_cite():
    names = {row["name"] for row in json.loads(runner.invoke(app, ["models", "list", "--json"]).output)}
    assert {"compact-captioner", "compact-judge", "digital-picture", "motion-interpolation"} <= names
    assert runner.invoke(app, ["models", "verify"]).exit_code == 0
    assert "2606.12899" in runner.invoke(app, ["cite"]).output


def test_tables_line_up():
    lines = table(["name", "n"], [["a", "1"], ["longer", "-"]]).splitlines()
    assert lines == ["name    n", "------  -", "a       1", "longer  -"]


def test_descriptions_are_kept_on_disk_where_the_system_keeps_such_things(monkeypatch, tmp_path):
    from lgvsc.cli.options import resolve

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LGVSC_CACHE", raising=False)
    assert resolve("compact", "skem-dsa").judge.cache_dir == ""
    kept = resolve("compact", "skem-dsa", ["judge.mode=cached"]).judge.cache_dir
    assert kept == str(tmp_path / "lgvsc" / "descriptions")
    monkeypatch.setenv("LGVSC_CACHE", str(tmp_path / "own"))
    assert resolve("compact", "skem-dsa", ["judge.mode=cached"]).judge.cache_dir == str(
        tmp_path / "own" / "descriptions"
    )
    chosen = ["judge.mode=cached", "judge.cache_dir=here"]
    assert resolve("compact", "skem-dsa", chosen).judge.cache_dir == "here"
