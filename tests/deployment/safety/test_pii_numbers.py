"""Check digits, against the definitions and known numbers."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.safety.pii_numbers import IBAN_LENGTHS, is_card, is_iban, is_resident_id, luhn

# Numbers that networks publish for tests, and examples of the standards.
CARDS = [
    "4111111111111111",
    "5555555555554444",
    "378282246310005",
    "6011111111111117",
    "3530111333300000",
    "30569309025904",
]
IBANS = [
    "GB82WEST12345698765432",
    "DE89370400440532013000",
    "FR1420041010050500013M02606",
    "NO9386011117947",
    "CH9300762011623852957",
]


@pytest.mark.parametrize("digits", CARDS)
def test_published_test_cards_are_cards(digits: str) -> None:
    """Each network's own test number, and none of its neighbours."""
    assert is_card(digits)
    assert not any(is_card(digits[:-1] + str(last)) for last in range(10) if str(last) != digits[-1])


@pytest.mark.parametrize(
    "digits", ["1234567812345670", "0000000000000000", "9111111111111111", "411111111111116", "4111"]
)
def test_a_check_digit_alone_makes_no_card(digits: str) -> None:
    """A number begins as a network's numbers do and has their length."""
    assert not is_card(digits)


@given(st.text("0123456789", min_size=1, max_size=18))
def test_exactly_one_digit_completes_a_number(digits: str) -> None:
    """Luhn: of ten last digits one fits, and any single wrong digit is seen."""
    fitting = [last for last in "0123456789" if luhn(digits + last)]
    assert len(fitting) == 1
    other = str((int(digits[0]) + 1) % 10) + digits[1:] + fitting[0]
    assert not luhn(other)


@pytest.mark.parametrize("written", IBANS)
def test_examples_of_the_registry_are_account_numbers(written: str) -> None:
    """In capitals or not; with one character changed they are none."""
    assert is_iban(written)
    assert is_iban(written.lower())
    assert not is_iban(written[:-1] + ("1" if written[-1] != "1" else "2"))
    assert not is_iban(written + "0")


@given(st.sampled_from(sorted(IBAN_LENGTHS)), st.data())
def test_two_digits_complete_an_account_number(country: str, data: st.DataObject) -> None:
    """MOD 97: the check digits that ISO 13616 gives fit, and swapped neighbours do not."""
    length = IBAN_LENGTHS[country] - 4
    rest = data.draw(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=length, max_size=length))
    number = int("".join(str(int(one, 36)) for one in rest + country + "00"))
    written = f"{country}{98 - number % 97:02d}{rest}"
    assert is_iban(written)
    if rest[0] != rest[1] and rest[0].isdecimal() == rest[1].isdecimal():
        assert not is_iban(written[:4] + rest[1] + rest[0] + rest[2:])


def checked(seventeen: str) -> str:
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    return seventeen + "10X98765432"[sum(w * int(d) for w, d in zip(weights, seventeen, strict=True)) % 11]


@given(st.integers(0, 999), st.dates(min_value=date(1800, 1, 1), max_value=date(2100, 1, 1)))
def test_a_resident_identity_has_a_day_and_a_check_character(serial: int, born: date) -> None:
    """ISO 7064 MOD 11-2 over a province, a day of birth and a serial number."""
    written = checked(f"110101{born:%Y%m%d}{serial:03d}")
    assert is_resident_id(written) == (written[6:10] >= "1880")
    wrong = "0123456789X"[("0123456789X".index(written[17]) + 1) % 11]
    assert not is_resident_id(written[:17] + wrong)


@pytest.mark.parametrize(
    "seventeen", ["99010119900307000", "11010119901301000", "11010119900230000", "11010117000101000"]
)
def test_a_province_or_day_that_is_none_makes_no_identity(seventeen: str) -> None:
    """The check character alone is no proof."""
    assert not is_resident_id(checked(seventeen))


def test_the_last_character_may_be_a_small_x() -> None:
    """People write it so."""
    written = next(one for serial in range(20) if (one := checked(f"11010119900307{serial:03d}"))[17] == "X")
    assert is_resident_id(written)
    assert is_resident_id(written.lower())
