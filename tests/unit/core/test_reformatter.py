"""A reformatter that is kept gives what a new one would, whatever it was asked for before."""

import threading

import av
import numpy as np
from av.video.reformatter import Interpolation

from lgvsc.core.reformatter import Reformatter


def picture(seed: int, height: int = 48, width: int = 64) -> av.VideoFrame:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return av.VideoFrame.from_ndarray(pixels, format="rgb24")


def test_pictures_and_wishes_may_change_from_one_to_the_next() -> None:
    reformatted = Reformatter()
    for seed, wanted in enumerate(
        [
            {"width": 32, "height": 24},
            {"width": 32, "height": 24},
            {"format": "yuv420p", "interpolation": Interpolation.BICUBIC},
            {"width": 128, "height": 96, "interpolation": Interpolation.BICUBIC},
        ]
    ):
        frame = picture(seed, 48 + 16 * (seed % 2))
        assert np.array_equal(reformatted(frame, **wanted).to_ndarray(), frame.reformat(**wanted).to_ndarray())


def test_threads_do_not_disturb_each_other() -> None:
    reformatted, wrong = Reformatter(), []

    def work(width: int) -> None:
        for seed in range(50):
            frame = picture(seed)
            same = frame.reformat(width=width, height=24).to_ndarray()
            if not np.array_equal(reformatted(frame, width=width, height=24).to_ndarray(), same):
                wrong.append((width, seed))

    threads = [threading.Thread(target=work, args=(width,), daemon=True) for width in (32, 48, 80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not any(thread.is_alive() for thread in threads)
