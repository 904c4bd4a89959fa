"""How real do simulated heart clips look? A table of image statistics, real beside simulated, and a classifier's score.

    python benchmarks/heart_realism.py --data ../shared/data --out /tmp/realism [--clips 24] [--network]

Statistics per clip: grey levels inside the sector, speckle size down and across at three depths, correlation of bright
tissue and of dark blood from frame to frame, slope of the power spectrum. The score is the area under the ROC curve of
classifiers that separate simulated from real apical frames, cross-validated by clip, graphics masked out: 0.5 cannot
tell, 1.0 always can; its interval is over clips. With --network a small convolutional network is asked as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from sonometry.evaluation.bootstrap import bootstrap_interval
from sonometry.simulation.phantoms.heart import ClipOptions, Patient, View

SIZE = 224
STATISTICS = (
    *(f"grey below {g}" for g in (10, 30, 60, 100, 150, 200)),
    *(f"speckle {way} at {d} % depth, px" for d in (25, 50, 75) for way in ("down", "across")),
    "frame correlation, bright",
    "frame correlation, dark",
    "spectrum slope",
    "local contrast",
)


def real_clips(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Name and frames (T, 224, 224) of every real apical clip; nominal 30 frames/s."""
    for path in sorted((data / "echo" / "apical_clips").glob("*.avi")):
        yield path.stem, read_video(path)
    for path in sorted((data / "echo" / "tracking").glob("*.mp4")):
        yield path.stem, square(read_video(path))
    from pydicom import examples

    cine = examples.ybr_color.pixel_array[..., 0]
    yield "pydicom", square(cine[:, 8:225, 30:290])


def read_video(path: Path, limit: int = 60) -> np.ndarray:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while len(frames) < limit:
        found, frame = capture.read()
        if not found:
            break
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
    return np.stack(frames)


def square(frames: np.ndarray) -> np.ndarray:
    """Centre crop to a square, 224 x 224."""
    side = min(frames.shape[1:])
    top, left = (frames.shape[1] - side) // 2, (frames.shape[2] - side) // 2
    cut = frames[:, top : top + side, left : left + side]
    return np.stack([cv2.resize(f, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for f in cut])


def simulated_clips(n: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """As many apical clips, cropped as the real ones are, mostly four-chamber views."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        view = View(rng.choice(["A4C", "A5C", "A2C"], p=[0.86, 0.07, 0.07]))
        options = ClipOptions(
            n_frames=16, frame_rate_hz=30.0, size=(SIZE, SIZE), is_cropped=True, has_displacement=False
        )
        recording = Patient(int(rng.integers(2**31))).recording(view, options=options)
        yield f"sim{i}", recording.screen.store([recording.image(k)[0] for k in range(options.n_frames or 0)])


def sector_of(frames: np.ndarray) -> np.ndarray:
    """Pixels that ever show something, without thin graphics."""
    seen = (frames.max(axis=0) > 12).astype(np.uint8)
    opened = cv2.morphologyEx(seen, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8)) > 0


def statistics(frames: np.ndarray) -> np.ndarray:
    """The numbers of STATISTICS for one clip."""
    inside = sector_of(frames)
    frame = frames[0].astype(np.float32)
    grey = frame[inside]
    values = [float((grey < g).mean()) for g in (10, 30, 60, 100, 150, 200)]
    rows = np.flatnonzero(inside.any(axis=1))
    for share in (0.25, 0.5, 0.75):
        values += speckle_size(frame, rows[0] + share * (rows[-1] - rows[0]))
    values += [frame_correlation(frames, 70, 255), frame_correlation(frames, 3, 40)]
    values += [spectrum_slope(frame * inside), local_contrast(frame)]
    return np.array(values)


def speckle_size(frame: np.ndarray, row: float) -> list[float]:
    """Full width at half maximum of the local autocorrelation of bright tissue near a row, down and across, px."""
    band = frame[max(int(row) - 24, 0) : int(row) + 24]
    if band.shape[0] < 16:
        return [np.nan, np.nan]
    mean = cv2.GaussianBlur(band, (0, 0), 5)
    weight = mean > 35
    texture = np.where(weight, (band - mean) / (mean + 5), 0)
    widths = []
    for axis in (0, 1):
        curve = []
        for lag in range(12):
            a, b = (np.roll(x, -lag, axis) for x in (texture, weight))
            keep = weight & b
            cut = [slice(None), slice(None)]
            cut[axis] = slice(0, -lag or None)
            keep, product = keep[tuple(cut)], (texture * a)[tuple(cut)]
            curve.append(product[keep].mean() if keep.sum() > 150 else np.nan)
        widths.append(half_width(np.array(curve)))
    return widths


def half_width(curve: np.ndarray) -> float:
    """Twice the lag at which a correlation curve has fallen to half."""
    if not np.isfinite(curve).all() or curve[0] <= 0:
        return float("nan")
    curve = curve / curve[0]
    below = int(np.argmax(curve < 0.5))
    if below == 0:
        return float("nan")
    return 2 * (below - 1 + (curve[below - 1] - 0.5) / (curve[below - 1] - curve[below]))


def frame_correlation(frames: np.ndarray, low: float, high: float) -> float:
    """Median best correlation of 13 x 13 px patches of a mean grey with the next frame, over shifts of 3 px."""
    found = []
    for first, second in zip(frames[:8:2], frames[1:9:2], strict=False):
        for row in range(30, SIZE - 30, 12):
            for column in range(30, SIZE - 30, 12):
                patch = first[row - 6 : row + 7, column - 6 : column + 7].astype(np.float32)
                if not low <= patch.mean() <= high or patch.std() < 2:
                    continue
                area = second[row - 9 : row + 10, column - 9 : column + 10].astype(np.float32)
                found.append(float(cv2.matchTemplate(area, patch, cv2.TM_CCOEFF_NORMED).max()))
    return float(np.median(found)) if found else float("nan")


def spectrum_slope(frame: np.ndarray) -> float:
    """Slope of log power over log spatial frequency between 0.03 and 0.35 cycles/px."""
    power = np.abs(np.fft.fftshift(np.fft.fft2(frame * np.outer(np.hanning(SIZE), np.hanning(SIZE))))) ** 2
    row, column = np.indices(power.shape) - SIZE // 2
    radius = np.hypot(row, column).astype(int)
    mean = np.bincount(radius.ravel(), power.ravel()) / np.bincount(radius.ravel())
    band = slice(int(0.03 * SIZE), int(0.35 * SIZE))
    return float(np.polyfit(np.log(np.arange(mean.size)[band]), np.log(mean[band] + 1e-9), 1)[0])


def local_contrast(frame: np.ndarray) -> float:
    """Median of standard deviation over mean at a scale of 4 px, in bright tissue."""
    mean = cv2.GaussianBlur(frame, (0, 0), 4)
    deviation = np.sqrt(np.maximum(cv2.GaussianBlur((frame - mean) ** 2, (0, 0), 4), 0))
    bright = mean > 60
    return float(np.median(deviation[bright] / mean[bright])) if bright.sum() > 50 else float("nan")


def area_under_curve(real: np.ndarray, simulated: np.ndarray) -> float:
    """Probability that a simulated clip scores higher than a real one."""
    higher = simulated[:, None] - real[None]
    return float(np.mean(np.where(higher == 0, 0.5, higher > 0)))


def told(labels: np.ndarray, scores: np.ndarray) -> str:
    """Area under the curve with its 95 % interval over clips, the classifiers taken as they are."""
    groups = [scores[labels == label] for label in (0, 1)]
    interval = bootstrap_interval(groups, area_under_curve, rng=np.random.default_rng(0))
    return f"{area_under_curve(*groups):.2f} ({interval.low:.2f} to {interval.high:.2f})"


def score_of_statistics(real: np.ndarray, simulated: np.ndarray) -> str:
    """Cross-validated area under the curve of a random forest on the statistics of clips."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    features = np.nan_to_num(np.concatenate([real, simulated]), nan=-1.0)
    labels = np.r_[np.zeros(len(real)), np.ones(len(simulated))]
    forest = RandomForestClassifier(400, min_samples_leaf=2, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(forest, features, labels, cv=folds, method="predict_proba")[:, 1]
    return told(labels, scores)


def score_of_network(real: list[np.ndarray], simulated: list[np.ndarray]) -> str:
    """Area under the curve of a small network on single frames; whole clips are held out in turn (3 folds)."""
    import torch

    torch.manual_seed(0)
    clips = [(c, 0.0) for c in real] + [(c, 1.0) for c in simulated]
    scores, truth = [], []
    for fold in range(3):
        train = [(c, y) for i, (c, y) in enumerate(clips) if i % 3 != fold]
        network = train_network(train)
        for clip, label in (pair for i, pair in enumerate(clips) if i % 3 == fold):
            with torch.no_grad():
                out = network(as_tensor(clip[::4]))
            scores.append(float(torch.sigmoid(out).mean()))
            truth.append(label)
    return told(np.array(truth), np.array(scores))


def as_tensor(frames: np.ndarray):
    """Frames masked to their sector, 112 x 112, normalised."""
    import torch

    inside = sector_of(frames)
    small = np.stack([cv2.resize(f * inside, (112, 112), interpolation=cv2.INTER_AREA) for f in frames])
    return torch.from_numpy(small).float()[:, None] / 64 - 1


def train_network(clips: list[tuple[np.ndarray, float]], steps: int = 250):
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    for before, after in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, 1))
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    rng = np.random.default_rng(0)
    pools = {label: [as_tensor(c) for c, y in clips if y == label] for label in (0.0, 1.0)}
    for _ in range(steps):
        batch, labels = [], []
        for label, pool in pools.items():
            for _ in range(12):
                clip = pool[rng.integers(len(pool))]
                frame = clip[rng.integers(len(clip))]
                batch.append(torch.flip(frame, (-1,)) if rng.random() < 0.5 else frame)
                labels.append(label)
        loss = nn.functional.binary_cross_entropy_with_logits(network(torch.stack(batch))[:, 0], torch.tensor(labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def contact_sheet(real: list[np.ndarray], simulated: list[np.ndarray], path: Path, columns: int = 8) -> None:
    """Rows of real and simulated frames in turn."""
    rows = []
    for start in range(0, min(len(real), len(simulated)) - columns + 1, columns):
        rows += [np.hstack([c[0] for c in group[start : start + columns]]) for group in (real, simulated)]
    cv2.imwrite(str(path), np.vstack(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--network", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    real = [frames for _, frames in real_clips(options.data)]
    simulated = [frames for _, frames in simulated_clips(options.clips, options.seed)]
    table = [np.array([statistics(f) for f in group]) for group in (real, simulated)]
    print(f"{'':36s}{'real: 10, 50, 90 %':>26s}{'simulated: 10, 50, 90 %':>28s}")
    for i, name in enumerate(STATISTICS):
        numbers = ["".join(f"{v:8.2f}" for v in np.nanpercentile(group[:, i], (10, 50, 90))) for group in table]
        print(f"{name:36s}{numbers[0]:>26s}{numbers[1]:>28s}")
    print(f"area under the curve, random forest on these numbers: {score_of_statistics(*table)}")
    if options.network:
        print(f"area under the curve, network on frames: {score_of_network(real, simulated)}")
    contact_sheet(real, simulated, options.out / "real_and_simulated.png")


if __name__ == "__main__":
    main()
