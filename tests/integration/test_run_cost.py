"""What captioner and judge did for a run is told on request, seconds of every part that recognises among it."""

import re
from fractions import Fraction

import numpy as np
from skimage import data
from typer.testing import CliRunner

from lgvsc.cli.main import app
from lgvsc.core.video import Video, write_video


def test_the_cost_of_a_run_names_detector_classifier_and_captions(tmp_path):
    picture = data.chelsea()[:224, :320]
    clip = np.stack([np.roll(picture, 2 * i, axis=1) for i in range(12)])
    write_video(tmp_path / "cat.mp4", Video(clip, Fraction(24)))
    asked = ["run", str(tmp_path / "cat.mp4"), "-o", str(tmp_path / "out.mp4"), "--metrics", "psnr", "-q", "--cost"]
    shown = CliRunner().invoke(app, asked)
    assert shown.exit_code == 0, shown.output
    for part in ("detector", "classifier", "captions"):
        (seconds,) = re.findall(rf"seconds, {part} +([\d.]+)", shown.stdout)
        assert float(seconds) > 0
