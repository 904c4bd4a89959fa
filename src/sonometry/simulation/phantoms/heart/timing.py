"""Time course of the beat: phases, volume and strain curves, valves, ECG.

A beat begins at the R peak (end-diastole). Durations follow the heart rate: ejection after Weissler et al. 1968,
doi:10.1161/01.CIR.37.2.149; isovolumic phases about 55 and 75 ms; the rest is filling, of which diastasis gives way
first. All curves are continuous. The ECG is a sum of Gaussian waves, after McSharry et al. 2003,
doi:10.1109/TBME.2003.808805.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sonometry.core.signals import Signals
from sonometry.simulation.phantoms.heart.parameters import HeartParameters

ECG_RATE_HZ = 500.0
#: What a screen shows of the ECG.
_SCREEN_S = 2.5

#: Wave: (centre relative to R, s at 60/min; standard deviation, s; amplitude, mV).
_ECG_WAVES = {
    "P": (-0.17, 0.022, 0.12),
    "Q": (-0.028, 0.010, -0.11),
    "R": (0.0, 0.011, 1.1),
    "S": (0.030, 0.011, -0.28),
    "T": (0.29, 0.048, 0.26),
}


@dataclass(frozen=True)
class Phases:
    """Ends of the phases of one beat, s after its R peak.

    contraction : isovolumic contraction ends, aortic valve opens. ejection : aortic valve closes (end-systole).
    relaxation : mitral valve opens. early_filling, diastasis : end of each. beat : next R peak.
    """

    contraction: float
    ejection: float
    relaxation: float
    early_filling: float
    diastasis: float
    beat: float


def phases(beat_s: float) -> Phases:
    """Phases of a beat of the given length."""
    ejection = min(max(0.413 - 0.0017 * 60 / beat_s, 0.16), 0.36)
    contraction, relaxation = 0.055, 0.075
    systole = contraction + ejection + relaxation
    if beat_s - systole < 0.12:  # very fast hearts: everything shrinks together
        scale = beat_s / (systole + 0.12)
        contraction, ejection, relaxation = contraction * scale, ejection * scale, relaxation * scale
        systole = contraction + ejection + relaxation
    filling = beat_s - systole
    return Phases(
        contraction=contraction,
        ejection=contraction + ejection,
        relaxation=systole,
        early_filling=systole + min(0.19, 0.5 * filling),
        diastasis=beat_s - min(0.13, 0.4 * filling),
        beat=beat_s,
    )


@dataclass(frozen=True)
class BeatState:
    """Where in the cycle some moments lie, each (T,).

    emptying : ejected share of the stroke volume, 0 at end-diastole, 1 at end-systole.
    shortening : share of the end-systolic longitudinal strain. twisting : share of the end-systolic twist.
    atrial_filling : 0 smallest (end-diastole) to 1 largest (end-systole).
    mitral, aortic : opening of the valves, 0 closed to 1 open. pulse : expansion of the aorta, 0 to 1.
    """

    emptying: np.ndarray
    shortening: np.ndarray
    twisting: np.ndarray
    atrial_filling: np.ndarray
    mitral: np.ndarray
    aortic: np.ndarray
    pulse: np.ndarray


class Rhythm:
    """R peaks of a recording and the state of the cycle at any moment of it.

    Beat lengths vary with `rr_variation` around the mean. `start_s` is the time of the recording's first moment
    after an R peak, so that clips need not begin at end-diastole.
    """

    def __init__(
        self, parameters: HeartParameters, rng: np.random.Generator, *, duration_s: float, start_s: float = 0.0
    ) -> None:
        mean = 1.0 / parameters.heart_rate_hz
        lengths: list[float] = []
        while sum(lengths) < max(duration_s, _SCREEN_S) + start_s + mean:
            lengths.append(mean * float(np.clip(1 + rng.normal(0, parameters.rr_variation), 0.6, 1.6)))
        self.beat_lengths_s = np.array(lengths)
        self.r_peaks_s = np.concatenate([[0.0], np.cumsum(lengths)]) - start_s
        self.duration_s = duration_s
        self._early_share = parameters.early_filling_share

    def end_diastoles_s(self) -> np.ndarray:
        """Times of end-diastole inside the recording."""
        return self.r_peaks_s[(self.r_peaks_s >= -1e-9) & (self.r_peaks_s <= self.duration_s)]

    def end_systoles_s(self) -> np.ndarray:
        """Times of end-systole inside the recording."""
        times = self.r_peaks_s[:-1] + np.array([phases(float(b)).ejection for b in self.beat_lengths_s])
        return times[(times >= -1e-9) & (times <= self.duration_s)]

    def first_end_systole_s(self) -> np.ndarray:
        """(1,) end-systole of the first beat, inside the recording or not."""
        return self.r_peaks_s[:1] + phases(float(self.beat_lengths_s[0])).ejection

    def state(self, times_s: np.ndarray) -> BeatState:
        """State of the cycle at `times_s` (T,), s after the start of the recording."""
        times_s = np.atleast_1d(np.asarray(times_s, float))
        beats = np.clip(
            np.searchsorted(self.r_peaks_s, times_s + 1e-12, side="right") - 1, 0, len(self.beat_lengths_s) - 1
        )
        rows = [
            _state_in_beat(float(t - self.r_peaks_s[b]), phases(float(self.beat_lengths_s[b])), self._early_share)
            for t, b in zip(times_s, beats, strict=True)
        ]
        return BeatState(*np.array(rows).T)

    def ecg(self, rng: np.random.Generator, *, noise_mv: float = 0.01, seconds: float = 0.0) -> Signals:
        """One ECG lead on the clock of the recording, 500 samples/s, mV.

        seconds : covers at least so much from the start on, up to 2.5 s; the whole recording in any case.
        """
        length = max(self.duration_s, min(seconds, _SCREEN_S), 2 / ECG_RATE_HZ)
        times = np.arange(0, length, 1 / ECG_RATE_HZ)
        trace = rng.normal(0, noise_mv, len(times))
        amplitude = {name: value * rng.uniform(0.7, 1.3) for name, (_, _, value) in _ECG_WAVES.items()}
        beats = np.append(self.beat_lengths_s, self.beat_lengths_s[-1])
        for peak, beat in zip(self.r_peaks_s, beats, strict=True):
            for name, (centre, width, _) in _ECG_WAVES.items():
                # Bazett: intervals follow the root of the beat length
                shift = centre * np.sqrt(beat) if name in "PT" else centre
                first, last = np.searchsorted(times, peak + shift + width * np.array([-5.0, 5.0]))
                near = times[first:last]
                trace[first:last] += amplitude[name] * np.exp(-0.5 * ((near - peak - shift) / width) ** 2)
        return Signals(("ecg",), ("mV",), trace[:, None], ECG_RATE_HZ)


def _state_in_beat(t: float, p: Phases, early_share: float) -> tuple[float, ...]:
    return (
        _emptying(t, p, early_share),
        _shortening(t, p, early_share),
        _twisting(t, p),
        _atrial_filling(t, p, early_share),
        _mitral_opening(t, p),
        _aortic_opening(t, p),
        _pulse(t, p),
    )


def _ramp(t: float, start: float, end: float) -> float:
    """0 before start, 1 after end, cubic with zero slope at both between."""
    x = min(max((t - start) / max(end - start, 1e-3), 0.0), 1.0)
    return x * x * (3 - 2 * x)


def _emptying(t: float, p: Phases, early_share: float) -> float:
    """Nothing in the isovolumic phases; ejection, early filling, a trickle in diastasis, atrial kick."""
    if t <= p.ejection:
        x = max(t - p.contraction, 0.0) / (p.ejection - p.contraction)
        return _ramp(x**0.85, 0.0, 1.0)
    early = _ramp(t, p.relaxation, p.early_filling)
    trickle = _ramp(t, p.early_filling, p.diastasis)
    return 1 - (early_share - 0.05) * early - 0.05 * trickle - (1 - early_share) * _ramp(t, p.diastasis, p.beat)


def _shortening(t: float, p: Phases, early_share: float) -> float:
    """As emptying, but the walls already move a little in the isovolumic phases."""
    if t <= p.ejection:
        return _ramp((max(t, 0.0) / p.ejection) ** 1.15, 0.0, 1.0)
    early = _ramp(t, p.ejection + 0.35 * (p.relaxation - p.ejection), p.early_filling)
    return 1 - early_share * early - (1 - early_share) * _ramp(t, p.diastasis, p.beat)


def _twisting(t: float, p: Phases) -> float:
    """Rises through ejection; most of it is gone before the mitral valve is fully open."""
    return _ramp(t, 0.0, p.ejection) - _ramp(t, p.ejection, p.early_filling)


def _atrial_filling(t: float, p: Phases, early_share: float) -> float:
    """Reservoir in systole, conduit in early filling, pump with the atrial kick."""
    pump = 0.75 * (1 - early_share) + 0.15
    conduit = (1 - pump) * _ramp(t, p.relaxation, p.early_filling)
    return _ramp(t, 0.0, p.ejection) - conduit - pump * _ramp(t, p.diastasis, p.beat)


def _mitral_opening(t: float, p: Phases) -> float:
    """Wide in early filling, half shut in diastasis, open again with the atrial kick, closed by the R peak."""
    opened = _ramp(t, p.relaxation, p.relaxation + 0.045)
    floating = 0.55 * _ramp(t, p.relaxation + 0.1, p.early_filling + 0.04)
    kick = 0.4 * _ramp(t, p.diastasis, 0.5 * (p.diastasis + p.beat))
    return min(max(opened - floating + kick, 0.0), 1.0) * (1 - _ramp(t, p.beat - 0.055, p.beat))


def _aortic_opening(t: float, p: Phases) -> float:
    return _ramp(t, p.contraction - 0.005, p.contraction + 0.025) * (
        1 - _ramp(t, p.ejection - 0.03, p.ejection + 0.005)
    )


def _pulse(t: float, p: Phases) -> float:
    return _ramp(t, p.contraction, 0.4 * p.contraction + 0.6 * p.ejection) - _ramp(t, p.ejection, p.beat)
