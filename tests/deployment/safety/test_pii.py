"""Personal data by its form: what is found, what is not, and where."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.safety.pii import MASKS, PiiFinder
from touchstone.deployment.safety.pii_secrets import ISSUED, entropy_bits, looks_made_up
from touchstone.deployment.safety.seen import see
from touchstone.deployment.safety.spans import apart, masked
from touchstone.errors import ExtraMissing, UnknownName

FINDER = PiiFinder()


def hidden(text: str, finder: PiiFinder = FINDER) -> str:
    seen = see(text)
    return masked(seen.text, apart(finder.find(seen)), finder.mask)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail jane.doe+x@mail.example.co.uk.", "mail [EMAIL]."),
        ("邮箱zhang@example.cn，谢谢", "邮箱[EMAIL]，谢谢"),
        ("jane (at) example [dot] com", "[EMAIL]"),
        ("?to=jane%40example.com&x", "?to=[EMAIL]&x"),
        ("电话13800138000转1", "电话[PHONE]转1"),
        ("电话１３８００１３８０００", "电话[PHONE]"),
        ("1\u200b3\u200b8\u200b0\u200b0\u200b1\u200b3\u200b8\u200b0\u200b0\u200b0", "[PHONE]"),
        ("010-62345678", "[PHONE]"),
        ("(415) 555-2671 or 415.555.2671", "[PHONE] or [PHONE]"),
        ("+44 20 7946 0958", "[PHONE]"),
        ("card 4111 1111 1111 1111 12/27", "card [CARD] 12/27"),
        ("3 times 4111-1111-1111-1111", "3 times [CARD]"),
        ("两张卡：4111111111111111、378282246310005", "两张卡：[CARD]、[CARD]"),
        ("IBAN DE89 3704 0044 0532 0130 00 and so on", "IBAN [IBAN] and so on"),
        ("gb82west12345698765432", "[IBAN]"),
        ("536-22-8841", "[SSN]"),
        ("from 203.0.113.7:8080", "from [IP]:8080"),
        ("2001:db8:85a3::8a2e:370:7334", "[IP]"),
        ("password: Tr0ub4dor&3 ok", "password: [SECRET] ok"),
        ("密码是Qwer1234!", "密码是[SECRET]"),
        ("验证码：482913", "验证码：[SECRET]"),
        ("https://bob:p4ssw0rd@example.org/x", "https://bob:[SECRET]/x"),
    ],
)
def test_personal_data_is_masked_where_it_stands(text: str, masked: str) -> None:
    """What stands around it stays."""
    assert hidden(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "order 4111111111111112",
        "订单编号：18612345678",
        "version 10.4.118.22 and v1.20.30.40, section 14.20.3.1",
        "127.0.0.1, 0.0.0.0, 255.255.255.0, 224.0.0.1 and 10.0.0.0/8",
        "12:30:45:50 and std::vector<int>::iterator",
        "git@github.com:example/project.git and logo@2x.png and lodash@4.17.21",
        "the password is required",
        "API_KEY=${OPENAI_API_KEY} token = os.environ['TOKEN'] secret: <your-secret>",
        "550e8400-e29b-41d4-a716-446655440000",
        "3.14159265358979323846 and 1700000000000",
        "000-12-3456 666-12-3456 123-00-4567",
        "DE89370400440532013001",
        "ISBN 978-3-16-148410-0",
    ],
)
def test_look_alikes_are_left_alone(text: str) -> None:
    """A wrong check digit, a version, a placeholder, an identifier."""
    assert hidden(text) == text


def test_only_the_kinds_that_are_asked_for_are_found() -> None:
    """A policy may name some kinds."""
    text = "jane@example.com 13800138000"
    assert hidden(text, PiiFinder(("phone",))) == "jane@example.com [PHONE]"


def test_a_kind_nobody_knows_is_refused() -> None:
    """With the kinds that are known."""
    with pytest.raises(UnknownName, match="email"):
        PiiFinder(("e-mail",))


@given(
    st.text(max_size=60),
    st.sampled_from(["jane@example.com", "4111 1111 1111 1111", "电话13800138000。"]),
    st.text(max_size=60),
)
def test_a_mask_comes_out_for_any_text_around(before: str, said: str, after: str) -> None:
    """Between spaces it is found whatever stands beyond; nothing that is masked is found again."""
    done = hidden(f"{before} {said} {after}")
    assert said.strip("电话。") not in done or said in before + after
    assert apart(FINDER.find(see(" ".join(MASKS.values())))) == ()


@pytest.mark.parametrize("pattern", ISSUED)
def test_issued_tokens_are_found_by_pattern(pattern: str) -> None:
    """Each pattern of a token is one that RE2 takes, alone and together with the others."""
    assert PiiFinder(("secret",)).find(see("nothing here")) == []


@pytest.mark.parametrize(
    "value", ["hunter2!", "Tr0ub4dor&3", "9f86d081", "482913", "q8Zr4Tn1Lx7Vb2Kd", "aBcDeFgHiJkLmNoPq"]
)
def test_made_up_values_look_so(value: str) -> None:
    """Mixed kinds of characters, few repeated."""
    assert looks_made_up(value)


@pytest.mark.parametrize(
    "value", ["required", "aaaaaa1", "111111", "Password", "${X}123", "your-key-1", "process.env.KEY1", "xxxxxx1!"]
)
def test_words_and_placeholders_do_not(value: str) -> None:
    """A word, a repetition, a piece of code."""
    assert not looks_made_up(value)


def test_entropy_is_that_of_shannon() -> None:
    """Known values: nothing, one character, two as often, eight as often."""
    assert [entropy_bits(text) for text in ("", "aaaa", "abab", "abcdefgh")] == [0.0, 0.0, 1.0, 3.0]


def test_presidio_is_an_extra() -> None:
    """Where it is not installed the error says what to install; where it is, its kinds are found."""
    if find_spec("presidio_analyzer") is None:
        with pytest.raises(ExtraMissing, match="pii"):
            PiiFinder(presidio=True)
        return
    finder = PiiFinder(presidio=True)
    assert hidden("pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", finder) == "pay [WALLET]"
    assert hidden("PESEL 44051401359", finder) == "PESEL [ID]"
