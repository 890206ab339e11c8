"""The clips of a recipe: cut from its sources, as files of their own, with what came with them in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lgvsc.config import Config
from lgvsc.core.files import refuse_doubles
from lgvsc.errors import InputError
from lgvsc.experiments.clips.excerpts import excerpt, sampled
from lgvsc.experiments.clips.sample_clip import make_sample_clip
from lgvsc.experiments.data import entries_of, is_manifest
from lgvsc.experiments.recipe import ClipPlan, Recipe
from lgvsc.kinds import kind_of
from lgvsc.training.pictures import CLIPS, held_out

SAMPLE_S = 10.0  # of the sample clip

OnClip = Callable[[Path, list[str]], None]


@dataclass(frozen=True, slots=True)
class Footage:
    """A source or a clip cut from it, and what its data set says of it."""

    path: Path
    captions: tuple[str, ...] = ()
    label: str = ""


def prepare_clips(
    plan: ClipPlan, sources: Sequence[Path], folder: Path, on_notes: OnClip = lambda *_: None
) -> tuple[list[Footage], list[str]]:
    """The clips that are sent, as files of their own, and a sentence for each that is left out.

    A source that is too short, or no video after all, does not keep the others from being sent.

    Raises:
        InputError: There is no video, or none that a clip can be cut from.
    """
    if not sources:
        return [Footage(path) for path in of_the_sample(plan, folder)], []
    files = chosen(list({source.path: source for source in found(sources, plan.held_out)}.values()), plan.count)
    if not files:
        given = ", ".join(map(str, sources))
        passed = len(list(found(sources, held_out_only=False)))
        if not passed:
            raise InputError(f"{given}: there is no video")
        raise InputError(
            f"{given}: there is no video that was held out of training (by its name), and {passed} that may have been "
            "trained on; if none was, give the files themselves, or a manifest of lgvsc data FOLDER --splits test=1"
        )
    refuse_doubles([source.path for source in files], "clips")
    clips, left_out = [], []
    for source in files:
        try:
            made = cut(plan, source.path, folder, on_notes=partial(on_notes, source.path))
            clips.append(Footage(made, source.captions, source.label))
        except InputError as error:
            on_notes(source.path, [f"left out: {error}"])
            left_out.append(f"left out: {error}")
    if not clips:
        raise InputError(f"no clip can be taken: {left_out[0].removeprefix('left out: ')}")
    return clips, left_out


def described(recipe: Recipe, clip: Footage, config: Config) -> Config:
    """The configuration that says of a clip what its data set says, where the recipe wants that.

    Raises:
        InputError: The data set says nothing of it.
    """
    if recipe.captions == "own" or not kind_of(config.scheme).generated:
        return config
    if not clip.captions:
        raise InputError(f"no manifest has a caption of {clip.path.name}; leave it out, or take --captions own")
    return config.model_copy(update={"message": replace(config.message, description=clip.captions[0])})


def cut(plan: ClipPlan, source: Path, folder: Path, **more: Any) -> Path:
    """The clip of one source."""
    if plan.seconds:
        return excerpt(source, plan.seconds, folder, **more)
    return sampled(source, folder, frames=plan.frames, fps=plan.fps, side=plan.side, **more)


def of_the_sample(plan: ClipPlan, folder: Path) -> list[Path]:
    """Pieces of the demo's clip, which lgvsc draws itself."""
    folder.mkdir(parents=True, exist_ok=True)
    sample = folder / "sample.mp4"
    if not sample.is_file():
        make_sample_clip(sample, duration_s=SAMPLE_S)
    if plan.seconds:
        return [excerpt(sample, min(plan.seconds, SAMPLE_S), folder)]
    each_s = plan.frames / plan.fps
    starts = [each_s * place for place in range(int(SAMPLE_S / each_s))]
    return [cut(plan, sample, folder, start_s=start) for start in chosen(starts, plan.count)]


def found(sources: Iterable[Path], held_out_only: bool) -> Iterable[Footage]:
    """Files as they are given; of folders those with the suffix of a video, of manifests their test split."""
    for source in sources:
        if source.is_dir():
            inside = sorted(path for path in source.rglob("*") if path.suffix.lower() in CLIPS)
            yield from (Footage(path) for path in inside if held_out(path) or not held_out_only)
        elif is_manifest(source):
            for entry in entries_of(source):
                if entry.split == "test" or held_out(Path(entry.path)) or not held_out_only:
                    yield Footage(Path(entry.path), entry.captions, entry.label)
        else:
            yield Footage(source)


def chosen(items: Sequence[Any], count: int) -> list[Any]:
    """``count`` of some things, evenly spread; all where ``count`` is 0 or more than there are."""
    if not count or count >= len(items):
        return list(items)
    return [items[(2 * place + 1) * len(items) // (2 * count)] for place in range(count)]
