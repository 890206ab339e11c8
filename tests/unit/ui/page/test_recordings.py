"""Recordings go out as one archive and come back; an archive of another kind is refused in one sentence."""

import io
import tarfile

import pytest
import torch

from lgvsc.channel.sigmf import SigmfReader, SigmfWriter
from lgvsc.core.air import Reception
from lgvsc.errors import InputError
from lgvsc.ui.page import recordings


def recording(stem, varying=True):
    variance = torch.tensor([0.25, float("inf"), 1.0]) if varying else torch.full((3,), 0.25)
    with SigmfWriter(stem) as air:
        air.write(Reception(torch.tensor([1 + 1j, 2j, -1 + 0j], dtype=torch.complex64), variance))
    return stem


def archive(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = member.size or len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("varying", [False, True])
@pytest.mark.parametrize("loose", [False, True])
def test_what_goes_out_comes_back(varying, loose, tmp_path):
    stem = recording(tmp_path / "received", varying)
    recordings.pack(stem, tmp_path / "received.sigmf")
    folder = tmp_path / "in"
    folder.mkdir()
    uploads = sorted(tmp_path.glob("received.*")) if loose else [tmp_path / "received.sigmf"]
    back = recordings.unpack([file for file in uploads if loose is False or file.suffix != ".sigmf"], folder)
    first, second = (torch.cat([piece.noise_variance for piece in SigmfReader(at)]) for at in (stem, back))
    assert back.parent == folder and torch.equal(first, second)
    with tarfile.open(tmp_path / "received.sigmf") as tar:
        assert all(member.uname == "" and member.mtime == 0 for member in tar)


def link(name):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a/x.sh": b"rm"}, "no part of a recording"),
        ({"../../x.sigmf-data": b"", "x.sigmf-meta": b"{}"}, ""),  # its folders are not followed
        ({link("x.sigmf-data"): b""}, "more than files"),
        ({"x.sigmf-data": b""}, "half of the recording"),
        ({"x.sigmf-data": b"", "y.sigmf-meta": b"{}"}, "2 recordings"),
        ({f"{i}.sigmf-data": b"" for i in range(40)}, "more than files"),
        ({" .sigmf-data": b""}, "no part of a recording"),
        ({"x\n.sigmf-data": b""}, "no part of a recording"),
    ],
)
def test_hostile_archives_are_refused_and_leave_nothing_outside(members, words, tmp_path):
    folder = tmp_path / "deep" / "in"
    folder.mkdir(parents=True)
    file = archive(tmp_path / "upload.sigmf", members)
    before = sorted(p for p in tmp_path.rglob("*") if folder not in p.parents)
    if words:
        with pytest.raises(InputError, match=words) as refused:
            recordings.unpack([file], folder)
        assert "\n" not in str(refused.value)
    else:
        assert recordings.unpack([file], folder) == folder / "x"
    assert sorted(p for p in tmp_path.rglob("*") if folder not in p.parents) == before


def test_other_files_truncated_and_large_ones_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="no part of a recording"):
        recordings.unpack([tmp_path / "notes.txt"], folder)
    recordings.pack(recording(tmp_path / "r"), tmp_path / "r.sigmf")
    whole = (tmp_path / "r.sigmf").read_bytes()
    (tmp_path / "cut.sigmf").write_bytes(whole[:900])
    with pytest.raises(InputError, match=r"damaged|half of the recording"):
        recordings.unpack([tmp_path / "cut.sigmf"], folder)
    monkeypatch.setattr(recordings, "MAX_BYTES", 10)
    with pytest.raises(InputError, match="larger than"):
        recordings.unpack([tmp_path / "r.sigmf"], folder)
