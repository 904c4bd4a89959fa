"""gdcm in a process of its own, for what nothing else decodes: JPEG of more than 8 bits.

gdcm throws C++ exceptions through C callbacks when a stream is damaged, which ends the whole process. So it works in
a child: when that dies or hangs, one frame is damaged and the next one starts a new child.
Run as a module, this file is the child.
"""

from __future__ import annotations

import atexit
import os
import struct
import subprocess
import sys
import threading
from dataclasses import astuple, dataclass
from typing import IO

#: A frame that takes longer is not decoded any more, s.
TIMEOUT_S = 60.0

_REQUEST = struct.Struct("<6I")
_ANSWER = struct.Struct("<I")


@dataclass(frozen=True)
class Picture:
    """What gdcm has to know of a stream. syntax : the last number of the JPEG transfer syntax, 51, 57 or 70."""

    syntax: int
    rows: int
    columns: int
    samples: int
    bits: int


def decode(stream: bytes, picture: Picture) -> bytes | None:
    """Samples of one JPEG frame as little-endian 16-bit words, colours by pixel; None when gdcm cannot decode it."""
    with _LOCK:
        try:
            return _CHILD.ask(_REQUEST.pack(*astuple(picture), len(stream)) + stream)
        except (OSError, EOFError):
            _CHILD.stop()
            return None


class _Child:
    """The process, started when it is first needed."""

    process: subprocess.Popen[bytes] | None = None
    owner: int = 0

    def ask(self, request: bytes) -> bytes | None:
        # A forked copy of this program must not talk over the pipes of its parent.
        process = self.process if self.owner == os.getpid() else None
        process = process or self._start()
        if process.stdin is None or process.stdout is None:
            raise EOFError
        watch = threading.Timer(TIMEOUT_S, process.kill)
        watch.start()
        try:
            process.stdin.write(request)
            process.stdin.flush()
            (length,) = _ANSWER.unpack(_exactly(process.stdout, _ANSWER.size))
            return _exactly(process.stdout, length) if length else None
        finally:
            watch.cancel()

    def stop(self) -> None:
        if self.process is None or self.owner != os.getpid():
            return
        self.process.kill()
        self.process.communicate()
        self.process = None

    def _start(self) -> subprocess.Popen[bytes]:
        self.owner = os.getpid()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self.process


_LOCK = threading.Lock()
_CHILD = _Child()
atexit.register(_CHILD.stop)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while len(head := requests.read(_REQUEST.size)) == _REQUEST.size:
        *described, length = _REQUEST.unpack(head)
        samples = _decode_here(_exactly(requests, length), Picture(*described)) or b""
        answers.write(_ANSWER.pack(len(samples)) + samples)
        answers.flush()


def _decode_here(stream: bytes, picture: Picture) -> bytes | None:
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(stream)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((picture.columns, picture.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2" if picture.samples == 1 else "RGB")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    syntax = gdcm.TransferSyntax.GetTSType(f"1.2.840.10008.1.2.4.{picture.syntax}")
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    image.SetPixelFormat(gdcm.PixelFormat(picture.samples, 16, picture.bits, picture.bits - 1, 0))
    buffer = image.GetBuffer()
    # gdcm hands bytes out as a str with surrogates.
    return None if buffer is None else bytes(buffer.encode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
