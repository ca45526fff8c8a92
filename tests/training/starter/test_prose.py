"""Facts as prose: a pronoun follows a name, and sentences that compare say what each has."""

from __future__ import annotations

import re
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.training.starter.base import Fact, Subject
from touchstone.training.starter.names import Draw
from touchstone.training.starter.prose import both, side_by_side, told
from touchstone.training.starter.wording import Attribute

PRICE = Attribute(
    "price", "money", ("price",), (("costs {v}",),), (("we sell {s} for {v}",),), (("What does {s} cost?",),), ("{S}",)
)
RAIN = Attribute(
    "rain", "yes_no", (), (("is waterproof",),), (), (("Is {s} waterproof?",),), (), (("is not waterproof",),)
)
KETTLE, MUG = (
    Subject("product", (f"the {name} {thing}", f"the {name}")) for name, thing in (("Ono", "kettle"), ("Uru", "mug"))
)


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_name_comes_before_its_pronoun(seed: int, introduced: bool) -> None:
    """Unless a heading has named the subject."""
    facts = [Fact(KETTLE, PRICE, "$5"), Fact(KETTLE, RAIN, "no"), Fact(MUG, PRICE, "$7")]
    text = told(facts, Draw(Random(seed)), introduced=introduced)
    mug = text.index("Uru")
    if not introduced:
        pronoun = re.search(r"\b(?:it|its)\b", text, re.IGNORECASE)
        assert pronoun is None or text.index("Ono") < pronoun.start()
    assert "$7" in text[max(0, mug - 30) :]
    assert "not waterproof" in text


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_sentences_begin_large_and_end(seed: int) -> None:
    """With a stop; a list has none after its last line."""
    text = told([Fact(KETTLE, PRICE, "$5"), Fact(KETTLE, RAIN, "yes")], Draw(Random(seed)))
    assert text[0].isupper() or text.startswith("- ")
    assert text.endswith(".") or "\n- " in text or text.startswith("- ")


def test_two_can_be_compared_in_one_sentence() -> None:
    """Each value stands behind its own name."""
    text = side_by_side([Fact(KETTLE, PRICE, "$5"), Fact(MUG, PRICE, "$7")], Draw(Random(1)))
    assert text is not None
    assert re.fullmatch(r"The Ono(?: kettle)? costs \$5,? ?(?:and )?the Uru(?: mug)? \$7\.", text)
    assert side_by_side([Fact(KETTLE, RAIN, "no"), Fact(MUG, RAIN, "yes")], Draw(Random(1))) is None


def test_both_can_share_a_value() -> None:
    """Said once, of the two of them."""
    text = both([Fact(KETTLE, RAIN, "no"), Fact(MUG, RAIN, "no")], Draw(Random(1)))
    assert text is not None
    assert text.endswith(" are not waterproof.")
    assert text.lower().count("both") <= 1
    assert "Ono" in text
    assert "Uru" in text
