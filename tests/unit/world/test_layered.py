import cv2
import numpy as np
import pytest

from lgvsc.errors import ConfigError, InputError
from lgvsc.nets.enhancer import Enhancer, EnhancerConfig
from lgvsc.world.enhancing import as_coarse, move_onto, texture_of
from lgvsc.world.layered import CompactEnhancer, Structure, filled_in, load

CODED = (48, 64)
STRUCTURE = Structure(coded=CODED, quantiser=45.0, interval_s=0.2)


def scene(shift: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    wide = cv2.GaussianBlur(cv2.resize(noise, (360, 240), interpolation=cv2.INTER_CUBIC), (0, 0), 1.0)
    return np.ascontiguousarray(wide[24:216, 40 + shift : 296 + shift])


def untrained() -> CompactEnhancer:
    config = EnhancerConfig(width=4, blocks=1)
    weights = Enhancer(config).state_dict()
    return CompactEnhancer(config, weights, weights)


def error(one: np.ndarray, other: np.ndarray) -> float:
    inner = (slice(16, -16), slice(16, -16))
    return float(np.abs(one[inner].astype(int) - other[inner].astype(int)).mean())


def test_a_keyframe_moved_onto_a_small_frame_is_nearer_to_the_truth_than_either() -> None:
    key, truth = scene(0), scene(5)
    plain = as_coarse(truth, CODED)
    moved, trust, flows = texture_of(plain, [(key, as_coarse(key, CODED))], [None])
    assert error(moved, truth) < 0.6 * min(error(plain, truth), error(key, truth))
    assert trust.shape == truth.shape[:2] and flows[0] is not None


def test_a_keyframe_of_something_else_is_not_trusted() -> None:
    other = np.ascontiguousarray(255 - scene(0)[::-1])
    right = move_onto(as_coarse(scene(4), CODED), as_coarse(scene(0), CODED)).trust
    wrong = move_onto(as_coarse(scene(4), CODED), as_coarse(other, CODED)).trust
    assert float(wrong.mean()) < 0.3 * float(right.mean())


def test_untrained_it_shows_the_small_frames_as_they_are() -> None:
    plain = [as_coarse(scene(shift), CODED) for shift in (0, 3, 6)]
    for keys in ([], [scene(0)], [scene(0), scene(6)]):
        made = list(untrained().enhanced(plain, STRUCTURE, keys, look=0.5))
        assert len(made) == 3 and all(np.array_equal(a, b) for a, b in zip(made, plain, strict=True))


def test_a_look_beyond_its_ends_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"look is 1\.5"):
        list(untrained().enhanced([scene(0)], STRUCTURE, look=1.5))


def test_frames_between_small_frames_move() -> None:
    made = list(filled_in([scene(0), scene(8)], [2, 6], 10))
    assert len(made) == 10 and np.array_equal(made[0], scene(0)) and np.array_equal(made[9], scene(8))
    assert np.array_equal(made[2], scene(0)) and np.array_equal(made[6], scene(8))
    assert error(made[4], scene(4)) < 0.5 * error(scene(0), scene(4))


def test_pictures_without_positions_are_refused() -> None:
    with pytest.raises(ConfigError, match="1 pictures are given for 2 positions"):
        list(filled_in([scene(0)], [0, 1], 4))


def test_other_bytes_are_no_weights() -> None:
    with pytest.raises(InputError, match="weights of an enhancer"):
        load(b"nonsense and more")
