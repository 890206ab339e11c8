"""Every error that lgvsc raises on purpose, with the exit status that the command line gives it."""

from __future__ import annotations

from pathlib import Path


class LgvscError(Exception):
    """Base of every error lgvsc raises on purpose. Exit status 1."""

    exit_status = 1


class ConfigError(LgvscError, ValueError):
    """A setting is unknown, out of range, or contradicts another one. Exit status 2."""

    exit_status = 2


class InputError(LgvscError, ValueError):
    """A file, stream or picture from outside cannot be used. Exit status 3."""

    exit_status = 3


class ShapeError(LgvscError, ValueError):
    """An array has the wrong shape or type for the function it was given to."""


class OutputExistsError(LgvscError, FileExistsError):
    """An output file is already there and ``--force`` was not given. Exit status 2."""

    exit_status = 2

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists and is kept; give another path, or --force to replace it")
        self.path = path


class MissingResourceError(LgvscError, FileNotFoundError):
    """Weights, disk space or a device that a run needs are not here. Exit status 4."""

    exit_status = 4


class UnknownModelError(ConfigError):
    """No model in the catalogue has the name that was asked for."""
