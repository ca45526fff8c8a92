"""Numbers that prove themselves: payment cards, bank accounts, Chinese resident identities."""

from __future__ import annotations

from datetime import date

_CARD_STARTS: tuple[tuple[int, int, int, tuple[int, ...]], ...] = (
    (1, 4, 4, (13, 16, 19)),  # Visa
    (2, 51, 55, (16,)),  # Mastercard
    (4, 2221, 2720, (16,)),  # Mastercard since 2017
    (2, 34, 34, (15,)),  # American Express
    (2, 37, 37, (15,)),
    (4, 6011, 6011, (16, 17, 18, 19)),  # Discover
    (3, 644, 659, (16, 17, 18, 19)),
    (2, 62, 62, (16, 17, 18, 19)),  # UnionPay
    (4, 3528, 3589, (16, 17, 18, 19)),  # JCB
    (3, 300, 305, (14, 15, 16, 17, 18, 19)),  # Diners Club
    (2, 36, 36, (14, 15, 16, 17, 18, 19)),
    (2, 38, 39, (14, 15, 16, 17, 18, 19)),
)
"""(digits, from, to, lengths): what card numbers begin with. Source: ISO/IEC 7812-1 and the networks' own lists."""


def is_card(digits: str) -> bool:
    """Whether these digits are a card number: a known beginning of a fitting length, and the Luhn check digit."""
    known = any(
        first <= int(digits[:size]) <= last and len(digits) in lengths
        for size, first, last, lengths in _CARD_STARTS
        if len(digits) >= size
    )
    return known and len(set(digits)) > 1 and luhn(digits)


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1, annex B."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) << (place & 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_PROVINCES = {
    str(code)
    for codes in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83))
    for code in range(codes[0], codes[1] + 1)
}


def is_resident_id(written: str) -> bool:
    """
    Whether these 18 characters are a Chinese resident identity number.

    A province, a day of birth that exists, and the check character of ISO 7064 MOD 11-2. Source: GB 11643-1999.
    """
    written = written.upper()
    if len(written) != 18 or not written[:17].isdecimal() or written[:2] not in _PROVINCES:
        return False
    try:
        born = date(int(written[6:10]), int(written[10:12]), int(written[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, written, strict=False))
    return born.year >= 1880 and _CHECKS[total % 11] == written[17]


IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip
"""Characters of an account number by country. Source: SWIFT, IBAN Registry, release 99 (2024)."""


def is_iban(written: str) -> bool:
    """Whether these characters, without spaces, are an account number: the country's length, and ISO 7064 MOD 97-10."""
    written = written.upper()
    if IBAN_LENGTHS.get(written[:2]) != len(written) or not written.isascii() or not written.isalnum():
        return False
    if not written[2:4].isdecimal():
        return False
    return int("".join(str(int(character, 36)) for character in written[4:] + written[:4])) % 97 == 1
