"""The words that sort models: each explained in both languages, with examples that exist, and found under any name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import get_args

import pytest

from touchstone.catalog.model import Model
from touchstone.catalog.shipped import shipped_models
from touchstone.catalog.shipped_tables import read_shipped
from touchstone.catalog.taxonomy import Term, TermKind, find_term, labs, licences, terms, terms_of
from touchstone.errors import UnknownName

KINDS: tuple[TermKind, ...] = get_args(TermKind)
_HAN = re.compile(r"[\u4e00-\u9fff]")


def _sentences_en(text: str) -> int:
    return len(re.findall(r"[.!?](?=\s|$)", text))


def _sentences_zh(text: str) -> int:
    return len(re.findall(r"[。！？]", text))


def _label(term: Term) -> str:
    return f"{term.kind}-{term.id}"


@cache
def _cards() -> Mapping[str, Model]:
    return {model.id: model for model in shipped_models()}


def _is_so(model: Model, term: Term) -> bool:
    downloadable = model.weights in {"open", "gated"}
    licence = licences()[model.licence].kind if model.licence else None
    return {
        "task": term.id in model.tasks,
        "output": term.id in model.output_types,
        "architecture": term.id == model.architecture,
        "trait": term.id in model.traits,
        "origin": term.id == model.origin,
        "relation": term.id == model.relation,
        "openness": {
            "open-licence": downloadable and licence == "open",
            "open-weights": downloadable and licence == "restricted",
            "proprietary": model.weights == "closed",
        }.get(term.id, False),
        # That somebody sells answers is said by the price list, not by the card.
        "supply": term.id == "offer" or downloadable,
    }[term.kind]


def test_each_term_is_explained_in_two_sentences_in_each_language() -> None:
    """A reader of either language learns in two whole sentences what the term is and when one chooses it."""
    for term in terms():
        assert _sentences_en(term.explanation.en) == 2, _label(term)
        assert term.explanation.en.endswith("."), _label(term)
        assert _sentences_zh(term.explanation.zh) == 2, _label(term)
        assert term.explanation.zh.endswith("。"), _label(term)
        assert not _HAN.search(term.explanation.en), _label(term)
        assert _HAN.search(term.explanation.zh), _label(term)
        assert _HAN.search(term.name.zh), _label(term)


def test_each_term_is_found_in_both_languages_by_other_words() -> None:
    """Aliases come in English and in Chinese."""
    for term in terms():
        assert any(_HAN.search(alias) for alias in term.aliases), _label(term)
        assert any(not _HAN.search(alias) for alias in term.aliases), _label(term)


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_means_one_term_of_its_kind(kind: TermKind) -> None:
    """No id, name or alias of a kind leads to two terms, whether written with capitals, hyphens or neither."""
    meant: dict[str, str] = {}
    for term in terms_of(kind).values():
        for word in (term.id, term.name.en, term.name.zh, *term.aliases):
            plain = word.casefold().replace("-", " ")
            assert meant.setdefault(plain, term.id) == term.id, word


def test_no_id_is_explained_twice() -> None:
    """Kind and id name one term, and every kind has at least two to tell apart."""
    assert max(Counter((term.kind, term.id) for term in terms()).values()) == 1
    assert min(len(terms_of(kind)) for kind in KINDS) >= 2


def test_examples_are_cards_of_this_catalog() -> None:
    """Each term has at least two examples, all of which can be looked up."""
    for term in terms():
        assert len(set(term.examples)) == len(term.examples) >= 2, _label(term)
        assert set(term.examples) <= set(_cards()), _label(term)


def test_examples_are_what_the_term_says() -> None:
    """The card of each example agrees that the model is so."""
    for term in terms():
        assert [name for name in term.examples if not _is_so(_cards()[name], term)] == [], _label(term)


@pytest.mark.parametrize(
    ("kind", "word", "meant"),
    [
        ("task", "embedding", "embedding"),
        ("task", "Speech recognition", "speech-recognition"),
        ("task", "SPEECH-RECOGNITION", "speech-recognition"),
        ("task", "语音识别", "speech-recognition"),
        ("task", "ASR", "speech-recognition"),
        ("task", "文生图", "image-generation"),
        ("task", " rerank ", "reranking"),
        ("task", "OCR", "document-reading"),
        ("trait", "MoE", "mixture-of-experts"),
        ("trait", "混合专家", "mixture-of-experts"),
        ("architecture", "仅解码器", "decoder-only"),
        ("architecture", "encoder only", "encoder-only"),
        ("relation", "LoRA", "adapter"),
        ("openness", "开源", "open-licence"),
        ("openness", "闭源", "proprietary"),
        ("openness", "开放权重", "open-weights"),
        ("supply", "API", "offer"),
    ],
)
def test_a_term_is_found_by_id_name_and_alias(kind: TermKind, word: str, meant: str) -> None:
    """People type the word they know, in the language they think in."""
    assert find_term(kind, word).id == meant


def test_every_word_of_a_term_leads_to_it() -> None:
    """What the file lists can be asked for."""
    for term in terms():
        for word in (term.id, term.name.en, term.name.zh, *term.aliases):
            assert find_term(term.kind, word) == term, _label(term)


@pytest.mark.parametrize(
    ("kind", "typed", "suggested"),
    [("task", "embeding", "embedding"), ("trait", "混合专家模", "混合专家"), ("relation", "distiled", "distilled")],
)
def test_an_unknown_word_is_answered_with_the_closest(kind: TermKind, typed: str, suggested: str) -> None:
    """A typo is met with the word that was meant, in the language it was typed in."""
    with pytest.raises(UnknownName, match=rf"known: .*\b{suggested}\b"):
        find_term(kind, typed)


def test_an_unknown_word_far_from_all_is_answered_with_the_ids() -> None:
    """Who types something else altogether sees what there is, and a kind that reads as a word of English."""
    with pytest.raises(UnknownName, match="no kind of supply is called 'zzz'; known: offer, weights"):
        find_term("supply", "zzz")


def test_a_word_of_another_kind_is_unknown() -> None:
    """A trait is not an architecture: mixture of experts is found only among traits."""
    with pytest.raises(UnknownName):
        find_term("architecture", "mixture-of-experts")


def test_openness_keeps_three_things_apart() -> None:
    """Open weights, an open licence and proprietary are three terms, and downloading is never said to be permission."""
    openness = terms_of("openness")
    assert set(openness) == {"open-licence", "open-weights", "proprietary"}
    assert "can be downloaded" in openness["open-weights"].explanation.en
    assert "limits who may use them" in openness["open-weights"].explanation.en
    assert "for any purpose" in openness["open-licence"].explanation.en
    assert "not given out" in openness["proprietary"].explanation.en


@pytest.mark.parametrize(("file", "table"), [("labs.toml", "lab"), ("licences.toml", "licence")])
def test_no_lab_or_licence_is_listed_twice(file: str, table: str) -> None:
    """Every entry has an id of its own, so that none hides another."""
    ids = [entry["id"] for entry in read_shipped(file)[table]]
    assert [name for name, times in Counter(ids).items() if times > 1] == []
    assert set(ids) == set(labs() if table == "lab" else licences())
