"""How many input tokens a request with pictures takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.evaluation.ledger import canonical
from touchstone.models.base import ChatRequest, ImagePart, Message, TextPart
from touchstone.models.fake import FakeModel
from touchstone.models.picture_tokens import PICTURE_TOKENS, most_input_tokens, picture_tokens, usual_picture_tokens


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("claude-opus-5", 5_120),
        ("us.anthropic.claude-sonnet-4-6-v1:0", 5_120),
        ("anthropic/claude-haiku-4.5", 5_120),
        ("gpt-4o", 3_840),
        ("gpt-4o-2024-11-20", 3_840),
        ("openai/gpt-4.1-nano", 3_840),
        ("o4-mini-2025-04-16", 3_840),
        ("GPT-4o", 3_840),
        ("gpt-4o-mini", PICTURE_TOKENS),
        ("gpt-4o-mini-2024-07-18", PICTURE_TOKENS),
        ("gpt-4oo", PICTURE_TOKENS),
        ("marco-o1-preview", PICTURE_TOKENS),
        ("my-claudette", PICTURE_TOKENS),
        ("gpt-6-astra", PICTURE_TOKENS),
        ("qwen3-vl", PICTURE_TOKENS),
        ("", PICTURE_TOKENS),
    ],
)
def test_a_rule_is_its_models_own(name: str, tokens: int) -> None:
    """Whoever is not known by name may take as much as the dearest that is known."""
    assert picture_tokens(name).most == tokens


def test_the_dearest_known_rule_is_covered() -> None:
    """gpt-4o-mini: 2,833 tokens and 5,667 for each of eight tiles; gpt-4o: 85 and 170; gpt-4.1-nano: patches."""
    assert picture_tokens("gpt-4o-mini").most >= 2_833 + 8 * 5_667
    assert picture_tokens("gpt-4o").most >= 85 + 8 * 170
    assert picture_tokens("gpt-4.1-nano").most >= 1_536 * 2.46
    assert picture_tokens("claude-opus-4-7").most >= 4_784


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("claude-opus-5", 37 * 37),
        ("gpt-4o", 85 + 4 * 170),
        ("gpt-4o-mini", 2_833 + 4 * 5_667),
        ("gpt-4.1", 32 * 32),
        ("qwen3-vl", 37 * 37),
    ],
)
def test_what_is_usual_is_what_the_guides_say_of_1024_pixels_each_way(name: str, tokens: int) -> None:
    """Patches of 28 pixels, tiles, patches of 32 pixels; never more than the most."""
    rule = picture_tokens(name)
    assert rule.usual == tokens <= rule.most


@given(number=st.integers(0, 5))
def test_each_picture_counts_for_itself(number: int) -> None:
    """Words beside it are counted elsewhere."""
    parts = [TextPart(text="what is this?"), *[ImagePart(url="data:;base64,AAAA")] * number]
    request = ChatRequest(messages=(Message(role="user", content=tuple(parts)),))

    assert usual_picture_tokens(FakeModel("gpt-4o"), request) == 765 * number


@given(texts=st.lists(st.text(max_size=30), max_size=4), sizes=st.lists(st.integers(0, 100_000), max_size=3))
def test_words_count_by_their_bytes_and_pictures_by_their_number(texts: list[str], sizes: list[int]) -> None:
    """No text is lost beside a picture, and no byte of a picture is taken for a token."""
    parts = [*(TextPart(text=text) for text in texts), *(ImagePart(url="data:;base64," + "A" * size) for size in sizes)]
    request = ChatRequest(messages=(Message(role="user", content=tuple(parts)),))
    most = most_input_tokens(FakeModel("some-model"), request, len(canonical(request)))
    least = sum(len(text.encode("utf-8", "replace")) for text in texts) + PICTURE_TOKENS * len(sizes)

    assert least <= most <= least + 500 + 5 * sum(map(len, texts))


def test_a_request_without_pictures_counts_by_its_bytes() -> None:
    """Recordings too: a second of sound is tens of tokens and thousands of bytes."""
    request = ChatRequest(messages=(Message(role="user", content="hello"),))
    assert most_input_tokens(FakeModel("claude-x"), request, 123) == 123
