"""ECG that lies beside the frames in the same file: the Waveform Sequence (PS3.3 C.10.9)."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.waveforms import multiplex_array

from sonometry.core.signals import Signals
from sonometry.core.source import Source
from sonometry.io.dicom_header import items, lenient_pydicom, number, text

#: Factors to volt of the UCUM units in use for ECG.
VOLT = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "µV": 1e-6}


def ecg_of(dataset: Dataset) -> Signals | None:
    """The first group of ECG channels on the clock of the frames; None when there is none that can be read.

    Values are in V where the file gives a sensitivity, else in the file's own steps with unit "1".
    Time 0 is the first frame: Multiplex Group Time Offset (0018,1068), ms, delays the first sample.
    """
    for index, group in enumerate(items(dataset, "WaveformSequence")):
        rate_hz = number(group, "SamplingFrequency")
        if not rate_hz or rate_hz <= 0 or not _is_ecg(group):
            continue
        try:
            with lenient_pydicom():
                values = multiplex_array(dataset, index, as_raw=False)
        except Exception:  # a damaged waveform must not hide the pictures; pydicom documents no set of errors
            continue
        names, units, factors = _channels(group, values.shape[1])
        return Signals(
            names=names,
            units=units,
            values=values.astype(np.float64) * factors,
            sampling_rate_hz=rate_hz,
            start_time_s=(number(group, "MultiplexGroupTimeOffset") or 0.0) / 1e3,
            source=Source(name="ecg", format="DICOM waveform"),
        )
    return None


def _is_ecg(group: Dataset) -> bool:
    """Whether a channel's source is an ECG lead by its coded meaning, or nothing is coded."""
    meanings = [
        text(source, "CodeMeaning").lower()
        for channel in items(group, "ChannelDefinitionSequence")
        for source in items(channel, "ChannelSourceSequence")
    ]
    return not any(meanings) or any("ecg" in m or "lead" in m or "electrocardio" in m for m in meanings)


def _channels(group: Dataset, n_channels: int) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Names "ecg" or "ecg_1"..., units and factors to them."""
    channels = items(group, "ChannelDefinitionSequence")
    names = ("ecg",) if n_channels == 1 else tuple(f"ecg_{i + 1}" for i in range(n_channels))
    units, factors = [], []
    for i in range(n_channels):
        coded = items(channels[i], "ChannelSensitivityUnitsSequence") if i < len(channels) else []
        factor = VOLT.get(text(coded[0], "CodeValue")) if coded else None
        units.append("1" if factor is None else "V")
        factors.append(1.0 if factor is None else factor)
    return names, tuple(units), np.array(factors)
