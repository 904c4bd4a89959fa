"""Block matching by itk-ultrasound, as far as its Python wheels reach: the correlation of a block over a region.

The wheels wrap the metric, not the registration filter around it, so the loop over blocks is here. Without a coarse
tracker every block searches the whole range that the compression can cause. Run as a program of its own, since some
combinations of its wheels end the process on import: python peer_itk.py PAIR.npz prints the seconds it took.
"""

from __future__ import annotations

import sys
import time

import numpy as np

#: Half block and half search range, (axial samples, lines), and distance between blocks.
HALF_BLOCK, HALF_SEARCH, STEP = (30, 3), (40, 2), (16, 4)


def block_matching(earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Axial displacement in whole samples of every block, (block row, block column)."""
    import itk

    image = itk.Image[itk.F, 2]
    kind = itk.NormalizedCrossCorrelationNeighborhoodIteratorMetricImageFilter[image, image, image]
    fixed, moving = (itk.image_from_array(np.ascontiguousarray(frame, np.float32)) for frame in (earlier, later))
    margin = [b + s for b, s in zip(HALF_BLOCK, HALF_SEARCH, strict=True)]
    rows = range(margin[0], earlier.shape[0] - margin[0], STEP[0])
    lines = range(margin[1], earlier.shape[1] - margin[1], STEP[1])
    metric = kind.New()
    metric.SetFixedImage(fixed)
    metric.SetMovingImage(moving)
    found = np.zeros((len(rows), len(lines)))
    for i, row in enumerate(rows):
        for j, line in enumerate(lines):
            metric.SetFixedImageRegion(_region(itk, row, line, HALF_BLOCK))
            metric.SetMovingImageRegion(_region(itk, row, line, HALF_SEARCH))
            metric.Update()
            correlation = itk.array_view_from_image(metric.GetOutput())
            found[i, j] = np.unravel_index(int(correlation.argmax()), correlation.shape)[0] - HALF_SEARCH[0]
    return found


def _region(itk: object, row: int, line: int, half: tuple[int, int]) -> object:
    """The rectangle of `half` around a pixel; ITK counts lines first."""
    region = itk.ImageRegion[2]()  # type: ignore[attr-defined]
    region.SetIndex([line - half[1], row - half[0]])
    region.SetSize([2 * half[1] + 1, 2 * half[0] + 1])
    return region


def main() -> None:
    with np.load(sys.argv[1]) as pair:
        earlier, later = pair["earlier"], pair["later"]
    start = time.perf_counter()
    block_matching(earlier, later)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main()
