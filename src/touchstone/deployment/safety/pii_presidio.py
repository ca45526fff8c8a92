"""
Numbers of further countries, found by the pattern recognisers of Microsoft Presidio (the extra `pii`).

Only recognisers that check a digit or a closed form are asked, and only what they are sure of counts; no model is
loaded and nothing is downloaded. Its recognisers of e-mail and of addresses are left out: they fetch a list of domains.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from touchstone.deployment.safety.base import Span
from touchstone.deployment.safety.seen import Seen
from touchstone.errors import ExtraMissing

MASKS = {"national_id": "[ID]", "crypto": "[WALLET]"}
"""What stands instead of each kind."""

_SURE = 0.6

_RECOGNISERS = {
    "crypto": ("CryptoRecognizer",),
    "national_id": (
        "AuMedicareRecognizer",
        "AuTfnRecognizer",
        "CaSinRecognizer",
        "DeTaxIdRecognizer",
        "EsNieRecognizer",
        "EsNifRecognizer",
        "FiPersonalIdentityCodeRecognizer",
        "InAadhaarRecognizer",
        "ItFiscalCodeRecognizer",
        "KrRrnRecognizer",
        "NhsRecognizer",
        "PlPeselRecognizer",
        "SePersonnummerRecognizer",
        "SgFinRecognizer",
        "ThTninRecognizer",
        "TrNationalIdRecognizer",
    ),
}


class PresidioFinder:
    """
    Finds what Presidio knows and our own rules do not.

    Raises `ExtraMissing` where it is not installed. A recogniser that this release of it does not have is passed over.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        try:
            known = import_module("presidio_analyzer.predefined_recognizers")
        except ImportError as error:
            raise ExtraMissing(feature="presidio", extra="pii") from error
        self._recognisers: list[tuple[str, Any]] = [
            (kind, getattr(known, name)())
            for kind, names in _RECOGNISERS.items()
            if kind in kinds
            for name in names
            if hasattr(known, name)
        ]

    def find(self, seen: Seen) -> list[Span]:
        """Places in the text as it came; they may overlap."""
        return [
            Span(kind, *seen.span(found.start, found.end), float(found.score))
            for kind, recogniser in self._recognisers
            for found in recogniser.analyze(seen.plain, recogniser.supported_entities, None) or ()
            if found.score >= _SURE
        ]
