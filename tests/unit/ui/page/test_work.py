"""Jobs of the page end when they should, leave nothing running, and say why in one sentence."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lgvsc.ui.page.work import JobError, Limits, News, Task, run_job, take_in

SAYS = "import json, sys, time\nsay = lambda **w: print(json.dumps(w), flush=True)\n"


def job(folder, code, **limits):
    task = Task(kind="send", limits=Limits(**limits))
    return run_job(task, folder, (sys.executable, "-c", SAYS + code))


def told(found):
    """What was told, without what is said again every second while one waits."""
    words = [(news.say, news.done, news.total, news.made) for news in found]
    return [new for new, before in zip(words, [("", 0, 0, ""), *words], strict=False) if new != before]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").read_text().split(")")[1].startswith(" Z")


def test_news_come_as_they_are_told(tmp_path):
    found = list(
        job(
            tmp_path,
            "say(say='reading'); say(say='sending', done=3, total=9); say(made='page.html'); say(over=True)\n"
            "time.sleep(60)",
        )
    )
    assert told(found) == [("reading", 0, 0, ""), ("sending", 3, 9, ""), ("", 0, 0, "page.html")]
    assert all(news.seconds > 0 for news in found)


def test_a_job_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    code = "import subprocess\nchild = subprocess.Popen(['sleep', '60']); say(say=str(child.pid)); time.sleep(60)"
    started = time.monotonic()
    found = list(job(tmp_path, code, wall_s=6.0))
    assert time.monotonic() - started < 30 and "longer than 6 s" in found[-1].error
    time.sleep(0.2)
    assert not alive(int(told(found)[0][0]))


def test_nobody_who_looks_on_nothing_that_works_on(tmp_path):
    """As when a visitor closes the page or presses Stop."""
    news = job(tmp_path, "import os\nsay(say=str(os.getpid())); time.sleep(60)")
    pid = int(next(said.say for said in news if said.say))
    assert alive(pid)
    news.close()
    assert not alive(pid)


def test_a_job_ends_with_the_page_that_started_it_and_takes_its_folder_along(tmp_path):
    """Whatever ended the page: its end of the pipe is closed."""
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "clip").write_bytes(b"1")
    code = (
        "import sys, threading, time\nfrom pathlib import Path\nfrom lgvsc.ui.page.job import end_with_the_page\n"
        "threading.Thread(target=end_with_the_page, args=(Path(sys.argv[1]),), daemon=True).start()\n"
        "print('at work', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        assert process.stdout.readline().strip() == b"at work"
        time.sleep(0.5)
        assert process.poll() is None and (folder / "clip").exists()
        process.stdin.close()
        assert process.wait(30) != 0 and not folder.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of the system are those of Unix")
@pytest.mark.parametrize(
    ("code", "limits", "words"),
    [
        ("while True: pass", {"processor_s": 1}, "1 s of processor time"),
        ("import os; os.kill(os.getpid(), 9)", {}, "memory runs out"),
        ("import os; os.kill(os.getpid(), 11)", {}, "status -11"),
        ("raise SystemExit(3)", {}, "status 3"),
        ("pass", {}, "status 0"),
    ],
)
def test_why_a_job_ended_is_one_sentence(code, limits, words, tmp_path):
    hold = "from lgvsc.ui.page.work import Limits, TASK\nfrom pathlib import Path\n"
    hold += f"Limits(**{limits!r}).hold()\n" if limits else ""
    (*_, last) = job(tmp_path, hold + code, **limits)
    assert words in last.error and "\n" not in last.error


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of the system are those of Unix")
def test_memory_and_files_are_limited(tmp_path):
    code = (
        "from lgvsc.ui.page.work import Limits\nLimits(memory_bytes=1 << 28, file_bytes=1000).hold()\n"
        "try: bytearray(1 << 29)\nexcept MemoryError: say(say='memory')\n"
        "try:\n    with open('f', 'wb') as file: file.write(bytes(1 << 20))\nexcept OSError: say(say='file')\n"
        "say(over=True)"
    )
    assert [words for words, *_ in told(job(tmp_path, code))] == ["memory", "file"]


def test_uploads_lose_their_names_and_have_a_size(tmp_path):
    upload = tmp_path / "$(rm -rf ~) \u202e.mp4"
    upload.write_bytes(b"12345678")
    take_in(upload, tmp_path, "clip", max_bytes=8)
    assert (tmp_path / "clip").read_bytes() == b"12345678"
    with pytest.raises(JobError, match="at most 0 MB"):
        take_in(upload, tmp_path, "clip", max_bytes=7)
    upload.write_bytes(b"")
    with pytest.raises(JobError, match="empty"):
        take_in(upload, tmp_path, "clip", max_bytes=8)


def test_a_file_that_is_no_video_gets_one_sentence_without_our_folders(tmp_path):
    (tmp_path / "clip").write_text("#EXTM3U\nhttp://example.com/a.ts\n")
    *_, last = run_job(Task(kind="send", source="clip"), tmp_path)
    assert isinstance(last, News) and last.error and "\n" not in last.error
    assert str(tmp_path) not in last.error and last.error.startswith("clip ")
