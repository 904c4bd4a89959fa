"""The ten MIDI-B actions of `sonometry deidentify` on synthetic patients, with the number of texts left in pixels.

    python benchmarks/deid_scorecard.py --studies 200

Patients, scanners and screens are invented and drawn from --seed; six layouts, eight fonts of 11 to 24 pixels inside
and outside the sector, five transfer syntaxes. Status 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from sonometry.deid.scorecard.exports import write_exports
from sonometry.deid.scorecard.score import ACTIONS, Scorecard, score
from sonometry.workflows.deidentify import deidentify

#: Every action; texts left of 1000; share of sector pixels kept.
TARGET_ACTION, TARGET_TEXTS, TARGET_SECTOR = 0.995, 1.0, 0.99


def main() -> int:
    """Run and print; 0 when all targets are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for exports and results, to look at")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        truths = write_exports(folder / "in", n_studies=arguments.studies, seed=arguments.seed)
        start_s = time.perf_counter()
        result = deidentify(folder / "in", folder / "out", workspace=folder / "workspace", clean_descriptors=True)
        elapsed_s = time.perf_counter() - start_s
        written = {done.source: folder / "out" / done.path for done in result.done}
        card = score(truths, written)
        for refused in result.refused:
            print(f"refused: {refused.reason}")
    return report(card, elapsed_s)


def report(card: Scorecard, elapsed_s: float) -> int:
    """Print the scorecard; 1 when a target is missed."""
    print(f"{card.n_files} files, {card.n_refused} refused, {elapsed_s / max(card.n_files, 1):.2f} s a file")
    missed = []
    for action in ACTIONS:
        share = card.share(action)
        print(f"  {action:24s} {100 * share:7.3f} %  ({card.held[action]} of {card.checked[action]})")
        if not share >= TARGET_ACTION:
            missed.append(action)
    print(f"  identifiers left in tags: {len(card.leaks)}")
    print(f"  texts left in pixels:     {len(card.left)} of {card.n_texts} ({card.texts_left_per_1000:.2f} per 1000)")
    print(f"  sector pixels kept:       {100 * card.sector_kept:.2f} % (smallest {100 * min(card.kept_shares):.2f} %)")
    for text in card.left:
        print(f"    left: {text}")
    if card.leaks:
        missed.append("identifiers in tags: " + ", ".join(sorted(set(card.leaks))))
    if card.texts_left_per_1000 > TARGET_TEXTS:
        missed.append("texts in pixels")
    if card.sector_kept < TARGET_SECTOR:
        missed.append("sector pixels")
    print("targets missed: " + "; ".join(missed) if missed else "all targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
