"""What this machine can run, and the exact command for what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lgvsc.cli.machine import memory_gb, this_machine

if TYPE_CHECKING:
    from lgvsc.config import Config

Status = Literal["ok", "warn", "failed"]

NEEDED_GB = 2.0  # memory of a compact run at 256x256: mostly libraries
DISK_GB = 1.0
ENCODERS = ("libx264", "libx265", "libsvtav1")
CASCADES = ("frontalface_default", "profileface", "frontalcatface_extended", "upperbody")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        status: ``ok``; ``warn``: something optional is missing; ``failed``: the default preset cannot run.
        remedy: What to do about it, where there is something to do.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def doctor_report() -> list[Check]:
    """Look at everything. Takes some seconds, as libraries are truly imported; opens no socket, changes nothing."""
    looks: list[tuple[str, Callable[[], Check | list[Check]]]] = [
        ("python", check_python),
        ("torch", check_torch),
        ("torchvision", check_torchvision),
        ("processor", check_processor),
        ("memory", check_memory),
        ("disk", check_disk),
        ("gpu", check_gpu),
        ("video files", check_encoders),
        ("opencv", check_opencv),
        ("sionna", check_sionna),
        ("weights", check_weights),
        ("extras", check_extras),
        ("presets", check_presets),
        ("open-sora", check_open_sora),
    ]
    checks: list[Check] = []
    for name, look in looks:
        try:
            found = look()
        except Exception as error:  # a doctor reports what it meets, whatever it is
            found = Check(name, "failed", first_line(error), "reinstall: pip install --force-reinstall lgvsc")
        checks += found if isinstance(found, list) else [found]
    return checks


def render(checks: Sequence[Check]) -> str:
    """The checks as lines of text, each remedy under what it cures."""
    width = max(len(check.name) for check in checks)
    lines: list[str] = []
    for check in checks:
        lines.append(f"{check.status:<6}  {check.name:<{width}}  {check.detail}")
        if check.remedy:
            lines.append(f"{'':<6}  {'':<{width}}  -> {check.remedy}")
    return "\n".join(lines)


def check_python() -> Check:
    return Check("python", "ok", f"{platform.python_version()}, {platform.system()} {platform.machine()}")


def check_torch() -> Check:
    import torch

    count = torch.get_num_threads()
    return Check("torch", "ok", f"{torch.__version__}, {count} {'thread' if count == 1 else 'threads'}")


def check_torchvision() -> Check:
    """lgvsc does not use it, but a build for another torch breaks libraries that find it."""
    if find_spec("torchvision") is None:
        return Check("torchvision", "ok", "not installed, and not needed")
    try:
        import_module("torchvision")
    except Exception as error:  # its ways of failing are its own: RuntimeError, ImportError, OSError
        return Check(
            "torchvision",
            "warn",
            f"{installed('torchvision')} cannot be imported beside torch {installed('torch')}: {first_line(error)}",
            "lgvsc does not need it: pip uninstall torchvision, or install the build made for your torch",
        )
    return Check("torchvision", "ok", f"{installed('torchvision')} works, and is not needed")


def check_processor() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Check("processor", "ok", f"{cores} {'core' if cores == 1 else 'cores'} to use")


def check_memory() -> Check:
    total, free = memory_gb()
    if total is None:
        return Check("memory", "ok", "this system does not say how much it has")
    words = f"{total:.1f} GB" + (f", {free:.1f} GB free" if free is not None else "")
    if (free if free is not None else total) < NEEDED_GB:
        return Check("memory", "warn", f"{words}; a run needs about {NEEDED_GB:g} GB", "close other programs")
    return Check("memory", "ok", words)


def check_disk() -> Check:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < DISK_GB:
        return Check("disk", "warn", f"{free:.1f} GB are free here", "make room, or write elsewhere with -o")
    return Check("disk", "ok", f"{free:.1f} GB are free here")


def check_gpu() -> Check:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        words = ", ".join(f"{p.name} with {p.total_memory / 1e9:.0f} GB" for p in names)
        return Check("gpu", "ok", f"{words}; the compact preset does not use it")
    if torch.backends.mps.is_available():
        return Check("gpu", "ok", "Apple GPU; the compact preset does not use it")
    return Check("gpu", "ok", "none, and the compact preset needs none")


def check_encoders() -> Check:
    import av
    from av.codec import codecs_available

    present = [name for name in ENCODERS if name in codecs_available]
    if "libx264" not in present:
        return Check(
            "video files",
            "failed",
            f"PyAV {av.__version__} has no libx264, so no video can be written",
            "install the wheel: pip install --force-reinstall --only-binary av av",
        )
    missing = [name for name in ENCODERS if name not in present]
    words = f"PyAV {av.__version__} writes with {', '.join(present)}"
    if missing:
        return Check("video files", "warn", f"{words}; baselines that need {', '.join(missing)} cannot run")
    return Check("video files", "ok", words)


def check_opencv() -> Check:
    import cv2

    folder = Path(cv2.data.haarcascades) if hasattr(cv2, "data") else Path()
    missing = [name for name in CASCADES if not (folder / f"haarcascade_{name}.xml").is_file()]
    if missing:
        return Check(
            "opencv",
            "failed",
            f"{cv2.__version__} lacks the detectors of {', '.join(missing)}",
            "pip install --force-reinstall 'opencv-python-headless>=4.10,<5', alone among OpenCV's packages",
        )
    return Check("opencv", "ok", f"{cv2.__version__} with detectors of faces, people and cats")


def check_sionna() -> Check:
    from lgvsc.channel.common import importing_sionna

    with warnings.catch_warnings(), importing_sionna():
        warnings.simplefilter("ignore")
        import_module("sionna.phy")
    return Check("sionna", "ok", f"sionna-no-rt {installed('sionna-no-rt')}: channel codes and demappers")


def check_weights() -> Check:
    from lgvsc.models.catalog import catalog
    from lgvsc.models.weights import load_asset

    cards = [card for card in catalog().values() if card.file]
    broken = []
    for card in cards:
        try:
            load_asset(card)
        except OSError as error:
            broken.append(first_line(error))
    if broken:
        return Check("weights", "failed", "; ".join(broken), "pip install --force-reinstall --no-deps lgvsc")
    size = sum(card.size_bytes for card in cards) / 1e6
    return Check("weights", "ok", f"{len(cards)} files, {size:.1f} MB, every digest as shipped")


def check_extras() -> list[Check]:
    """What comes with ``lgvsc[demo]`` and the other extras that a compact run may want."""
    wanted = [
        ("skimage", "scikit-image", "demo", "the sample clip"),
        ("imageio_ffmpeg", "imageio-ffmpeg", "bench", "VMAF"),
        ("matplotlib", "matplotlib", "bench", "the plots of lgvsc compare"),
        ("bjontegaard", "bjontegaard", "bench", "BD-rates of lgvsc compare"),
        ("pyarrow", "pyarrow", "bench", "the Parquet table of lgvsc compare"),
        ("ray", "ray", "ray", "--engine ray for several videos"),
        ("cryptography", "cryptography", "live", "--key for packets over UDP"),
        ("zmq", "pyzmq", "zmq", "--zmq for samples to and from a flowgraph"),
        ("gradio", "gradio", "ui", "the page of lgvsc ui"),
    ]
    checks = []
    for module, package, extra, use in wanted:
        if find_spec(module):
            checks.append(Check(f"extra {extra}", "ok", f"{package} {installed(package)}: {use}"))
        else:
            checks.append(
                Check(
                    f"extra {extra}",
                    "warn",
                    f"{package} is not installed, so there is no {use.removeprefix('the ')}",
                    f"pip install 'lgvsc[{extra}]'",
                )
            )
    return checks


def check_presets() -> list[Check]:
    """Build both ends of the link for each preset whose weights are shipped; look for those of the others."""
    from lgvsc import build, kinds
    from lgvsc.config import load_config, presets

    checks = []
    for name in presets():
        config = load_config(name)
        if not shipped(config):
            checks.append(check_large_preset(name, config))
            continue
        try:
            kinds.scheme(config)
            build.encoder(config)
            build.decoder(config)
            checks.append(Check(f"preset {name}", "ok", "ready: transmitter and receiver were built"))
        except Exception as error:  # whatever stops a run is what the user has to hear
            checks.append(Check(f"preset {name}", "failed", first_line(error)))
    return checks


def roles(config: Config) -> list[str]:
    """Names of the models that a configuration uses, once each."""
    models = config.models
    captioners = [models.captioner, models.segment_captioner, models.judge]
    return [name for name in dict.fromkeys([*captioners, *models.picture_codecs, models.world_model]) if name]


def shipped(config: Config) -> bool:
    """Whether everything that a configuration uses comes with the package."""
    from lgvsc.models.catalog import find

    return all(find(name).shipped for name in roles(config))


def check_large_preset(name: str, config: Config) -> Check:
    """Whether the weights of a preset are here, without reading gigabytes of them."""
    from lgvsc.errors import LgvscError, MissingResourceError
    from lgvsc.models.catalog import catalog, find, in_bytes
    from lgvsc.models.fitting import nearest_that_fits, what_is_short
    from lgvsc.models.hub import missing_library, pinned, weights_folder
    from lgvsc.world.backends.opensora.weights import find_folders

    machine, size = this_machine(), 0
    short, absent, to_do, pins = [], [], [], []
    for card in map(find, roles(config)):
        size += card.size_bytes * bool(card.hub) + sum(find(part).size_bytes for part in card.parts)
        if words := what_is_short(card, machine, here=True):
            other = nearest_that_fits(card, catalog().values(), machine)
            short.append(words + (f" (the nearest that fits is {other.name})" if other else " (nothing else fits)"))
        try:
            missing_library(card)
        except MissingResourceError:
            to_do.append(f"pip install 'lgvsc[{card.extra}]'")
        try:
            if card.hub or card.folder:
                weights_folder(card)
                pin = pinned(card.hub) if card.hub else None
                pins.append(
                    f"{card.name} at {pin.revision[:12]}, pinned {pin.day}" if pin else f"{card.name} not pinned"
                )
            elif card.parts:
                find_folders(config.opensora)
        except LgvscError as error:
            absent.append(card.name)
            convert = "models convert" in str(error)
            to_do.append(f"lgvsc models {'convert' if convert else 'pull'} {card.name}")
    told = [f"its weights are {in_bytes(size)}", *([f"not here: {', '.join(absent)}"] if absent else pins), *short]
    if absent or short:
        return Check(f"preset {name}", "warn", "; ".join(told), " && ".join(dict.fromkeys(to_do)))
    return Check(f"preset {name}", "ok", "; ".join([*told, "all here"]))


def check_open_sora() -> Check:
    """What the world model of the preset ``paper`` needs and how long it takes at best, by arithmetic."""
    import torch

    from lgvsc.world.backends.opensora.cost import clip_cost, weights_gb

    frames, fps = 51, 24
    cost = clip_cost(240, 426, frames)
    video_gb, text_gb = weights_gb(precision_bytes=2, text_bytes=4)
    gpu = torch.cuda.is_available()
    seconds = cost.flop / matmul_flop_per_s(gpu) / (frames / fps)
    words = (
        f"it has {video_gb:.1f} GB of weights in bfloat16, and {text_gb:.0f} GB for its text encoder in main memory; "
        f"{cost.flop / 1e15:.2f} PFLOP for {frames} frames of 240x426, so at least {duration(seconds)} per second of "
        f"video {'on the GPU' if gpu else 'without a GPU'}, reckoned from its speed in matrix products; "
        "the LGVSC paper reports 24.5 s on an RTX 4080 SUPER"
    )
    total, _ = memory_gb()
    if not gpu:
        return Check("open-sora", "warn", words, "a GPU with 8 GB or more")
    if total is not None and total < text_gb + 4:
        return Check("open-sora", "warn", words, "--set opensora.text_precision=bfloat16 halves the text encoder")
    return Check("open-sora", "ok", words)


def matmul_flop_per_s(gpu: bool) -> float:
    """Operations per second in one large matrix product, as measured now."""
    import time

    import torch

    size = 4096 if gpu else 768
    dtype = torch.bfloat16 if gpu else torch.float32
    matrix = torch.ones(size, size, dtype=dtype, device="cuda" if gpu else "cpu")
    best = float("inf")
    for _ in range(4):  # the first one warms up
        started = time.perf_counter()
        (matrix @ matrix)[0, 0].item()
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def duration(seconds: float) -> str:
    """Seconds in the unit that people think in."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def installed(package: str) -> str:
    """Version of a package, from its metadata."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, with its kind where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
