"""Facts that a file lacks, given by the user in the units of the clinic.

What a file says is overridden only by such a fact, and the reader then adds a note to `Source.notes`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from sonometry.core.errors import DataError


@dataclass(frozen=True)
class Facts:
    """Every field is a flag of the command line (`spacing_mm` is `--spacing-mm ROW COL`); None leaves it to the file.

    spacing_mm : row, column pixel distance. fps : frames per second.
    sampling_mhz, centre_mhz, pitch_mm, sound_speed_m_s, start_depth_mm : of RF.
    variable : name of the array in a .mat, .h5 or .npz file.
    """

    spacing_mm: tuple[float, float] | None = None
    fps: float | None = None
    sampling_mhz: float | None = None
    centre_mhz: float | None = None
    pitch_mm: float | None = None
    sound_speed_m_s: float | None = None
    start_depth_mm: float | None = None
    variable: str | None = None

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None or item.name in ("variable", "start_depth_mm"):
                continue
            values = value if isinstance(value, tuple) else (value,)
            if not all(0 < v < float("inf") for v in values):
                raise DataError(f"--{item.name.replace('_', '-')} must be positive, got {value}")
