"""Picture files as people see them: upright, 8-bit RGB, nothing transparent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from warnings import catch_warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lgvsc.core.files import require_file
from lgvsc.core.picture_chain import MAX_PIXELS, Pixels
from lgvsc.errors import InputError

PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # not those for which Pillow runs a program
ORIENTATION = 0x0112  # of EXIF
WORDS = {
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored along its falling diagonal",
    6: "turned by 90 degrees clockwise",
    7: "mirrored along its rising diagonal",
    8: "turned by 90 degrees counter-clockwise",
}


def read_picture(path: Path, on_note: Callable[[str], None] = lambda _: None) -> Pixels:
    """An RGB picture from a file, ``(H, W, 3)``.

    The orientation of its EXIF data is applied, 16 bits are scaled to 8, transparent parts are shown over white.

    Args:
        on_note: Called with a sentence for everything that was changed.

    Raises:
        InputError: Not a picture, or above 16 megapixels.
    """
    require_file(path, "a picture")
    try:
        with catch_warnings(action="ignore"), Image.open(path, formats=PICTURE_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{path} is {image.width}x{image.height}; above {MAX_PIXELS // 10**6} megapixels")
            if getattr(image, "n_frames", 1) > 1:
                on_note(f"{path.name}: of its {getattr(image, 'n_frames', 1)} pictures the first is taken")
            turned = image.getexif().get(ORIENTATION, 1)
            if turned in WORDS:
                on_note(f"{path.name}: the picture is {WORDS[turned]}, as its EXIF data ask")
            upright = ImageOps.exif_transpose(image)
            return rgb(upright, lambda words: on_note(f"{path.name}: {words}"))
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # Pillow's readers answer damage with ValueError and SyntaxError as well.
        raise InputError(f"{path} cannot be read as a picture ({', '.join(PICTURE_FORMATS)})") from error


def exif_orientation(path: Path) -> int:
    """What a picture's EXIF data say of its orientation; 1, upright, where they or the picture are none."""
    try:
        with catch_warnings(action="ignore"), Image.open(path, formats=PICTURE_FORMATS) as image:
            return int(image.getexif().get(ORIENTATION, 1))
    except (UnidentifiedImageError, OSError, ValueError, TypeError, SyntaxError, Image.DecompressionBombError):
        return 1


def rgb(image: Image.Image, on_note: Callable[[str], None]) -> Pixels:
    """RGB pixels of any kind of picture that Pillow has."""
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits and more, which Pillow would cut off at 255
        on_note("its samples are scaled to 8 bits")
        values = np.asarray(image, dtype=np.float64)
        if image.mode == "F":
            top = 1.0 if values.max(initial=0.0) <= 1.0 else 255.0 if values.max() <= 255.0 else 65535.0
        else:
            top = 65535.0 if values.max(initial=0.0) <= 65535 else 2.0**32 - 1
        grey = np.clip(np.round(values / top * 255.0), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        if rgba.getchannel("A").getextrema() != (255, 255):
            on_note("transparent parts are shown over white")
            white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
            return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))
    return np.asarray(image.convert("RGB"))
