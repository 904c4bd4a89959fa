"""Codes with which Sonometry's results speak to other systems.

Standard codes (SNOMED CT, DICOM, UCUM) where there is one that means exactly the same; else the private scheme
99SONOMETRY (PS3.16 8.2: private schemes begin with 99), whose code values are the names in report.json.
"""

from __future__ import annotations

from pydicom.sr.coding import Code

from sonometry.core.echo_views import EchoView

PRIVATE_SCHEME = "99SONOMETRY"

#: Echo views of PS3.16 CID 12226 by Sonometry's names. The basal short axis lies at the mitral valve and the subcostal
#: four-chamber view is the Standard's subcostal long axis; the five-chamber view has no code there.
VIEW_CODES: dict[str, Code] = {
    EchoView.A2C.value: Code("399232001", "SCT", "Apical two chamber"),
    EchoView.A3C.value: Code("399339008", "SCT", "Apical long axis"),
    EchoView.A4C.value: Code("399214001", "SCT", "Apical four chamber"),
    EchoView.A5C.value: Code("A5C", PRIVATE_SCHEME, "Apical five chamber"),
    EchoView.PLAX.value: Code("399139001", "SCT", "Parasternal long axis"),
    EchoView.SAXBASAL.value: Code("399036006", "SCT", "Parasternal short axis at the Mitral Valve level"),
    EchoView.SAXMID.value: Code("399271003", "SCT", "Parasternal short axis at the Papillary Muscle level"),
    EchoView.SUB4C.value: Code("399310008", "SCT", "Subcostal long axis"),
}

#: Measurements that PS3.16 names, by Sonometry's names.
MEASUREMENT_CODES: dict[str, Code] = {
    "ejection_fraction": Code("10230-1", "LN", "Left Ventricular Ejection Fraction"),
    "heart_rate": Code("8867-4", "LN", "Heart rate"),
}

STATUS = Code("status", PRIVATE_SCHEME, "Status of the measurement")
STATUS_CODES: dict[str, Code] = {
    "ok": Code("ok", PRIVATE_SCHEME, "Trusted"),
    "limited": Code("limited", PRIVATE_SCHEME, "Trusted within the stated limits"),
    "withheld": Code("withheld", PRIVATE_SCHEME, "Withheld"),
}


def measurement_code(name: str) -> Code:
    """Code of a measurement by its name in report.json."""
    return MEASUREMENT_CODES.get(name) or Code(name, PRIVATE_SCHEME, _meaning(name))


def value_code(value: str) -> Code:
    """Code of a category, such as a view."""
    return VIEW_CODES.get(value) or Code(value, PRIVATE_SCHEME, _meaning(value))


def unit_code(unit: str) -> Code:
    """Code of a UCUM unit. Meanings are the unit itself except for "1", as PS3.16 CID 82 has it."""
    return Code(unit, "UCUM", "no units" if unit == "1" else unit)


def _meaning(name: str) -> str:
    """At most 64 characters (PS3.5, VR LO), none of them a separator of DICOM."""
    return name.replace("_", " ").replace("\\", "/")[:64] or "unnamed"
