"""Structural similarity, on one scale and on five, on 8-bit RGB pictures.

Written here rather than taken from a library, and compared with three of them in the tests: a separable window
is many times faster on a CPU, and this works beside a broken torchvision, where importing torchmetrics fails.

Window: Gaussian, 11 x 11, sigma 1.5. Range 255 (K1 = 0.01, K2 = 0.03), population statistics, only places
where the window lies inside the picture. R, G and B are measured apart and averaged.

Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity", Eq. (13);
Wang et al. 2003, "Multiscale structural similarity for image quality assessment", Eq. (7) and its five weights.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lgvsc.core.video import Pixels
from lgvsc.errors import ShapeError

WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
MIN_SSIM_SIDE = WINDOW
MIN_MS_SSIM_SIDE = WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)  # 176: the window must fit into the smallest scale


def ssim(first: Pixels, second: Pixels) -> float:
    """Mean structural similarity of two uint8 ``(H, W, 3)`` pictures, in [-1, 1].

    Raises:
        ShapeError: A side is shorter than the window's 11 pixels, or the sizes differ.
    """
    check(first, second, MIN_SSIM_SIDE)
    similarity, _ = statistics(first.astype(np.float32), second.astype(np.float32))
    return float(similarity.mean())


def ms_ssim_and_ssim(first: Pixels, second: Pixels) -> tuple[float, float]:
    """Multi-scale similarity in [0, 1], and the plain one, which its first scale gives for nothing.

    Scales are multiplied for each of R, G and B before these are averaged. A negative mean contrast counts as
    zero, as a fractional power of it is not a number.

    Raises:
        ShapeError: The short side is below 176 pixels, or the sizes differ.
    """
    check(first, second, MIN_MS_SSIM_SIDE)
    a, b = first.astype(np.float32), second.astype(np.float32)
    single = 0.0
    product = np.ones(3)
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            a, b = halved(a), halved(b)
        similarity, contrast = statistics(a, b)
        if scale == 0:
            single = float(similarity.mean())
        last = scale == len(SCALE_WEIGHTS) - 1
        product *= np.maximum(0.0, similarity if last else contrast) ** weight
    return float(product.mean()), single


def statistics(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means of the similarity map and of its contrast-and-structure factor, one of each for R, G and B.

    Works on the sum and the difference of the pictures: four filtered maps instead of five.
    """
    plus, minus = a + b, a - b
    mean_plus, mean_minus = windowed(plus), windowed(minus)
    square_plus, square_minus = mean_plus * mean_plus, mean_minus * mean_minus
    variance_plus = windowed(plus * plus) - square_plus
    variance_minus = windowed(minus * minus) - square_minus
    # With p = a + b and m = a - b: 2ab = (p^2 - m^2) / 2 and a^2 + b^2 = (p^2 + m^2) / 2, and so for (co)variances.
    luminance = (square_plus - square_minus + 2 * C1) / (square_plus + square_minus + 2 * C1)
    contrast = (variance_plus - variance_minus + 2 * C2) / (variance_plus + variance_minus + 2 * C2)
    return np.array(cv2.mean(luminance * contrast)[:3]), np.array(cv2.mean(contrast)[:3])


def windowed(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weighted mean under the window, wherever the window lies inside the picture."""
    blurred = cv2.GaussianBlur(picture, (WINDOW, WINDOW), SIGMA)
    edge = WINDOW // 2
    return np.asarray(blurred[edge:-edge, edge:-edge], dtype=np.float32)


def halved(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    half = cv2.resize(picture[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(half, dtype=np.float32)


def check(first: Pixels, second: Pixels, side: int) -> None:
    """Raises ShapeError unless both are RGB pictures of one size that the windows fit into."""
    if first.shape != second.shape or first.ndim != 3 or min(first.shape[:2]) < side:
        raise ShapeError(
            f"needs two RGB pictures of one size, at least {side} a side; got {first.shape}, {second.shape}"
        )
