"""Nothing is lost: what is read is never written over, and what cannot be written is known before any work."""

import os

import pytest

from lgvsc.core.files import check_outputs, final_name, part_path, rebuilt_path, refuse_doubles, require_file
from lgvsc.errors import ConfigError, InputError, OutputExistsError


def test_an_output_that_is_an_input_is_refused_whatever_its_name(tmp_path):
    source = tmp_path / "a.mp4"
    source.write_bytes(b"x")
    (tmp_path / "link.mp4").symlink_to(source)
    os.link(source, tmp_path / "hard.mp4")
    (tmp_path / "sub").mkdir()
    for name in ("a.mp4", "link.mp4", "hard.mp4", "sub/../a.mp4"):
        with pytest.raises(ConfigError, match="would be replaced"):
            check_outputs(tmp_path / name, force=True, inputs=[source])
    check_outputs(tmp_path / "b.mp4", force=False, inputs=[source])
    with pytest.raises(OutputExistsError):
        check_outputs(source, force=False)


def test_two_outputs_with_one_name_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="two outputs"):
        check_outputs(tmp_path / "a.json", None, tmp_path / "." / "a.json", force=True)
    with pytest.raises(ConfigError, match="one name"):
        refuse_doubles([tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mkv"], "results")


def test_places_that_take_no_file_are_noticed_first(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path, words in {
        tmp_path / "nowhere" / "a.mp4": "is not a folder",
        tmp_path: "is a folder",
        tmp_path / "pipe.mp4": "a device or a pipe",
        tmp_path / ("n" * 300): "cannot be written",
    }.items():
        with pytest.raises(ConfigError, match=words):
            check_outputs(path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe.mp4"]
    longest = tmp_path / ("n" * 251 + ".mp4")
    check_outputs(longest, force=False)
    assert len(part_path(longest).name) <= 255


def test_what_is_no_file_is_said_as_it_is(tmp_path):
    for path, words in {
        tmp_path / "absent.mp4": "is not a file; give the path of a video",
        tmp_path: "is a folder",
        type(tmp_path)("https://example.org/a.mp4"): "^https://example.org/a.mp4 is a URL",
        type(tmp_path)("rtsp://camera/1"): "is a URL",
    }.items():
        with pytest.raises(InputError, match=words):
            require_file(path, "a video")
    with pytest.raises(InputError, match="is a URL"):
        rebuilt_path(type(tmp_path)("https://example.org/a.mp4"))
    odd = tmp_path / "https:"
    odd.mkdir()
    (odd / "a.mp4").write_bytes(b"x")
    assert require_file(odd / "a.mp4", "a video").is_file()


def test_a_pipe_is_called_one(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="is a device or a pipe, not a file"):
        require_file(tmp_path / "a.mp4", "a video")


def test_what_is_half_written_is_named_as_the_user_named_it(tmp_path):
    path = tmp_path / "a b.mp4"
    assert final_name(str(path)) == str(path)
    assert final_name(f"file:{part_path(path)}") == str(path)
    assert final_name(str(part_path(part_path(path)))) == str(path)


def test_names_that_no_text_can_hold_are_refused_in_a_sentence(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    path.touch()
    with pytest.raises(InputError, match="not in UTF-8"):
        require_file(path, "a video")
    with pytest.raises(ConfigError, match="not in UTF-8"):
        check_outputs(path, force=True)
