"""What the marker segments of a JPEG stream tell: size, precision, process and colour space (ITU-T T.81 annex B).

simplejpeg (libjpeg-turbo) guesses the colour space from markers that DICOM does not require. Where the guess would be
wrong, an Adobe marker that states the colour space is put in front.
"""

from __future__ import annotations

from dataclasses import dataclass

START, START_OF_SCAN, JFIF, ADOBE = 0xD8, 0xDA, 0xE0, 0xEE

#: Start-of-frame markers; DHT (C4), JPG (C8) and DAC (CC) lie between them. F7 is JPEG-LS.
FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS, JPEG_LS = 0xC0, 0xC1, 0xC2, 0xC3, 0xF7

#: Adobe's transform flag: the three components are RGB, or YCbCr.
ADOBE_RGB, ADOBE_YCC = 0, 1


@dataclass(frozen=True)
class JpegHeader:
    """process : the frame marker. component_ids : of the frame header. adobe_transform : None without that marker."""

    process: int
    precision: int
    height: int
    width: int
    component_ids: tuple[int, ...]
    is_jfif: bool
    adobe_transform: int | None

    @property
    def is_declared_rgb(self) -> bool | None:
        """Whether markers state RGB (True) or YCbCr (False); None when they state nothing.

        JFIF means YCbCr by its definition; component identifiers "RGB" mean RGB by a convention of libjpeg.
        """
        if self.is_jfif:
            return False
        if self.adobe_transform is not None:
            return self.adobe_transform == ADOBE_RGB
        return True if bytes(self.component_ids) in (b"RGB", b"rgb") else None


def parse_jpeg_header(data: bytes) -> JpegHeader | None:
    """Header of a JPEG or JPEG-LS stream, None when there is none before the first scan."""
    is_jfif, adobe = False, None
    position = 2
    while data[:2] == b"\xff\xd8" and position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        if marker == JFIF and body.startswith(b"JFIF"):
            is_jfif = True
        elif marker == ADOBE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif marker in FRAME_MARKERS:
            return _frame_header(marker, body, is_jfif, adobe)
        elif marker == START_OF_SCAN or length < 2:
            return None
        position += 2 + length
    return None


def _frame_header(marker: int, body: bytes, is_jfif: bool, adobe: int | None) -> JpegHeader | None:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        return None
    return JpegHeader(
        process=marker,
        precision=body[0],
        height=int.from_bytes(body[1:3], "big"),
        width=int.from_bytes(body[3:5], "big"),
        component_ids=tuple(body[6 : 6 + 3 * body[5] : 3]),
        is_jfif=is_jfif,
        adobe_transform=adobe,
    )


def with_colour_space(data: bytes, *, is_rgb: bool) -> bytes:
    """The stream with an Adobe marker that states its colour space; JFIF and Adobe markers it had are dropped."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF and 0xE0 <= data[position + 1] <= 0xEF:
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    transform = ADOBE_RGB if is_rgb else ADOBE_YCC
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])
    return data[:2] + adobe + data[position:]
