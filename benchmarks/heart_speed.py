"""How long does a simulated heart frame take, beside the flat prototype in the same run?

    python benchmarks/heart_speed.py [--prototype ../shared/prototypes] [--repeats 12]

Processor time, all threads together; the best of the repeats is printed, since other work on the machine only adds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sonometry.simulation.phantoms.heart import ClipOptions, Patient, View, frames


def best_ms(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1e3 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prototype", type=Path)
    parser.add_argument("--repeats", type=int, default=12)
    options = parser.parse_args()
    recording = Patient(5).recording(View.A4C, options=ClipOptions(n_frames=8, frame_rate_hz=40))
    recording.image(0)
    full = best_ms(lambda: recording.image(3), options.repeats)
    print(f"256 x 256 screen from 288 x 120 beams     {full:7.1f} ms a frame")
    print(f"  its scene (geometry and echo strength)  {best_ms(lambda: recording.scene(3), options.repeats):7.1f} ms")
    stream = frames(np.random.default_rng(0), size=(112, 112), samples=160, beams=80)
    next(stream)
    training = best_ms(lambda: [next(stream) for _ in range(12)], max(options.repeats // 3, 2)) / 12
    print(f"112 x 112 training frame, patients drawn  {training:7.1f} ms a frame")
    if options.prototype:
        sys.path.insert(0, str(options.prototype))
        from echo_2d import gen

        rng = np.random.default_rng(0)
        gen(rng)
        flat = best_ms(lambda: [gen(rng) for _ in range(12)], max(options.repeats // 3, 2)) / 12
        print(f"112 x 112 frame of the flat prototype     {flat:7.1f} ms a frame; ratio {training / flat:.1f}")


if __name__ == "__main__":
    main()
