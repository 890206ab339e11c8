"""Pipelines of diffusers from a folder: safetensors only, nothing missing, no code from the folder, no network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from lgvsc.errors import MissingResourceError

INDEX = "model_index.json"
LIBRARIES = ("diffusers", "transformers")  # what parts of a pipeline may come from


def open_pipeline(
    folder: Path,
    class_name: str,
    dtypes: Mapping[str, torch.dtype],
    without: tuple[str, ...] = (),
    **parts: Any,
) -> Any:
    """A pipeline with its networks in memory.

    Args:
        class_name: Of the pipeline, in diffusers.
        dtypes: Number format of each network; ``"default"`` is that of the others.
        without: Parts that are left out.
        parts: Parts that do not lie in the folder.

    Raises:
        MissingResourceError: The library, the folder's index, or a tensor is missing.
    """
    libraries = imported()
    index = read_index(folder)
    given = dict.fromkeys(without) | parts
    for name, (library, kind) in index.items():
        if name in given or not any((folder / name).glob("*.safetensors*")):
            continue
        if library not in LIBRARIES:
            raise MissingResourceError(f"{folder}: its part {name} is {library}.{kind}, which lgvsc does not run")
        dtype = dtypes.get(name, dtypes["default"])
        given[name] = open_network(getattr(libraries[library], kind), folder / name, dtype)
    with readable(folder, class_name), quietly():
        pipeline = getattr(libraries["diffusers"], class_name).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, **given
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def open_network(kind: Any, folder: Path, dtype: torch.dtype) -> Any:
    """One network, refused where the library would go on with random numbers in place of what is missing."""
    settings: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    settings["dtype" if kind.__module__.startswith("transformers") else "torch_dtype"] = dtype
    with readable(folder, kind.__name__), quietly():
        network, found = kind.from_pretrained(folder, **settings)
    missing = sorted(str(key) for kinds in ("missing_keys", "mismatched_keys") for key in found.get(kinds, ()))
    if missing:
        raise MissingResourceError(
            f"{folder} lacks or misfits {len(missing)} tensors of {kind.__name__}, for example {missing[0]}"
        )
    return network.eval()


def check_folder(folder: Path, *class_names: str) -> None:
    """Refuse, before gigabytes are read, a folder that holds another pipeline.

    Raises:
        MissingResourceError: It does, or it holds none, or diffusers is not installed.
    """
    if find_spec("diffusers") is None:
        raise MissingResourceError("pipelines of diffusers need more libraries: pip install 'lgvsc[modern]'")
    found = read_json(folder).get("_class_name")
    if found not in class_names:
        raise MissingResourceError(f"{folder} holds a {found}, not a {' or '.join(class_names)}")


def placed(pipeline: Any, device: str, offload: str) -> Any:
    """The pipeline where it runs.

    Raises:
        MissingResourceError: The device is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise MissingResourceError(
            f"diffusers.device is {device!r}, which this machine does not have: {error}"
        ) from error
    if device == "cpu" or offload == "none":
        return pipeline.to(device)
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    return pipeline


def precision_of(name: str) -> torch.dtype:
    """The number format of a name."""
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def imported() -> dict[str, Any]:
    """The libraries that pipelines are made of.

    Raises:
        MissingResourceError: One is not installed.
    """
    try:
        return {name: import_module(name) for name in LIBRARIES}
    except ImportError as error:
        raise MissingResourceError(
            f"pipelines of diffusers need more libraries: pip install 'lgvsc[modern]' ({error})"
        ) from error


def read_index(folder: Path) -> dict[str, tuple[str, str]]:
    """Library and class of each part that a pipeline's folder speaks of.

    Raises:
        MissingResourceError: It is no pipeline's folder.
    """
    pairs = {key: value for key, value in read_json(folder).items() if isinstance(value, list) and len(value) == 2}
    return {key: (str(library), str(kind)) for key, (library, kind) in pairs.items() if library is not None}


def read_json(folder: Path) -> dict[str, Any]:
    """The index of a pipeline's folder.

    Raises:
        MissingResourceError: There is none that can be read.
    """
    try:
        return dict(json.loads((folder / INDEX).read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise MissingResourceError(
            f"{folder} holds no pipeline of diffusers: {INDEX} cannot be read ({error})"
        ) from error


@contextmanager
def readable(folder: Path, what: str) -> Iterator[None]:
    """The libraries' ways of saying that a folder does not hold something, as one error."""
    try:
        yield
    except MissingResourceError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError, ImportError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MissingResourceError(f"{folder} cannot be read as {what}: {said}") from error


@contextmanager
def quietly() -> Iterator[None]:
    """The libraries draw bars and give advice on stderr otherwise, whatever the user has said about it."""
    logs: list[Any] = [import_module("diffusers.utils.logging"), import_module("transformers.utils.logging")]
    before = [(log, log.is_progress_bar_enabled(), log.get_verbosity()) for log in logs]
    for log in logs:
        log.disable_progress_bar()
        log.set_verbosity_error()
    try:
        yield
    finally:
        for log, bars, verbosity in before:
            log.set_verbosity(verbosity)
            if bars:
                log.enable_progress_bar()
