"""Silence for C libraries that print to the standard error stream of the process (libtiff, OpenJPEG, gdcm, ITK).

What they say about a damaged file is repeated in one line by the error that follows; their own lines would stand
between a user and that line.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_STANDARD_ERROR = 2


@contextmanager
def without_native_messages() -> Iterator[None]:
    """File descriptor 2 leads nowhere inside. Not nested; other threads that want silence too wait."""
    with _LOCK:
        if sys.stderr is not None:
            sys.stderr.flush()
        try:
            kept = os.dup(_STANDARD_ERROR)
        except OSError:  # a service may run without one
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, _STANDARD_ERROR)
            yield
        finally:
            os.dup2(kept, _STANDARD_ERROR)
            os.close(kept)
            os.close(nowhere)
