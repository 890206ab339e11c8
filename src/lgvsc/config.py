"""Configuration: a preset, a scheme laid over it, and single settings on top. Reading one runs no code of ours.

A preset is a TOML file that names one model for each role and one value for each setting; a scheme is a TOML file
that changes a few of them. Unknown keys are errors that name the nearest known one.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ValidationError

from lgvsc import kinds
from lgvsc.core.files import require_file
from lgvsc.errors import ConfigError, LgvscError
from lgvsc.semantics.thresholds import StoredThreshold
from lgvsc.settings import Config, merge, of_scheme, packaged, with_chosen_scheme
from lgvsc.world.adapters import check_combination

__all__ = ["SCHEMES", "Config", "command_of", "load_config", "parse_settings", "presets", "with_chosen_scheme"]

SCHEMES = kinds.schemes()
USUAL_SCHEME = "skem-dsa"  # the papers', where a preset names none
OPTIONS = {  # of ``lgvsc run``, for what has an option of its own beside ``--set``
    "channel.kind": "--channel",
    "channel.snr_db": "--snr-db",
    "coding.budget": "--budget",
    "objective": "--objective",
    "link.max_side": "--max-side",
    "seed": "--seed",
}
OF_THIS_MACHINE = {"judge.cache_dir"}  # changes no number, and names a folder


def load_config(
    preset: str = "compact", scheme: str | None = None, settings: Sequence[str] | Mapping[str, Any] = ()
) -> Config:
    """Resolve a configuration.

    Args:
        preset: Name of a preset that lgvsc ships, or path of a TOML file.
        scheme: Scheme id, for example ``skem-dsa``; ``None``: the one that the preset names.
        settings: Changes on top, as ``"section.key=value"`` strings or a mapping from dotted keys to values.

    Raises:
        ConfigError: Unknown preset, scheme or key; a value out of range; settings that contradict each other.
        InputError: A file that the settings name is not there.
    """
    data = _preset(preset)
    data |= {"preset": preset, "scheme": data.get("scheme", USUAL_SCHEME) if scheme is None else scheme}
    merge(data, _scheme(data["scheme"]))
    for key, value in parse_settings(settings).items():
        _set(data, key, value)
    _check_keys(data, Config)
    _take_threshold(data, explicit="keyframes.threshold" in parse_settings(settings))
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise ConfigError(f"{where} is missing in preset {preset}; lgvsc config show prints a whole one") from error
        words = first["msg"].removeprefix("Value error, ")
        raise ConfigError(words if words.startswith(f"{where}.") else f"{where}: {words}") from error
    check_combination(config.keyframes.method, config.world.adapter)
    kinds.check(config)
    return config


def command_of(config: Config, video: str) -> str | None:
    """The command that sends a video under a configuration: options for what differs from preset and scheme.

    Args:
        config: As :func:`load_config` returned it, before a budget or ``auto`` changed it.
        video: Name of the file.

    Returns:
        One line for a shell; ``None`` where no command line says this, as the preset is not at hand or a setting has
        no written form.
    """
    try:
        base = load_config(config.preset, config.scheme).model_dump(mode="json")
    except LgvscError:
        return None
    words = ["lgvsc", "run", video, "--preset", config.preset, "--scheme", config.scheme]
    words += ["--snr-db", str(config.channel.snr_db).removesuffix(".0")]
    for key, value in flat(config.model_dump(mode="json")).items():
        if value == flat(base).get(key) or key in OF_THIS_MACHINE | {"channel.snr_db"}:
            continue
        if value is None:
            return None
        if key == "link.metrics":
            words += ["--metrics", ",".join(value)]
        else:
            words += [OPTIONS[key], str(value)] if key in OPTIONS else ["--set", f"{key}={json.dumps(value)}"]
    return shlex.join(words)


def flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as one mapping from dotted keys."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def presets() -> list[str]:
    """Names of the presets that lgvsc ships."""
    return sorted(p.name.removesuffix(".toml") for p in packaged().iterdir() if p.name.endswith(".toml"))


def _preset(name: str) -> dict[str, Any]:
    path = Path(name)
    if path.suffix == ".toml":
        data = require_file(path, "a preset").read_bytes()
    elif name in presets():
        data = (packaged() / f"{name}.toml").read_bytes()
    else:
        raise ConfigError(f"no preset is called {name!r}; there are {', '.join(presets())}, or give a .toml file")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also: not UTF-8, integers of thousands of digits, deep nesting
        raise ConfigError(f"preset {name} is not valid TOML: {error}") from error


def _scheme(name: str) -> dict[str, Any]:
    if name == "skem-sfa":
        check_combination("skem", "sfa")
    known = kinds.schemes()
    if name not in known:
        raise ConfigError(f"no scheme is called {name!r}" + _near(str(name), known))
    return of_scheme(name)


def parse_settings(settings: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a mapping from dotted keys to values; ``"a.b=0.2"`` has a number, ``"a.b=word"`` a string."""
    return dict(settings) if isinstance(settings, Mapping) else dict(_parse_setting(text) for text in settings)


def _parse_setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"setting {text!r} has no '='; write for example keyframes.threshold=0.2")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        return key.strip(), value.strip()  # a bare word is a string


def _take_threshold(data: dict[str, Any], explicit: bool) -> None:
    """The threshold out of ``judge.threshold_file``, where one is named and no other one is."""
    judge, keyframes = data.get("judge"), data.get("keyframes")
    path = judge.get("threshold_file") if isinstance(judge, dict) else None
    if isinstance(path, str) and path and isinstance(keyframes, dict) and not explicit:
        keyframes["threshold"] = StoredThreshold.read(Path(path)).threshold


def _set(data: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, key = dotted.split(".")
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{dotted!r}: {section!r} is a value, not a section")
    data[key] = value


def _check_keys(data: Mapping[str, Any], kind: Any, where: str = "") -> None:
    """Refuse unknown keys, at any depth, with the nearest known one."""
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)] if is_dataclass(kind) else list(kind.model_fields)
    for key, value in data.items():
        if key not in known:
            raise ConfigError(f"no setting is called {where + key!r}" + _near(where + key, [where + k for k in known]))
        if isinstance(value, dict) and (is_dataclass(hints[key]) or hasattr(hints[key], "model_fields")):
            _check_keys(value, hints[key], f"{where}{key}.")


def _near(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=2, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else f"; known are {', '.join(known)}"
