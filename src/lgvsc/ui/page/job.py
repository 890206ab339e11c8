"""What a job of the page does, in its own process: ``python -m lgvsc.ui.page.job FOLDER``. See ``work``."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lgvsc.errors import LgvscError
from lgvsc.ui.page.work import TASK, Limits, Task

PAGE, MESSAGE, RECORDING, REBUILT, RIVAL = "page.html", "message.lgvsc", "received", "rebuilt.mp4", "rival.mp4"
SAMPLE = "sample.mp4"
SAMPLE_S = 6.0  # of the sample when it plays over and over
Tell = Callable[..., None]


def main() -> None:
    """Do the task of a folder, telling of it on stdout, a JSON object on each line."""
    folder = Path(sys.argv[1])
    news = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no news

    def tell(**what: Any) -> None:
        news.write(json.dumps(what) + "\n")
        news.flush()

    given = json.loads((folder / TASK).read_text(encoding="utf-8"))
    task = Task(**given | {"limits": Limits(**given["limits"])})
    task.limits.hold()
    threading.Thread(target=end_with_the_page, args=(folder,), daemon=True).start()
    os.environ.setdefault("SVT_LOG", "1")
    try:
        {"send": send, "receive": receive, "live": live}[task.kind](task, folder, tell)
        tell(over=True)
    except LgvscError as error:
        tell(error=str(error).replace(f"{folder}{os.sep}", ""))
    except MemoryError:
        tell(error=too_much(task))
    except RuntimeError as error:  # PyTorch's way to say the same
        if "alloc" not in str(error):
            raise
        tell(error=too_much(task))
    except OSError as error:
        if error.errno not in (errno.EFBIG, errno.ENOSPC):
            raise
        tell(error="its pictures take too much room on the disk; take a shorter or smaller clip")


def end_with_the_page(folder: Path) -> None:
    """Wait for the page's end: then nobody takes what is made here, and nobody else deletes the folder."""
    sys.stdin.buffer.read()
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # with all that was started
    os._exit(1)


def too_much(task: Task) -> str:
    """A sentence on memory."""
    return f"it needs more than {task.limits.memory_bytes / 2**30:.0f} GB of memory; take a shorter or smaller clip"


def send(task: Task, folder: Path, tell: Tell) -> None:
    """The whole link, its page, and the page again with what the rival makes of as many symbols."""
    tell(say="loading models")
    from lgvsc import link
    from lgvsc.config import load_config
    from lgvsc.ui.report import Rival, write_html

    tell(say="reading the clip")
    clip = the_clip(task, folder)
    config = load_config(scheme=task.scheme, settings=task.settings)
    use_threads(config.link.threads)

    def counted(words: str) -> link.Progress:
        return lambda done, total: tell(say=words, done=done, total=total or 0)

    tell(say="finding where the meaning changes, and what the symbols buy most with")
    video, page = folder / REBUILT, folder / PAGE
    record = link.run(
        clip,
        config,
        output=video,
        message=folder / MESSAGE,
        recording=folder / RECORDING,
        on_progress=counted("sending"),
    )
    write_html(record, clip, video, page)
    tell(say="done", made=PAGE)
    if task.rival:
        tell(say=f"{task.rival} sends the same clip in as many symbols")
        keys = ("channel.snr_db", "channel.kind", "seed", "link.max_side", "link.metrics")
        settings = {key: task.settings[key] for key in keys if key in task.settings}
        budget = {"coding.budget": f"{record.ledger.symbols['total']}symbols"}
        rival = link.run(
            clip,
            load_config(scheme=task.rival, settings=settings | budget),
            output=folder / RIVAL,
            on_progress=counted(f"{task.rival} sends the same clip in as many symbols"),
        )
        write_html(record, clip, video, page, rival=Rival(folder / RIVAL, rival.report()))
        tell(say="done", made=PAGE)


def receive(task: Task, folder: Path, tell: Tell) -> None:
    """The receiver alone: it reads the recording and its settings, and nothing else is in the folder."""
    tell(say="loading models")
    from lgvsc import link
    from lgvsc.config import load_config
    from lgvsc.ui.received_page import ReceivedVideo, write_received

    config = load_config(scheme=task.scheme, settings=task.settings)
    use_threads(config.link.threads)
    heard, video = ReceivedVideo(config), folder / REBUILT
    tell(say="reading what arrived")
    arrived = link.receive(
        folder / task.source,
        config,
        output=video,
        on_progress=lambda done, total: tell(say="making the video", done=done, total=total or 0),
        on_segment=heard.segment,
        on_piece=heard.piece,
    )
    write_received(heard, arrived, video, folder / PAGE)
    tell(say="done", made=PAGE)


def live(task: Task, folder: Path, tell: Tell) -> None:
    """A link that runs while it is looked at."""
    use_threads(1)
    from lgvsc.ui.live import job

    job.live(task, folder, tell, lambda: the_clip(replace(task, seconds=SAMPLE_S), folder))


def use_threads(count: int) -> None:
    """As many threads of PyTorch as the preset says, unless ``OMP_NUM_THREADS`` does, as on the command line."""
    if count and "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(count)


def the_clip(task: Task, folder: Path) -> Path:
    """The beginning of the clip, as a file that every scheme reads alike."""
    if not task.source:
        from lgvsc.experiments.clips.sample_clip import make_sample_clip

        make_sample_clip(folder / SAMPLE, duration_s=task.seconds)
        return folder / SAMPLE
    from lgvsc.experiments.clips.excerpts import excerpt

    return excerpt(folder / task.source, task.seconds, folder)


if __name__ == "__main__":
    main()
