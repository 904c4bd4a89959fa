"""Worker processes: a crash or a hang costs one file, and nothing that a library prints gets out."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time

import pytest

from sonometry.deid import pool
from sonometry.deid.pool import Worker, answers
from sonometry.deid.worker import handle

#: Stands for a worker: answers "ok", dies, hangs, or prints.
SCRIPT = """
import json, os, sys, time
for line in sys.stdin:
    job = json.loads(line)
    if job["do"] == "die": os.abort()
    if job["do"] == "hang": time.sleep(600)
    if job["do"] == "rubbish": os._exit(0)
    print(json.dumps({"status": "done", "n": job["n"]}), flush=True)
"""


@pytest.fixture
def stand_in(monkeypatch):
    """Workers run SCRIPT instead."""
    original = subprocess.Popen

    def popen(arguments, **options):
        return original([sys.executable, "-c", SCRIPT], **options)

    monkeypatch.setattr(pool.subprocess, "Popen", popen)


def test_a_crash_refuses_its_own_file_only(stand_in):
    jobs = [({"do": "die" if n == 2 else "fine", "n": n}, 0) for n in range(6)]
    given = {job["n"]: answer for job, answer in answers(jobs, processes=2, threads=1)}
    assert given.pop(2) == {"status": "refused", "reason": "its decoder crashed"}
    assert [given[n]["n"] for n in sorted(given)] == [0, 1, 3, 4, 5]


def test_a_hang_is_ended(stand_in):
    worker = Worker(1)
    start = time.monotonic()
    assert "took more than" in worker.do({"do": "hang", "n": 0}, 0.5)["reason"]
    assert time.monotonic() - start < 10
    assert worker.do({"do": "fine", "n": 7}, 30)["n"] == 7
    worker.stop()


def test_time_in_which_everything_was_halted_does_not_count(monkeypatch):
    looks = itertools.count()
    monkeypatch.setattr(pool, "_TICK_S", 0.001)
    monkeypatch.setattr(pool.time, "monotonic", lambda: 1000.0 * next(looks))  # a computer that sleeps at every look
    ended = []
    pool._watch(threading.Event(), 0.04, lambda: ended.append(True))
    assert ended == [True]
    assert next(looks) > 9  # each look counts for four ticks at most


def test_closing_early_ends_all_processes(stand_in):
    given = answers([({"do": "hang" if n else "fine", "n": n}, 0) for n in range(4)], processes=2, threads=1)
    next(given)
    start = time.monotonic()
    given.close()
    assert time.monotonic() - start < 20


def test_every_error_becomes_a_reason_without_its_text(tmp_path):
    answer = handle({"kind": "deidentify", "source": str(tmp_path / "Kowalczyk.dcm")})
    assert answer["status"] == "refused"
    assert "Kowalczyk" not in json.dumps(answer)
    assert "internal error (FileNotFoundError)" in answer["reason"]


def test_a_worker_answers_and_keeps_what_libraries_print_to_itself(tmp_path):
    job = json.dumps({"kind": "text", "picture": str(tmp_path / "missing.png")})
    process = subprocess.run(
        [sys.executable, "-m", "sonometry.deid.worker"], input=job + "\n", text=True, capture_output=True, timeout=60
    )
    assert process.returncode == 0
    assert json.loads(process.stdout)["status"] == "refused"
    assert process.stderr == ""
