"""Run a compiled loop on several cores.

Threads are started for the call and end with it: nothing spins between calls, which costs other processes their cores,
and a forked process starts clean. A compiled kernel must be built with `nogil=True`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numba


def in_threads(kernel: Callable[..., Any], n_items: int, *arguments: Any, least: int = 16) -> None:
    """Call `kernel(start, stop, *arguments)` on contiguous parts of range(n_items), one to a core.

    The parts must not write to the same place. least : smallest number of items worth a thread of its own.
    The number of threads is that of numba (`NUMBA_NUM_THREADS`).
    """
    n_threads = max(1, min(numba.get_num_threads(), n_items // max(1, least)))
    if n_threads == 1:
        kernel(0, n_items, *arguments)
        return
    edges = [n_items * k // n_threads for k in range(n_threads + 1)]
    with ThreadPoolExecutor(n_threads - 1) as pool:
        parts = [pool.submit(kernel, a, b, *arguments) for a, b in pairwise(edges[1:])]
        kernel(edges[0], edges[1], *arguments)
        for part in parts:
            part.result()
