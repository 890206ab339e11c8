"""``ui``: the link as a page in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from lgvsc.cli.options import QuietOption


def register(app: typer.Typer) -> None:
    app.command()(ui)


def ui(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of the loopback; 0 takes a free one.")] = 7860,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    live: Annotated[
        bool, typer.Option("--live", help="With a tab for a camera or a clip that crosses the link as it plays.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Show the link as a page in a browser, on this computer and for it alone.

    Choose a clip and a channel, see what was sent, what arrived, and what a codec does with as many symbols. With
    --live pictures cross the link as they come, and SNR, loss and look are turned while they do.
    """
    from lgvsc.ui.page.layout import serve

    serve(port=port, open_browser=browser, quiet=quiet, live=live)
