"""How the Hugging Face Hub is asked and understood."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.catalog.replay import (
    CARD,
    RESULTS,
    Answering,
    Page,
    Replay,
    as_json,
    hugging_face,
    hugging_face_entry,
    redirect,
)

from touchstone.catalog.outbound import Door
from touchstone.catalog.source_base import Copy, Reported
from touchstone.catalog.source_failed import SourceFailed
from touchstone.catalog.source_hugging_face import HuggingFace

NOW, LATER = "2026-11-27T08:00:00+00:00", "2026-11-28T08:00:00+00:00"
QUILL = "Inkwell/Quill-0"


async def ask(pages: Mapping[str, Answering], *repositories: str, old: Copy | None = None) -> Copy:
    """What the Hub says of some repositories."""
    async with Replay(pages) as server:
        source = HuggingFace(repositories, server.url, named=True)
        copy = await source.ask(Door(near=[server.url]), old, LATER if old else NOW)
    assert copy is not None
    return copy


async def heard(**changes: Any) -> Reported:
    """One entry."""
    pages = {**hugging_face(1), f"/api/models/{QUILL}": as_json(hugging_face_entry(**changes))}
    [entry] = (await ask(pages, QUILL)).entries
    return entry


async def test_known_fields_get_our_names() -> None:
    """Metadata, the card and the results' files; the two texts are kept as they are."""
    entry = await heard()
    assert (entry.provider, entry.id) == (None, QUILL)
    assert entry.facts == {
        "repository_created": "2025-09-16",
        "parameters": 8030261248,
        "weights": "gated",
        "licence": "apache-2.0",
        "languages": ("en", "zh"),
        "pipeline_tag": "text-generation",
    }
    rest = json.loads(entry.rest)
    assert rest["readme"] == CARD
    assert rest["eval_results"] == {".eval_results/quiz.yaml": RESULTS}
    assert rest["cardData"] == {"base_model": "Inkwell/Quill-0-Base"}
    assert rest["config"]["architectures"] == ["QuillForCausalLM"]
    assert "siblings" not in rest


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"gated": False}, "weights", "open"),
        ({"gated": "auto"}, "weights", "gated"),
        ({"gated": True}, "weights", None),
        ({"gated": "soon"}, "weights", None),
        ({"gated": False, "private": True}, "weights", None),
        ({"cardData": {"license": "other", "license_name": "quill-licence"}}, "licence", "quill-licence"),
        ({"cardData": {"license": "other"}}, "licence", None),
        ({"cardData": {"language": "zh"}}, "languages", ("zh",)),
        ({"cardData": "x"}, "licence", None),
        ({"safetensors": {"total": "8B"}}, "parameters", None),
    ],
)
async def test_special_values(changes: dict[str, Any], field: str, value: Any) -> None:
    """What the Hub writes in its own way, and what is not understood."""
    assert (await heard(**changes)).facts.get(field) == value


async def test_a_card_that_cannot_be_had() -> None:
    """Without README or results the metadata is kept all the same."""
    pages = {f"/api/models/{QUILL}": as_json(hugging_face_entry())}
    pages[f"/{QUILL}/raw/main/README.md"] = Page(b"x" * (1 << 20), kind="text/plain")
    [entry] = (await ask(pages, QUILL)).entries
    assert "readme" not in json.loads(entry.rest)
    assert entry.facts["parameters"] == 8030261248


async def test_each_repository_for_itself() -> None:
    """Gone, hidden, renamed and broken repositories are left out with their reasons; the others are kept."""
    pages = hugging_face(6)
    pages["/api/models/Inkwell/Quill-1"] = Page(status=404)
    pages["/api/models/Inkwell/Quill-2"] = Page(status=401)
    pages["/api/models/Inkwell/Quill-3"] = redirect("/api/models/Inkwell/Feather-3", 307)
    pages["/api/models/Inkwell/Quill-4"] = Page(status=500)
    copy = await ask(pages, *(f"Inkwell/Quill-{place}" for place in range(6)))
    assert [entry.id for entry in copy.entries] == [QUILL, "Inkwell/Quill-5"]
    assert [(skipped.id[-1], skipped.reason) for skipped in copy.skipped] == [
        ("1", "gone"),
        ("2", "refused"),
        ("3", "moved"),
        ("4", "failed"),
    ]


async def test_an_earlier_copy_is_carried_on() -> None:
    """What was not asked for, or failed, stays with its own date; what is gone goes."""
    everything = [f"Inkwell/Quill-{place}" for place in range(4)]
    old = await ask(hugging_face(4), *everything)
    pages = hugging_face(4)
    pages["/api/models/Inkwell/Quill-1"] = Page(status=500)
    pages["/api/models/Inkwell/Quill-2"] = Page(status=404)
    copy = await ask(pages, *everything[:3], old=old)
    assert {entry.id[-1]: entry.fetched_at for entry in copy.entries} == {"0": LATER, "1": NOW, "3": NOW}


async def test_a_hub_that_is_down_is_left_soon() -> None:
    """After some failures in a row nothing more is asked, and the source as a whole has failed."""
    async with Replay({f"/api/models/a/m{place}": Page(status=503) for place in range(100)}) as server:
        source = HuggingFace([f"a/m{place}" for place in range(100)], server.url, named=True)
        with pytest.raises(SourceFailed, match="503"):
            await source.ask(Door(near=[server.url]), None, NOW)
    assert len(server.asked) < 12
