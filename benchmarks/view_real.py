"""What the view classifier calls real images that it never saw: one line each, and a contact sheet.

    python benchmarks/view_real.py --data ../shared/data/echo --out /tmp/view_real [--weights RUN/weights]

Truth is in the names of the stills; the apical clips are four-chamber views by eye. Nothing was trained or chosen on
these images.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from sonometry.applications.view.classify import classify
from sonometry.applications.view.config import ViewConfig
from sonometry.applications.view.decide import Decision, expected_in_clinic
from sonometry.applications.view.measure import decide_clip, frame_probabilities, load_networks
from sonometry.applications.view.prepare import ContentPicture
from sonometry.core.cine import Cine
from sonometry.core.echo_views import NONE
from sonometry.io.read import read_cine

#: Beginnings of the names of stills, without the collection's number.
VIEWS = {"a2ch": "A2C", "a3ch": "A3C", "a4ch": "A4C", "a5ch": "A5C", "plax": "PLAX"}
VIEWS |= {"psax-all": "SAXBASAL", "psax-av": "SAXBASAL"}
SCREENS = ("doppler", "mmode")


def truth_of(name: str) -> str:
    """Label by the name of a still: a view, or NONE for short axis at the apex, other windows, Doppler, M-mode."""
    stem = name.removeprefix("tte47_")
    stem = stem[3:] if stem[:2].isdigit() else stem
    return next((view for start, view in VIEWS.items() if stem.startswith(start)), NONE)


def images(data: Path) -> Iterator[tuple[str, str, str, Path]]:
    """Group, name, truth and path of every image and clip."""
    for path in sorted((data / "views").iterdir()):
        truth = truth_of(path.name)
        is_screen = any(word in path.name for word in SCREENS)
        group = "Doppler and M-mode" if is_screen else "stills of the eight views" if truth != NONE else "other stills"
        yield group, path.name, truth, path
    for path in sorted([*(data / "apical_clips").glob("*.avi"), *(data / "tracking").glob("*.mp4")]):
        yield "apical clips", path.name, "A4C", path


def tile(cine: Cine, text: str, colour: tuple[int, int, int], name: str) -> np.ndarray:
    """The middle frame as the network saw it."""
    picture = ContentPicture(192)(cine)(cine.frame(cine.n_frames // 2))
    shown = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    cv2.putText(shown, name[:26], (3, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.34, (255, 255, 0), 1)
    cv2.putText(shown, text, (3, 186), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--method", choices=("average", "vote", "temporal"), default="average")
    parser.add_argument("--prior", choices=("even", "clinic"), default="even")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    config = ViewConfig(method=options.method, prior=options.prior, weights=options.weights)
    networks = load_networks(config)
    tiles: dict[bool, list[np.ndarray]] = {True: [], False: []}
    counts: dict[str, list[tuple[bool, bool, bool]]] = {}
    for group, name, truth, path in images(options.data):
        cine = read_cine(path)
        scores = classify(cine, networks.frames, most_frames=60)
        frames = frame_probabilities(scores.logits, float(networks.frames.metadata["temperature"]))
        frames = expected_in_clinic(frames) if options.prior == "clinic" else frames
        found: Decision = decide_clip(scores, frames, networks, config)
        is_right, is_named = found.label == truth, not found.reasons
        is_apical = found.label in ("A2C", "A3C", "A4C", "A5C")
        counts.setdefault(group, []).append((is_right, is_named, is_apical))
        mark = "right" if is_right else "wrong"
        named = "named" if is_named else "withheld"
        print(f"{name:30s} {truth:9s} {found.label:9s} {found.probability:.2f} {mark} {named}")
        colour = (80, 220, 80) if is_right else (60, 60, 255)
        tiles[is_right].append(tile(cine, f"{truth}: {found.label} {found.probability:.2f}", colour, name))
    for group, rows in counts.items():
        right, named, apical = (sum(column) for column in zip(*rows, strict=True))
        wrong = sum(n and not r for r, n, _ in rows)
        also = f", {apical} apical" if group == "apical clips" else ""
        print(f"{group}: {right} of {len(rows)} right{also}; {named} named, of these {wrong} wrong")
    for is_right, name in ((True, "right.png"), (False, "wrong.png")):
        sheet(tiles[is_right], options.out / name)


def sheet(tiles: list[np.ndarray], path: Path, columns: int = 8) -> None:
    if tiles:
        padded = tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
        cv2.imwrite(str(path), np.vstack([np.hstack(padded[i : i + columns]) for i in range(0, len(padded), columns)]))


if __name__ == "__main__":
    main()
