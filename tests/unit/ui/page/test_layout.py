"""The page is put together from what the link has, stays on this computer, and says what is missing."""

import sys

import pytest
from typer.testing import CliRunner

from lgvsc.cli import main
from lgvsc.config import load_config
from lgvsc.errors import MissingResourceError
from lgvsc.ui.page import layout
from lgvsc.ui.page.work import News


@pytest.mark.parametrize("scheme", [scheme for _, scheme in layout.SCHEMES])
@pytest.mark.parametrize("budget", ["0.5kbps", "20kbps", "0.0001cbr", "0.003cbr"])
def test_every_position_of_the_controls_is_a_configuration(scheme, budget):
    settings = layout.sent_with(scheme, budget, -5, 1)
    config = load_config(scheme=scheme, settings=settings | {"channel.kind": "tdl", "seed": 7})
    assert (config.coding.budget, config.channel.snr_db, config.link.max_side) == (budget, -5.0, layout.MAX_SIDE)
    assert config.world.look == (None if scheme in (*layout.CODECS, "djscc-rgb") else 1.0)


def test_the_live_tab_is_there_where_it_is_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(layout, "build", lambda *, live: asked.append(live))
    monkeypatch.setattr(layout, "launch", lambda page, **_: "")
    for arguments in ([], ["--live"]):
        assert CliRunner().invoke(main.app, ["ui", "--no-browser", *arguments]).exit_code == 0
    assert asked == [False, True]


def test_without_gradio_the_command_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = CliRunner().invoke(main.app, ["ui", "--no-browser"])
    assert isinstance(result.exception, MissingResourceError) and result.exception.exit_status == 4
    assert "pip install 'lgvsc[ui]'" in str(result.exception)


def test_how_far_a_job_is_is_read_out():
    hostile = layout.progress_of(News(say="<img src=x onerror=alert(1)>", done=1, total=2))
    assert "<img" not in hostile and 'role="' in hostile
    assert 'value="0.50"' in layout.progress_of(News(say="sending", done=1, total=2))


def test_a_page_within_the_page_cannot_reach_it(tmp_path):
    (tmp_path / "page.html").write_text('"><script>parent.x = 1</script>')
    shown = layout.frame(tmp_path / "page.html")
    assert 'sandbox="allow-scripts"' in shown and "<script>" not in shown and shown.count('"') % 2 == 0


def test_the_browser_is_told_to_fetch_nothing_from_elsewhere():
    assert "http" not in layout.POLICY and "*" not in layout.POLICY
    assert "default-src 'self'" in layout.POLICY
