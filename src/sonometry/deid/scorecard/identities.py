"""Invented patients: everything in a header or on a screen that could name them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FAMILY = _names(
    "Abernathy Bergstrom Castellano Dimitrov Eriksen Fitzgerald Grabowski Haverkamp Ivanovic Jankowski Kowalczyk "
    "Lindqvist Montgomery Nakagawa Oberholzer Pettersson Quintanilla Rasmussen Szymanski Thorvald Underhill "
    "Vasquez Wojciech Ximenes Yamaguchi Zimmermann"
)
GIVEN = _names(
    "Adelheid Bartholomew Clementine Desmond Evangeline Ferdinand Gwendolyn Horatio Isadora Jocelyn Katarzyna Leopold "
    "Marguerite Nathaniel Ottoline Percival Quentin Rosalind Sebastian Theodora Ulysses Valentina Wilhelmina Yolanda"
)
HOSPITALS = (
    "Saint Brannoc Infirmary",
    "Nordhavn Sygehus",
    "Mount Calloway Clinic",
    "Klinikum Ostheim",
    "Riverbend Medical Ctr",
)
STREETS = ("14 Larkspur Lane", "7 Quayside Terrace", "221 Elmhurst Ave", "3 Bramble Close")
#: What a sonographer types: only words that a cleaned description may keep.
STUDIES = (
    "Transthoracic echo",
    "Left knee ultrasound",
    "Abdomen complete",
    "Achilles tendon follow-up",
    "Thyroid limited",
)


@dataclass(frozen=True)
class Identity:
    """One invented person. `name` is a DICOM PN; `study_date` lies within the last ten years of `TODAY`."""

    family: str
    given: str
    patient_id: str
    birth: date
    sex: str
    phone: str
    address: str
    hospital: str
    physician: str
    operator: str

    @property
    def name(self) -> str:
        return f"{self.family}^{self.given}"

    @property
    def screen_names(self) -> tuple[str, ...]:
        """The name as scanners print it."""
        return (
            f"{self.family.upper()}, {self.given.upper()}",
            f"{self.family} {self.given}",
            f"{self.given[0]}. {self.family}",
            f"{self.family.upper()}^{self.given.upper()}",
        )

    def secrets(self) -> tuple[str, ...]:
        """Strings none of which may be found in a de-identified header (compare without case)."""
        return (
            self.family,
            self.given,
            self.patient_id,
            self.birth.strftime("%Y%m%d"),
            self.birth.isoformat(),
            self.phone,
            self.address,
            self.hospital,
            *self.physician.split("^"),
            *self.operator.split("^"),
        )


TODAY = date(2026, 6, 1)


def draw_identity(rng: np.random.Generator) -> Identity:
    """One person."""

    def pick(values: tuple[str, ...] | list[str]) -> str:
        return str(values[int(rng.integers(len(values)))])

    return Identity(
        family=pick(FAMILY),
        given=pick(GIVEN),
        patient_id=f"{pick(['MRN', '00', 'H', 'X-'])}{rng.integers(10**6, 10**7)}",
        birth=TODAY - timedelta(days=int(rng.integers(365 * 20, 365 * 85))),
        sex=pick(["M", "F", "O"]),
        phone=f"555-01{rng.integers(10, 99)}-{rng.integers(1000, 9999)}",
        address=pick(STREETS),
        hospital=pick(HOSPITALS),
        physician=f"{pick(FAMILY)}ova^{pick(GIVEN)}",
        operator=f"{pick(FAMILY)}son^{pick(GIVEN)}",
    )
