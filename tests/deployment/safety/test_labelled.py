"""The labelled set is what it says it is."""

from __future__ import annotations

from collections import Counter

from touchstone.deployment.safety.labelled import labelled_texts
from touchstone.deployment.safety.pii import MASKS


def test_it_is_large_and_of_every_kind_and_language() -> None:
    """At least 300 texts; every kind in both languages, on both sides."""
    texts = labelled_texts()
    assert len(texts) >= 300
    kinds = Counter((text.kind, text.lang) for text in texts)
    assert all(kinds[kind, lang] for kind in {text.kind for text in texts} for lang in ("en", "zh"))
    halves = Counter((text.half, text.kind) for text in texts)
    assert all(halves["apart", kind] >= 8 for kind in {text.kind for text in texts})
    assert sum(text.half == "apart" for text in texts) >= 150


def test_labels_are_in_their_texts() -> None:
    """What is to be found stands in the text; kinds are known; every kind of personal data is there."""
    found = set()
    for text in labelled_texts():
        for kind, values in text.find.items():
            found.add(kind)
            assert all(value in text.text for value in values), text.id
        assert text.injection == (text.kind in {"direct", "indirect", "hidden", "encoded", "marker"})
        assert bool(text.find) or text.kind != "personal"
        assert not text.find or text.kind != "harmless"
    assert found == set(MASKS)


def test_no_text_stands_there_twice() -> None:
    """A text in both halves would be measured on what it was tuned on."""
    texts = labelled_texts()
    assert len({text.text for text in texts}) == len({text.id for text in texts}) == len(texts)
