"""SFA and DSA: what each refuses, and where they are the same thing."""

from __future__ import annotations

import numpy as np
import pytest
from world_pieces import FPS, Notebook, joined

from lgvsc.core.message import Segment
from lgvsc.core.video import VideoFormat
from lgvsc.errors import ConfigError
from lgvsc.world.adapters import DynamicAdapter, StaticAdapter, check_combination, make_adapter
from lgvsc.world.backends.compact.interpolation import MotionInterpolation
from lgvsc.world.decoder import DecoderConfig, SemanticDecoder


def test_dsa_sizes_each_segment():
    adapter = DynamicAdapter(Notebook())
    assert [adapter.latent_frames(n) for n in (4, 17, 1)] == [1, 5, 1]


def test_sfa_keeps_the_first_length():
    adapter = StaticAdapter(Notebook())
    assert [adapter.latent_frames(16), adapter.latent_frames(16)] == [4, 4]
    with pytest.raises(ConfigError, match=r"16 frames, but this one has 12.*dsa.*skim"):
        adapter.latent_frames(12)
    assert adapter.latent_frames(12, final=True) == 3


def test_a_new_video_starts_anew():
    assert make_adapter("sfa", Notebook()).latent_frames(9) == 3
    assert make_adapter("sfa", Notebook()).latent_frames(5) == 2


def test_skem_with_sfa_is_refused_with_reason_and_remedy():
    with pytest.raises(ConfigError, match=r"unequal.*adapter = 'dsa'.*keyframes.method = 'skim'"):
        check_combination("skem", "sfa")
    for method, adapter in (("skem", "dsa"), ("skim", "sfa"), ("skim", "dsa")):
        check_combination(method, adapter)


@pytest.mark.parametrize("lost", [None, 1])
def test_skim_with_dsa_equals_skim_with_sfa_bit_for_bit(lost):
    """Appendix E, Table VII; also where a burst is lost on the way, and with a shorter final segment."""
    rng = np.random.default_rng(3)
    video = VideoFormat(48, 64, FPS, 34)
    segments = [
        Segment(
            video=video,
            start=start,
            stop=min(start + 9, 34),
            caption="large textured green area at left" if start != 18 else None,
            keyframe=None if start == 18 else rng.integers(0, 256, (48, 64, 3), dtype=np.uint8),
            last=start == 27,
        )
        for start in range(0, 34, 9)
    ]
    arrived = [s for number, s in enumerate(segments) if number != lost]
    made = {}
    for name in ("sfa", "dsa"):
        decoder = SemanticDecoder(MotionInterpolation(), DecoderConfig(adapter=name), seed=5)
        made[name] = joined(list(decoder.videos(arrived)))
    assert np.array_equal(made["sfa"][0], made["dsa"][0])
    assert made["sfa"][1] == made["dsa"][1]
    assert len(made["sfa"][0]) == 34
