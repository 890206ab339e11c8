"""What the page's tabs share: a place for uploads, sentences on how things stand, and files of the page."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from lgvsc.ui.text import esc

MAX_UPLOAD_BYTES = 200 << 20
JOB_FOLDER = "lgvsc-job-"  # not where uploads lie: from there nothing would be copied before the folder goes


def file_box(gr: Any, label: str, *, several: bool = False, visible: bool = True) -> Any:
    """A place for uploads. A client may also name an address to be fetched from; that is refused."""
    box = gr.File(label=label, file_count="multiple" if several else "single", height=120, visible=visible)
    keep = box.move_resource_to_block_cache

    def local_only(resource: Any) -> Any:
        if "://" in str(resource):
            raise gr.Error("the page takes files, and fetches nothing from an address")
        return keep(resource)

    box.move_resource_to_block_cache = local_only
    return box


def line(words: str, share: float | None = None) -> str:
    """A sentence that is read out, with a bar where its end is known."""
    bar = "" if share is None else f'<progress value="{share:.2f}" aria-label="How far it is"></progress>'
    return f'<p role="status" aria-live="polite">{esc(words)}</p>{bar}'


def refusal(words: str) -> str:
    """What went wrong, in one sentence."""
    return f'<p role="alert" class="refused">{esc(words)}</p>'


def asset(name: str) -> str:
    return (files("lgvsc.ui.page") / name).read_text("utf-8")
