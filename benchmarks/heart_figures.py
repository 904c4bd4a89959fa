"""Pictures of docs/heart: the eight views with their truth, and a simulated clip beside pydicom's real one.

python benchmarks/heart_figures.py --out docs/heart
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from sonometry.simulation.phantoms.heart import ClipOptions, Patient, View

#: Patients whose clips show their view clearly; most do not look as tidy.
SEEDS = dict(zip(View, (309, 309, 312, 311, 307, 302, 313, 310), strict=True))
SEED_BESIDE_REAL = 63
COLOURS = np.array([[0, 0, 0], [70, 70, 230], [110, 190, 110], [225, 140, 70]], np.float32)


def one_view(view: View, seed: int, moment_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Grey picture and mask of one frame."""
    options = ClipOptions(
        n_frames=1, frame_rate_hz=50, start_s=moment_s, size=(224, 224), is_cropped=True, quality=0.9,
        has_displacement=False,
    )  # fmt: skip
    recording = Patient(seed, vendor="cascade").recording(view, options=options)
    return recording.image(0)[0], recording.truth()["mask"][0]


def overlaid(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR).astype(np.float32)
    shade = np.where(mask[..., None] > 0, 0.65 * grey + 0.35 * COLOURS[mask], grey)
    return np.clip(shade, 0, 255).astype(np.uint8)


def titled(picture: np.ndarray, title: str) -> np.ndarray:
    bar = np.zeros((20, picture.shape[1], 3), np.uint8)
    cv2.putText(bar, title, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (220, 220, 220), 1, cv2.LINE_AA)
    return np.vstack([bar, picture])


def eight_views(seeds: dict[View, int]) -> np.ndarray:
    plain, truth = [], []
    for view, seed in seeds.items():
        picture, mask = one_view(view, seed, 0.05 if view is not View.SAXBASAL else 0.0)
        plain.append(titled(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), view.value))
        truth.append(overlaid(picture, mask))
    halves = [np.vstack([np.hstack(plain[i : i + 4]), np.hstack(truth[i : i + 4])]) for i in (0, 4)]
    return np.vstack(halves)


def beside_real(seed: int) -> np.ndarray:
    """Three frames of pydicom's cardiac cine (MIT licence) above three of a simulated one on a like screen."""
    from pydicom import examples

    real = examples.ybr_color.pixel_array[[0, 8, 16]][..., 0]
    options = ClipOptions(n_frames=24, frame_rate_hz=30, size=(240, 320), is_cropped=False, has_displacement=False)
    recording = Patient(seed, vendor="dorado").recording(View.A4C, options=options)
    frames = recording.screen.store([recording.image(i)[0] for i in range(17)])
    return np.vstack([np.hstack(list(real)), np.hstack([frames[i] for i in (0, 8, 16)])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 82]
    cv2.imwrite(str(options.out / "eight_views.jpg"), eight_views(SEEDS), quality)
    cv2.imwrite(str(options.out / "beside_real.jpg"), beside_real(SEED_BESIDE_REAL), quality)


if __name__ == "__main__":
    main()
