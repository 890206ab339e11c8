"""The command line: arguments are parsed here; PyTorch is imported when a command that needs it runs.

Each command is a thin shell over a public function. Results go to stdout, progress and complaints to stderr.
Exit status: 0 done, 1 failed, 2 usage, 3 bad input or stream, 4 missing weights, disk or GPU.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from typing import Annotated, Any

import typer

from lgvsc import __version__
from lgvsc.cli import (
    case_commands,
    compare_commands,
    data_commands,
    inspect_commands,
    link_commands,
    measure_commands,
    model_commands,
    picture_commands,
    project_commands,
    recipe_commands,
    study_commands,
    ui_commands,
)
from lgvsc.cli.allocator import share_arenas
from lgvsc.core.files import final_name
from lgvsc.errors import LgvscError

app = typer.Typer(
    name="lgvsc",
    epilog="exit status: 0 done; 1 failed; 2 usage; 3 bad input or stream; 4 missing weights, disk or GPU",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
link_commands.register(app)
compare_commands.register(app)
recipe_commands.register(app)
inspect_commands.register(app)
measure_commands.register(app)
data_commands.register(app)
case_commands.register(app)
picture_commands.register(app)
study_commands.register(app)
model_commands.register(app)
project_commands.register(app)
ui_commands.register(app)


def show_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(f"lgvsc {__version__}")
        raise typer.Exit


@app.callback()
def lgvsc(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Send video as meaning: captions and a few keyframes through a noisy channel, a world model at the far end."""


STOPPED = 130  # exit status of who was stopped by Ctrl-C


def main() -> None:
    """Entry point of the ``lgvsc`` command."""
    os.environ.setdefault("SVT_LOG", "1")  # or the AV1 encoder talks on stderr
    warnings.showwarning = say
    share_arenas()
    try:
        app()
    except LgvscError as error:
        fail(str(error), error.exit_status)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != STOPPED:  # the status by which typer tells of Ctrl-C
            raise
        fail("stopped; nothing was left half-written, run the same command again", STOPPED)
    except MemoryError:
        fail("out of memory; try a smaller keyframes.max_segment_frames or a smaller video", 4)
    except OSError as error:
        where = f": {final_name(str(error.filename))}" if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            fail(f"the disk is full{where}", 4)
        fail(f"{(error.strerror or str(error) or type(error).__name__).lower()}{where}"[:300], 1)


_show = warnings.showwarning


def say(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """A warning of ours as one sentence; those of libraries as they are."""
    if category.__module__.startswith("lgvsc."):
        print(f"lgvsc: warning: {message}", file=sys.stderr)  # noqa: T201
    else:
        _show(message, category, *where, **more)


def fail(message: str, exit_status: int) -> None:
    """One sentence on stderr, then the end."""
    print(f"lgvsc: {message}", file=sys.stderr)  # noqa: T201
    raise SystemExit(exit_status)


if __name__ == "__main__":
    main()
