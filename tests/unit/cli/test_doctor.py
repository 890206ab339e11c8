"""The doctor names what is wrong and what helps; it never falls over itself."""

import sys

import pytest

from lgvsc.cli import doctor
from lgvsc.cli.doctor import Check, doctor_report, render
from lgvsc.cli.machine import memory_gb


@pytest.fixture
def broken_torchvision(tmp_path, monkeypatch):
    """A torchvision that was built for another torch fails while it is imported."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)


def test_a_broken_torchvision_is_named_with_its_remedy(broken_torchvision):
    check = doctor.check_torchvision()
    assert check.status == "warn"
    assert "torchvision::nms" in check.detail and "pip uninstall torchvision" in check.remedy


def test_metrics_work_beside_a_broken_torchvision(broken_torchvision):
    import importlib

    import lgvsc.metrics.quality

    assert importlib.reload(lgvsc.metrics.quality).QualityMeter().result().frames == 0


def test_missing_extras_say_how_to_get_them(monkeypatch):
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    checks = doctor.check_extras()
    assert all(check.status == "warn" for check in checks)
    assert {check.remedy for check in checks} >= {"pip install 'lgvsc[demo]'", "pip install 'lgvsc[bench]'"}
    assert any("VMAF" in check.detail for check in checks) and any("Parquet" in check.detail for check in checks)


def test_a_check_that_raises_is_reported_not_raised(monkeypatch):
    def fall(*_: object) -> Check:
        raise OSError("libGL.so.1: cannot open shared object file\nmore")

    for name in dir(doctor):
        if name.startswith("check_"):
            monkeypatch.setattr(doctor, name, fall)
    checks = doctor_report()
    assert len(checks) == 14 and all(check.status == "failed" for check in checks)
    assert checks[0].detail == "libGL.so.1: cannot open shared object file"


def test_opencv_without_cascades_fails(monkeypatch, tmp_path):
    cv2 = pytest.importorskip("cv2")
    assert doctor.check_opencv().status == "ok"
    monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
    check = doctor.check_opencv()
    assert check.status == "failed" and "frontalface_default" in check.detail


def test_presets_that_are_not_shipped_are_said_to_be_absent(monkeypatch):
    from lgvsc import kinds

    monkeypatch.setattr(kinds, "scheme", lambda config: None)
    checks = {check.name: check for check in doctor.check_presets()}
    assert checks["preset compact"].status == "ok"
    monkeypatch.setattr(kinds, "scheme", lambda config: 1 / 0)
    checks = {check.name: check for check in doctor.check_presets()}
    assert checks["preset compact"] == Check("preset compact", "failed", "division by zero")
    from lgvsc.config import presets

    for name in ("paper", "modern"):
        assert ("not part of this release" in checks[f"preset {name}"].detail) == (name not in presets())


def test_a_preset_whose_weights_are_not_here_is_a_warning_with_the_way_to_them(monkeypatch):
    from lgvsc import kinds

    monkeypatch.setattr(kinds, "scheme", lambda config: None)
    monkeypatch.setattr("lgvsc.models.hub.hub_cache", lambda: None)
    checks = {check.name: check for check in doctor.check_presets()}
    assert checks["preset paper"].status == "warn"
    detail, remedy = checks["preset paper"].detail, checks["preset paper"].remedy
    assert "its weights are 42.1 GB" in detail  # the catalogue's sum
    assert "internvl2-8b" in detail and "opensora-1.2" in detail
    assert "lgvsc models pull internvl2-8b" in remedy and "lgvsc models pull opensora-1.2" in remedy
    assert "its weights are 24.9 GB" in checks["preset modern"].detail


def test_open_soras_needs_are_reckoned(monkeypatch):
    monkeypatch.setattr(doctor, "matmul_flop_per_s", lambda gpu: 100e12)
    check = doctor.check_open_sora()
    assert "3.2 GB of weights" in check.detail and "0.79 PFLOP" in check.detail and "at least 4 s per" in check.detail
    assert check.status in ("ok", "warn")
    assert doctor.duration(200) == "3 minutes" and doctor.duration(2e6) == "23 days"


def test_memory_is_plausible():
    total, free = memory_gb()
    assert total is None or 0.1 < total < 1e5
    assert free is None or (total is not None and 0 <= free <= total)


def test_text_has_a_line_for_each_check_and_each_remedy():
    text = render([Check("disk", "ok", "9 GB free"), Check("extra demo", "warn", "absent", "pip install x")])
    assert text.splitlines() == [
        "ok      disk        9 GB free",
        "warn    extra demo  absent",
        "                    -> pip install x",
    ]
