"""The same job on many items, in several processes, results as they come."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from types import FrameType
from typing import TypeVar

from sonometry.core.errors import DataError

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Libraries would otherwise start as many threads as there are cores in every process.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def unordered(job: Callable[[Item], Result], items: Sequence[Item], *, workers: int) -> Iterator[Result]:
    """Results of `job` on every item, in the order they are ready, from `workers` processes of one thread each.

    An error of the job, or Ctrl-C, stops the others at once; each may clean up what it was writing.
    """
    before = set(multiprocessing.active_children())
    with _single_threaded():
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare)
        try:
            futures = [pool.submit(job, item) for item in items]
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise DataError("a worker process was killed, probably for lack of memory; use fewer --workers") from error
        except BaseException:
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def on_all_cores(
    job: Callable[[Item], Result], items: Sequence[Item], *, most: int = sys.maxsize, least: int = 2
) -> Iterator[Result]:
    """Results of `job` on every item, from as many processes as there are cores, `most` at most.

    Fewer items than `least` are done here, one after the other, and so are all in a process that is a worker itself.
    """
    workers = min(os.cpu_count() or 1, most, len(items))
    if workers < 2 or len(items) < least or multiprocessing.parent_process() is not None:
        yield from map(job, items)
    else:
        yield from unordered(job, items, workers=workers)


def _prepare() -> None:
    """In a worker: Ctrl-C is the parent's, SIGTERM unwinds so that half-written output is removed, and the worker ends
    when its parent was killed (the pipe it waits on would never tell it)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
