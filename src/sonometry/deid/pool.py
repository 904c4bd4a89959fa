"""Worker processes for de-identification: a crash or a hang costs one file, and the rest goes on."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

#: Seconds for a file, and more for a large one.
_BASE_S, _PER_MB_S = 240.0, 2.0
#: How often the clock is looked at.
_TICK_S = 0.5


class Worker:
    """One process; it is started when the first job comes, and again after a crash."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.process: subprocess.Popen[str] | None = None
        self._stopped = False

    def do(self, job: dict[str, Any], limit_s: float) -> dict[str, Any]:
        """The answer to a job; a crash or `limit_s` seconds without an answer become a refusal."""
        process = self._running()
        timed_out = threading.Event()

        def end() -> None:
            timed_out.set()
            process.kill()

        answered = threading.Event()
        watch = threading.Thread(target=_watch, args=(answered, limit_s, end), daemon=True)
        watch.start()
        try:
            line = _exchanged(process, json.dumps(job) + "\n")
        except (OSError, ValueError):  # the process ended, or was ended from outside
            line = ""
        finally:
            answered.set()
        if line.endswith("\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.stop()
        reason = f"it took more than {limit_s:.0f} s" if timed_out.is_set() else "its decoder crashed"
        return {"status": "refused", "reason": reason}

    def stop(self) -> None:
        """End the process at once; the thread that waits for an answer and the one that closes may both say so."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue

    def _running(self) -> subprocess.Popen[str]:
        if self.process is None:
            names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sonometry.deid.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env={**os.environ, **dict.fromkeys(names, str(self.threads))},
            )
        return self.process


def _watch(answered: threading.Event, limit_s: float, end: Callable[[], None]) -> None:
    """Call `end` after `limit_s` seconds without an answer; time in which this process was halted does not count."""
    passed_s, last_s = 0.0, time.monotonic()
    while passed_s < limit_s:
        if answered.wait(min(_TICK_S, limit_s - passed_s)):
            return
        now_s = time.monotonic()
        passed_s, last_s = passed_s + min(now_s - last_s, 4 * _TICK_S), now_s
    end()


def _exchanged(process: subprocess.Popen[str], line: str) -> str:
    """Write one line to the process and read one; empty when it ended."""
    if process.stdin is None or process.stdout is None:
        return ""
    process.stdin.write(line)
    process.stdin.flush()
    return process.stdout.readline()


def answers(
    jobs: Iterable[tuple[dict[str, Any], int]], *, processes: int, threads: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every job with its answer, as they come.

    jobs : pairs of a job and the size of its file in bytes. The generator may be closed at any time: all processes are
    then ended, and no answer is lost that was not yet given.
    """
    waiting: queue.Queue[tuple[dict[str, Any], int] | None] = queue.Queue()
    ready: queue.Queue[tuple[dict[str, Any], dict[str, Any]]] = queue.Queue()
    n_jobs = 0
    for item in jobs:
        waiting.put(item)
        n_jobs += 1
    workers = [Worker(threads) for _ in range(min(processes, n_jobs))]

    def serve(worker: Worker) -> None:
        while (item := waiting.get()) is not None:
            job, size = item
            ready.put((job, worker.do(job, _BASE_S + _PER_MB_S * size / 1e6)))

    running = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in workers]
    for thread in running:
        thread.start()
    try:
        for _ in range(n_jobs):
            yield ready.get()
    finally:
        while True:  # nothing new is begun
            try:
                waiting.get_nowait()
            except queue.Empty:
                break
        for _ in workers:
            waiting.put(None)
        for worker, thread in zip(workers, running, strict=True):
            worker.stop()
            thread.join(timeout=10)
            worker.stop()  # a job that was taken a moment before may have begun a new process
