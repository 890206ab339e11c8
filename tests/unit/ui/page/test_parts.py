"""What tabs share: uploads are files, and what is told is text."""

import pytest

from lgvsc.errors import LgvscError
from lgvsc.ui.page import parts


@pytest.mark.parametrize("say", [parts.line, parts.refusal])
def test_what_is_told_is_text_and_read_out(say):
    shown = say("<img src=x onerror=alert(1)>")
    assert "<img" not in shown and 'role="' in shown


class Box:
    """As much of Gradio as a place for uploads needs."""

    Error = LgvscError

    def File(self, **_):  # noqa: N802
        self.move_resource_to_block_cache = lambda path: f"kept {path}"
        return self


@pytest.mark.parametrize(
    "address", ["http://example.com/a.mp4", "https://10.0.0.1/a", "ftp://a/b", "file:///etc/passwd"]
)
def test_uploads_are_files_and_never_addresses(address):
    box = parts.file_box(Box(), "a clip")
    assert box.move_resource_to_block_cache("/tmp/upload.mp4") == "kept /tmp/upload.mp4"
    with pytest.raises(LgvscError, match="fetches nothing"):
        box.move_resource_to_block_cache(address)
