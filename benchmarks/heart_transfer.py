"""Does a network that saw only the simulated heart find the ventricle in real clips?

    python benchmarks/heart_transfer.py train --only heart --prototype ../shared/prototypes --out /tmp/transfer
    python benchmarks/heart_transfer.py train --only flat --prototype ../shared/prototypes --out /tmp/transfer
    python benchmarks/heart_transfer.py show --data ../shared/data --out /tmp/transfer
    python benchmarks/heart_transfer.py reveal --out /tmp/transfer

The same U-Net (at most 0.5 million parameters) is trained on the three-dimensional heart and on the flat prototype,
three seeds each, every one for the same processor time, the making of its images included: 20 minutes of one thread
are ten minutes of two cores. The two calls of `train` share the work of two cores; a killed one goes on. `--steps`
counts steps instead: as many as that time allows, on any machine (`--device cuda`). `show` gives every network a random
letter and writes one sheet a letter with the outlines in three frames of every clip and the area of the cavity over the
clip, and `scores.csv` (one cavity, periodicity) by letter; which letter is what is in `key.csv` only. With `--cleaned`
frames of an implausible area are interpolated, the scores averaged over neighbouring frames, and only the largest piece
of the cavity is kept, as anything that measures it would. Whoever counts writes `counted.csv` (letter, found);
`reveal` then prints all of it by kind.
"""

from __future__ import annotations

import argparse
import csv
import math
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d, median_filter
from torch import nn

from heart_realism import real_clips
from sonometry.simulation.phantoms.heart import View, frames

SIZE = 112
BATCH = 16
#: Images kept; every step brings new ones, and the oldest make room.
POOL = 3000
NEW_PER_STEP = 4
LARGEST_RATE = 3e-3
#: Standard deviation of the average over frames (30 a second) of `--cleaned`.
SMOOTHING_FRAMES = 1.5
#: Frames over which the usual area of a cavity is taken, about a beat.
MEDIAN_FRAMES = 31
COLOURS = np.array([[0, 0, 0], [60, 60, 230], [90, 190, 90], [220, 130, 60]], np.float32)


class UNet(nn.Module):
    """Four levels from half resolution on, 0.44 million parameters."""

    def __init__(self, widths: tuple[int, ...] = (20, 40, 64, 96)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 12, 5, stride=2, padding=2)
        self.down = nn.ModuleList()
        before = 12
        for width in widths:
            self.down.append(block(before, width))
            before = width
        self.up = nn.ModuleList(block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.head = nn.Conv2d(widths[0], 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = x.shape[-2:]
        x = self.stem(x)
        kept = []
        for i, layer in enumerate(self.down):
            x = layer(nn.functional.max_pool2d(x, 2) if i else x)
            kept.append(x)
        for layer, skip in zip(self.up, kept[-2::-1], strict=True):
            x = layer(torch.cat([nn.functional.interpolate(x, size=skip.shape[-2:]), skip], 1))
        return nn.functional.interpolate(self.head(x), size=size, mode="bilinear", align_corners=False)


def block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in ((before, after), (after, after)):
        layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers)


def heart_images(seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Frames of the three-dimensional heart, mostly four-chamber views, augmented."""
    rng = np.random.default_rng(seed)
    views = [View.A4C] * 6 + [View.A5C, View.A2C, View.A2C, View.A3C]
    for frame in frames(rng, size=(SIZE, SIZE), views=views, frames_per_clip=3, samples=160, beams=80):
        yield augment(frame.image, frame.mask, rng)


def flat_images(seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images of the flat prototype, which augments by itself."""
    from echo_2d import gen

    rng = np.random.default_rng(seed)
    while True:
        yield gen(rng)


def augment(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Place, size, grey levels and sharpness; the screen was wider than high and is squeezed to a square."""
    zoom, squeeze = rng.uniform(0.9, 1.35), rng.uniform(0.7, 1.05)
    matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), rng.uniform(-8, 8), zoom)
    matrix[0] = squeeze * matrix[0] + [0, 0, (1 - squeeze) * SIZE / 2]
    matrix[:, 2] += rng.uniform(-9, 9, 2)
    image = cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(mask, matrix, (SIZE, SIZE), flags=cv2.INTER_NEAREST)
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.2))
    grey = (image / 255.0) ** rng.uniform(0.7, 1.4) * rng.uniform(0.7, 1.15)
    if rng.random() < 0.3:
        grey = grey + rng.normal(0, rng.uniform(0, 0.04), grey.shape)
    image = (np.clip(grey, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.4:
        image = cv2.imdecode(cv2.imencode(".jpg", image, [1, int(rng.uniform(35, 95))])[1], 0)
    return image, mask


class Pool:
    """The last images of a stream, in order. It is as reproducible as the stream, but for the restart of a killed run,
    which goes on with a stream of its own."""

    def __init__(self, kind: str, seed: int, step: int) -> None:
        first = 1000 * seed + step
        self._source = heart_images(first) if kind == "heart" else flat_images(first)
        self._images, self._masks = (np.zeros((POOL, SIZE, SIZE), np.uint8) for _ in range(2))
        self._made = 0
        self.add(8 * BATCH)

    def add(self, n: int) -> None:
        for _ in range(n):
            place = self._made % POOL
            self._images[place], self._masks[place] = next(self._source)
            self._made += 1

    def batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = rng.integers(0, min(self._made, POOL), BATCH)
        x = torch.from_numpy(self._images[chosen]).float()[:, None] / 255
        return x, torch.from_numpy(self._masks[chosen]).long()


@dataclass(frozen=True)
class Budget:
    """Of one training: processor time, or as many steps."""

    seconds: float
    steps: int | None
    device: str

    def used(self, step: int, used_s: float) -> float:
        """Share that is used, 1 at the end."""
        return step / self.steps if self.steps else used_s / self.seconds


def train(kind: str, seed: int, budget: Budget, checkpoint: Path) -> nn.Module:
    """Train on a pool of images that is renewed; goes on from the checkpoint of a killed run."""
    torch.manual_seed(seed)
    network = UNet().to(budget.device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), LARGEST_RATE, weight_decay=1e-4)
    step, used_s = 0, 0.0
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        step, used_s = saved["step"], saved["used_s"]
    if budget.used(step, used_s) >= 1:
        return network.eval()
    before = time.process_time() - used_s
    rng, pool = np.random.default_rng([seed, step]), Pool(kind, seed, step)
    while budget.used(step, used_s) < 1:
        pool.add(NEW_PER_STEP)
        x, y = (part.to(budget.device) for part in pool.batch(rng))
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(budget.used(step, used_s))
        with torch.autocast(budget.device, torch.bfloat16):  # on a processor 2.4 times the steps in the same time
            logits = network(x.contiguous(memory_format=torch.channels_last))
        loss = segmentation_loss(logits.float(), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step, used_s = step + 1, time.process_time() - before
        if step % 50 == 0 or budget.used(step, used_s) >= 1:
            parts = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
            partial = checkpoint.with_suffix(".partial")
            torch.save({"step": step, "used_s": used_s, **parts}, partial)
            partial.replace(checkpoint)
            print(f"{kind} seed {seed} step {step} loss {loss.item():.3f}, {used_s:.0f} s of processor", flush=True)
    return network.eval()


def learning_rate(progress: float) -> float:
    """Rises over the first tenth of the training, then falls to nothing as a cosine."""
    rise = min(progress / 0.1, 1.0)
    fall = 0.5 * (1 + math.cos(math.pi * min(max(progress - 0.1, 0.0) / 0.9, 1.0)))
    return LARGEST_RATE * (0.05 + 0.95 * rise) * max(fall, 1e-3)


def segmentation_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy plus soft Dice of the three structures."""
    shares = logits.softmax(1)
    truth = nn.functional.one_hot(target, 4).permute(0, 3, 1, 2).float()
    both = (shares * truth).sum((0, 2, 3))
    dice = 1 - (2 * both + 1) / (shares.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + 1)
    return nn.functional.cross_entropy(logits, target) + dice[1:].mean()


def segment(network: nn.Module, clip: np.ndarray, *, is_cleaned: bool = False) -> np.ndarray:
    """(T, 112, 112) structures of a clip."""
    small = np.stack([cv2.resize(f, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for f in clip])
    shares = []
    with torch.no_grad():
        for start in range(0, len(small), 16):
            out = network(torch.from_numpy(small[start : start + 16]).float()[:, None] / 255)
            shares.append(out.softmax(1).numpy())
    found = np.concatenate(shares)
    if not is_cleaned:
        return found.argmax(1).astype(np.uint8)
    smooth = gaussian_filter1d(without_leaks(found), SMOOTHING_FRAMES, axis=0, mode="nearest")
    return np.stack([largest_cavity(mask) for mask in smooth.argmax(1).astype(np.uint8)])


def without_leaks(shares: np.ndarray) -> np.ndarray:
    """Shares (T, 4, H, W) with frames interpolated whose cavity is implausible beside its median over a beat: no
    ventricle grows by more than a half above it, or shrinks to a third."""
    areas = np.array([(largest_cavity(mask) == 1).sum() for mask in shares.argmax(1)], float)
    usual = median_filter(areas, MEDIAN_FRAMES, mode="nearest")
    good = np.flatnonzero((areas < 1.5 * usual) & (areas > 0.35 * usual))
    if len(good) < 2:
        return shares
    place = np.interp(np.arange(len(shares)), good, np.arange(len(good)))
    before = np.minimum(place.astype(int), len(good) - 2)
    weight = (place - before)[:, None, None, None].astype(shares.dtype)
    mixed: np.ndarray = (1 - weight) * shares[good[before]] + weight * shares[good[before + 1]]
    return mixed


def largest_cavity(mask: np.ndarray) -> np.ndarray:
    """The mask with only the largest connected piece of the cavity; the others become background."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats((mask == 1).astype(np.uint8))
    if count <= 2:
        return mask
    kept = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.where((mask == 1) & (pieces != kept), 0, mask).astype(np.uint8)


def judge(masks: np.ndarray) -> tuple[float, float]:
    """Share of frames with one main cavity of plausible size; periodicity of its area (autocorrelation at a beat)."""
    areas, good = [], 0
    for mask in masks:
        count, _, stats, _ = cv2.connectedComponentsWithStats((mask == 1).astype(np.uint8))
        sizes = sorted(stats[1:, cv2.CC_STAT_AREA]) if count > 1 else [0]
        areas.append(sum(sizes))
        good += sizes[-1] > 250 and sizes[-1] > 0.85 * sum(sizes)
    curve = np.array(areas, float)
    curve = curve - curve.mean()
    if not curve.any():
        return good / len(masks), 0.0
    with np.errstate(invalid="ignore"):  # a cavity that is missing in half of the clip has no correlation
        correlation = np.array(
            [np.corrcoef(curve[:-lag], curve[lag:])[0, 1] for lag in range(14, min(45, len(curve) - 8))]
        )
    return good / len(masks), float(np.nanmax(correlation)) if len(correlation) else float("nan")


def sheet(clips: list[np.ndarray], masks: list[np.ndarray], path: Path, columns: int = 6) -> None:
    """Three frames of every clip with the structures outlined, and the area curve below."""
    tiles = []
    for clip, found in zip(clips, masks, strict=True):
        picked = [0, len(clip) // 4, len(clip) // 2]
        row = np.hstack([outlined(clip[i], found[i]) for i in picked])
        plot = np.zeros((40, row.shape[1], 3), np.uint8)
        area = (found == 1).sum((1, 2)).astype(float)
        x = np.linspace(0, plot.shape[1] - 1, len(area))
        y = 38 - 36 * (area - area.min()) / max(float(np.ptp(area)), 1)
        cv2.polylines(plot, [np.stack([x, y], 1).astype(np.int32)], False, (200, 200, 200), 1)
        cv2.putText(plot, str(len(tiles) + 1), (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 220, 255), 1)
        tiles.append(np.vstack([row, plot]))
    while len(tiles) % (columns // 3):
        tiles.append(np.zeros_like(tiles[0]))
    per_row = columns // 3
    cv2.imwrite(str(path), np.vstack([np.hstack(tiles[i : i + per_row]) for i in range(0, len(tiles), per_row)]))


def outlined(frame: np.ndarray, mask: np.ndarray, side: int = 224) -> np.ndarray:
    shown = cv2.cvtColor(cv2.resize(frame, (side, side)), cv2.COLOR_GRAY2BGR)
    large = cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST)
    for value in (1, 2, 3):
        lines, _ = cv2.findContours((large == value).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(shown, lines, -1, COLOURS[value].tolist(), 1)
    return shown


def show(data: Path, out: Path, *, is_cleaned: bool = False) -> None:
    """Sheets and scores of every network by a random letter; the key is kept apart, and kept when called again."""
    networks = sorted(p.stem for p in out.glob("*.checkpoint"))
    key = {row[1]: row[0] for row in read_rows(out / "key.csv")} if (out / "key.csv").exists() else {}
    free = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in key.values()][: 2 * len(networks)]
    for name in networks:
        if name not in key:
            key[name] = free.pop(secrets.randbelow(len(free)))
    write_rows(out / "key.csv", [(key[name], name) for name in networks])
    names, clips = zip(*real_clips(data), strict=True)
    rows: list[tuple[object, ...]] = []
    for name in sorted(networks, key=lambda n: key[n]):
        network = UNet()
        network.load_state_dict(torch.load(out / f"{name}.checkpoint", map_location="cpu")["network"])
        masks = [segment(network.eval(), clip, is_cleaned=is_cleaned) for clip in clips]
        sheet(list(clips), masks, out / f"sheet_{key[name]}.png")
        for clip, found in zip(names, masks, strict=True):
            rows.append((key[name], clip, *(f"{value:.3f}" for value in judge(found))))
        print(f"sheet_{key[name]}.png written", flush=True)
    write_rows(out / "scores.csv", rows)


def reveal(out: Path) -> None:
    """Everything by kind and seed."""
    letters = dict(read_rows(out / "key.csv"))
    counted = dict(read_rows(out / "counted.csv")) if (out / "counted.csv").exists() else {}
    print("network    letter  found by eye  one cavity in 9 of 10 frames  frames with one cavity  periodicity")
    scores: dict[str, list[tuple[float, float]]] = {}
    for letter, _, single, period in read_rows(out / "scores.csv"):
        scores.setdefault(letter, []).append((float(single), float(period)))
    for letter, name in sorted(letters.items(), key=lambda item: item[1]):
        table = np.array(scores[letter])
        print(
            f"{name:10s} {letter:6s}  {counted.get(letter, '-'):>12s}  {(table[:15, 0] >= 0.9).sum():>14d} of 15 apical"
            f"  {table[:, 0].mean():>22.2f}  {np.nanmean(table[:, 1]):>11.2f}"
        )


def read_rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


def write_rows(path: Path, rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "show", "reveal"))
    parser.add_argument("--data", type=Path, help="folder of the real clips, for show")
    parser.add_argument("--prototype", type=Path, help="folder of echo_2d.py, for train --only flat")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0, help="processor time of each training")
    parser.add_argument("--steps", type=int, help="steps of each training, instead of its processor time")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--cleaned", action="store_true", help="show masks as a measurement would use them")
    parser.add_argument("--only", choices=("heart", "flat"), help="train this kind only")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if options.what == "show":
        show(options.data, options.out, is_cleaned=options.cleaned)
    elif options.what == "reveal":
        reveal(options.out)
    else:
        sys.path.insert(0, str(options.prototype or "."))
        budget = Budget(60 * options.minutes, options.steps, options.device)
        for seed in options.seeds:
            for kind in (options.only,) if options.only else ("heart", "flat"):
                train(kind, seed, budget, options.out / f"{kind}{seed}.checkpoint")


if __name__ == "__main__":
    main()
