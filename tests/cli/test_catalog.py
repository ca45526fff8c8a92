"""`touchstone catalog`: flags filter, mistakes are named, JSON is only JSON, and what is ours is found again."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tests.catalog import replay
from tests.catalog.replay import Replay, as_json
from tests.conftest import Run

from touchstone.catalog.claims import Claim
from touchstone.catalog.own import write_claims

Answer = CompletedProcess[str]
Catalog = Callable[..., Answer]

CARD = """id = "own/quill"
name = "Quill"
summary = "Writes letters about zebras."
tasks = ["chat"]
output_types = ["text"]
parameters = 8_000_000_000

[[offers]]
provider = "own"
served_name = "quill-v2"
base_url = "http://models.internal:8000/v1"
key_env = "QUILL_KEY"
price = { input_usd = 0.1, output_usd = 0.4 }
"""
HUB_CARD = """---
pipeline_tag: text-generation
license: mit
model-index:
- name: Nib
  results:
  - dataset: {type: openai/gsm8k, name: GSM8K}
    metrics: [{type: accuracy, value: 64.5}]
---
# Nib

Writes letters about okapis.
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that many commands share, so that its index is made once where the shipped one is missing."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def catalog(touchstone: Run, home: Path) -> Catalog:
    """Runs a verb of the catalog in the shared workspace, in which nothing of one's own lies."""

    def run(*arguments: str | Path) -> Answer:
        return touchstone("catalog", *arguments, environment={"TOUCHSTONE_HOME": str(home)})

    return run


@pytest.fixture
def own(touchstone: Run, tmp_path: Path) -> Catalog:
    """Runs a verb of the catalog in a workspace of the test's own."""

    def run(*arguments: str | Path) -> Answer:
        return touchstone("catalog", *arguments, environment={"TOUCHSTONE_HOME": str(tmp_path / "home")})

    return run


def body(answer: Answer) -> Any:
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    return json.loads(answer.stdout)


# Search ---------------------------------------------------------------------------------------------------------------

FLAGS: Mapping[str, tuple[list[str], dict[str, Any]]] = {
    "what it does": (
        ["--task", "chat", "--task", "code-generation", "--input", "image", "--output", "text"],
        {"tasks": ["chat", "code-generation"], "inputs": ["image"], "outputs": ["text"]},
    ),
    "how it is built": (
        ["--architecture", "decoder-only", "--trait", "mixture-of-experts"],
        {"architectures": ["decoder-only"], "traits": ["mixture-of-experts"]},
    ),
    "what is allowed": (
        ["--licence", "commercial", "--license", "MIT", "--openness", "open-licence", "--weights"],
        {"licences": ["commercial", "mit"], "openness": ["open-licence"], "has_weights": True},
    ),
    "weights that are kept": (["--no-weights"], {"has_weights": False}),
    "who makes and sells it": (
        ["--lab", "OpenAI", "--lab", "阿里巴巴", "--country", "cn", "--provider", "Groq", "--region", "EU"],
        {"labs": ["openai", "alibaba"], "countries": ["CN"], "providers": ["groq"], "regions": ["eu"]},
    ),
    "what it can": (
        ["--tools", "--structured-output", "--vision", "--reasoning", "--language", "ZH"],
        {"abilities": ["tools", "structured-output", "vision", "reasoning"], "languages": ["zh"]},
    ),
    "how large it is": (
        ["--min-context", "128000", "--min-parameters", "1.5B", "--max-parameters", "10B"],
        {"min_context_tokens": 128000, "min_parameters": 1_500_000_000, "max_parameters": 10_000_000_000},
    ),
    "what it costs": (
        ["--max-input-usd", "0.5", "--max-output-usd", "2", "--max-usd", "1", "--input-share", "0.9"],
        {"max_input_usd": 0.5, "max_output_usd": 2.0, "max_blended_usd": 1.0, "input_share": 0.9},
    ),
    "what it fits in": (
        ["--fits-gb", "24", "--precision", "4bit", "--fit-context", "32768"],
        {"fits_gib": 24.0, "precision": "4bit", "fit_context_tokens": 32768},
    ),
    "how good it is": (
        ["--benchmark", "MMLU-Pro", "--min-score", "60", "--sort", "score"],
        {"benchmark": "mmlu-pro", "min_score": 60.0},
    ),
    "its family": (["--family", "qwen", "--family", "Llama"], {"families": ["Qwen", "Llama"]}),
    "how it was made": (["--origin", "Foundation"], {"origin": "foundation"}),
    "from what it was made": (["--relation", "Distilled"], {"relations": ["distilled"]}),
    "how it can be had": (["--supply", "offer", "--supply", "weights"], {"supplies": ["offer", "weights"]}),
    "when it came out": (["--released-after", "2025-06"], {"released_after": "2025-06"}),
    "only retired": (["--retired"], {"retired": True}),
    "only ours": (["--ours"], {"ours": True}),
    "words": (["deepseek r1", "--sort", "price", "--offset", "2"], {"text": "deepseek r1"}),
    "words without quotes": (["deepseek", "--sort", "price", "r1"], {"text": "deepseek r1"}),
}


@pytest.mark.parametrize(("flags", "asked"), FLAGS.values(), ids=FLAGS)
def test_each_flag_is_the_filter_that_it_is_called(catalog: Catalog, flags: list[str], asked: dict[str, Any]) -> None:
    """What was understood is repeated in the JSON; names in either language and in any case are known."""
    found = body(catalog("search", *flags, "--json", "--limit", "0"))

    assert found["filters"] == {"retired": False, **asked}
    assert found["hits"] == []


def test_everything_is_asked_for_with_all(catalog: Catalog) -> None:
    """Retired models, and offers and reported entries without a card."""
    everything = body(catalog("search", "--all", "--json", "--limit", "0"))
    cards = body(catalog("search", "--json", "--limit", "0"))

    assert everything["filters"] == {"kinds": ["card", "reported", "offer"]}
    assert everything["total"] > cards["total"] > 0


def test_a_tighter_filter_never_adds_a_model_and_counts_agree(catalog: Catalog) -> None:
    """The number beside a lab is how many are left when that lab is asked for too."""
    wide = body(catalog("search", "--task", "chat", "--json", "--limit", "0"))
    count = next(one["count"] for one in wide["facets"] if (one["facet"], one["value"]) == ("lab", "deepseek"))
    tight = body(catalog("search", "--task", "chat", "--lab", "deepseek", "--json", "--limit", "0"))

    assert tight["total"] == count < wide["total"]


def test_what_is_found_is_read_by_people_too(catalog: Catalog) -> None:
    """A table with prices and what they mean; counts when they are asked for; Chinese words find Chinese names."""
    found = catalog("search", "通义千问", "--facets", "--limit", "3")

    assert found.returncode == 0
    assert found.stdout.count("alibaba/") == 3
    assert "--offset 3 shows more" in found.stdout
    assert "Prices: USD per million tokens" in found.stdout
    assert "Facet" in found.stdout


def test_a_collection_can_be_narrowed(catalog: Catalog) -> None:
    """A saved query and a filter hold together."""
    whole = body(catalog("search", "--collection", "embeddings", "--json", "--limit", "0"))
    open_ones = body(catalog("search", "--collection", "embeddings", "--licence", "open", "--json", "--limit", "0"))

    assert 0 < open_ones["total"] < whole["total"]


def test_retired_models_are_left_out_but_not_in_silence(catalog: Catalog) -> None:
    """Their number stands in the list and in the JSON, and `--all` shows as many; nothing where they were asked for."""
    left = body(catalog("search", "o3-mini", "--json"))
    asked = body(catalog("search", "o3-mini", "--json", "--retired"))

    assert left["retired_left_out"] == asked["total"] > 0
    assert asked["retired_left_out"] == body(catalog("search", "o3-mini", "--json", "--all"))["retired_left_out"] == 0
    assert "openai/o3-mini" in {hit["id"] for hit in asked["hits"]}
    assert "deprecated" not in catalog("search", "o3-mini", "--retired").stdout
    assert "--all shows" in catalog("search", "o3-mini").stdout
    assert "--all shows" in catalog("search", "o3-mini", "--lab", "openai", "--max-input-usd", "50").stdout


@pytest.mark.parametrize("named", ["retired", "cheap-chat", "openai"])
def test_a_collection_decides_whether_retired_models_are_in_it(catalog: Catalog, named: str) -> None:
    """By its own query; where that says nothing they are left out, and only those are counted."""
    from touchstone.catalog.collections import find_collection

    own = find_collection(named).query.retired
    found = body(catalog("search", "--collection", named, "--json", "--limit", "0"))

    assert found["total"] > 0
    assert found["filters"]["retired"] is (own is True)
    assert (found["retired_left_out"] > 0) == (own is None)
    whole = body(catalog("search", "--collection", named, "--all", "--json", "--limit", "0"))["total"]
    assert whole >= found["total"] + found["retired_left_out"]


MISTAKES: Mapping[str, tuple[list[str], tuple[str, ...]]] = {
    "a task": (["--task", "chatt"], ("chatt", "chat")),
    "a licence": (["--licence", "apatche-2.0"], ("apatche-2.0", "apache-2.0")),
    "a lab": (["--lab", "opnai"], ("opnai", "openai")),
    "a seller": (["--provider", "opena"], ("opena", "openai")),
    "a region": (["--region", "mars"], ("mars", "eu")),
    "a language by name": (["--language", "English"], ("english", "known: ")),
    "a country by name": (["--country", "China"], ("CHINA", "CN")),
    "a family": (["--family", "Qwenn"], ("Qwenn", "Qwen")),
    "an origin": (["--origin", "merged"], ("merged", "derived")),
    "a text without end": (["word " * 61], ("WORD… has 305 characters", "at most 300 characters")),
    "a collection": (["--collection", "embedings"], ("embedings", "embeddings")),
    "a benchmark": (["--benchmark", "mmlu-prp"], ("mmlu-prp", "mmlu-pro")),
    "a modality": (["--input", "smell"], ("--input is 'smell'", "image")),
    "an order": (["--sort", "cheap"], ("--sort is 'cheap'", "price")),
    "a precision": (["--precision", "3bit"], ("--precision is '3bit'", "4bit")),
    "a context of nothing": (["--min-context", "0"], ("--min-context is 0", "at least 1")),
    "a price that is no number": (["--max-input-usd", "nan"], ("--max-input-usd is nan", "write a")),
    "a share of two": (["--input-share", "2"], ("--input-share is 2", "at most 1")),
    "a device without memory": (["--fits-gb", "0"], ("--fits-gb is 0", "above 0")),
    "a size": (["--max-parameters", "10Q"], ("--max-parameters is '10Q'", "7B")),
    "a day": (["--released-after", "tomorrow"], ("--released-after", "'tomorrow' is no date", "2025-06|2026-08")),
    "a score of nothing": (["--min-score", "60"], ("--min-score", "--benchmark")),
    "an order by no score": (["--sort", "score"], ("--sort score", "--benchmark")),
    "too many": (["--limit", "20000"], ("--limit is 20000", "at most 10000")),
}


@pytest.mark.parametrize(("flags", "names"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_that_names_the_value_and_what_to_write(
    catalog: Catalog, flags: list[str], names: tuple[str, ...]
) -> None:
    """Exit code 2, nothing on stdout, and never an empty list that looks like an answer."""
    found = catalog("search", *flags, "--json")

    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.count("\n") == 1
    for name in names:
        assert any(one in found.stderr for one in name.split("|")), found.stderr


# Cards and rankings ---------------------------------------------------------------------------------------------------


def test_a_card_is_shown_to_people_and_to_programs(catalog: Catalog, tmp_path: Path) -> None:
    """A page in the terminal, the whole card as JSON, the same page as a file."""
    shown = catalog("show", "deepseek/deepseek-r1")
    card = body(catalog("show", "DeepSeek/DeepSeek-R1", "--json"))
    written = catalog("show", "deepseek/deepseek-r1", "--html", tmp_path / "card.html", "--lang", "zh")

    assert shown.returncode == 0
    assert "\nAt a glance\n" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) < 200
    assert (card["id"], card["model"]["parameters"]) == ("deepseek/deepseek-r1", 671_000_000_000)
    assert written.stdout == ""
    assert '<html lang="zh-CN">' in (tmp_path / "card.html").read_text("utf-8")


def test_a_terminal_gets_the_short_page_and_all_on_request(catalog: Catalog) -> None:
    """The longer one has every result under its source."""
    short, whole = catalog("show", "openai/gpt-4o").stdout, catalog("show", "openai/gpt-4o", "--all").stdout

    assert len(short) < len(whole)
    assert "more with --all" in short
    assert "more with --all" not in whole


def test_what_we_measured_of_several_stands_beside_the_published(own: Catalog, touchstone: Run, tmp_path: Path) -> None:
    """One row, measured by us, with the score of each; what we did not measure keeps its published results only."""
    (tmp_path / "cases.csv").write_text("id,input,target\n" + "".join(f"q{n},?,city {n}\n" for n in range(20)))
    for name, right in (("a", 15), ("b", 10)):
        rows = "".join(f"q{n},{f'city {n}' if n < right else 'no idea'}\n" for n in range(20))
        (tmp_path / f"{name}.csv").write_text("case_id,output\n" + rows)
    ids = {"a": "openai/gpt-4o", "b": "deepseek/deepseek-r1"}
    task = {"task": "capitals", "cases": "cases.csv", "answer": {"kind": "text"},
            "candidates": [{"recorded": f"{name}.csv", "model": model} for name, model in ids.items()]}  # fmt: skip
    (tmp_path / "task.yaml").write_text(json.dumps(task))
    home = {"TOUCHSTONE_HOME": str(tmp_path / "home")}
    assert touchstone("compare", "task.yaml", "--full", environment=home).returncode == 0

    models = (*ids.values(), "google/gemini-2.5-pro")
    shown, cards = own("compare", *models).stdout, body(own("compare", *models, "--json"))

    ours = [[claim["value"] for claim in card["claims"] if claim["benchmark"] == "capitals"] for card in cards]
    assert ours == [[75.0], [50.0], []]
    (row,) = [line for line in shown.splitlines() if line.startswith("capitals") or " capitals " in line]
    assert re.search(r"75\.0 .*50\.0 .*–", row)
    assert "measured by us" in " ".join(shown.split())


def test_an_unknown_model_names_the_closest(catalog: Catalog) -> None:
    """The same name at another lab before what is only spelt alike."""
    found = catalog("show", "qwen/qwen3-32b")

    assert found.returncode == 2
    assert found.stderr == "no model is called 'qwen/qwen3-32b'; known: alibaba/qwen3-32b\n"


def test_models_stand_side_by_side(catalog: Catalog) -> None:
    """In the order asked for, twice named counts once, and one alone is no comparison."""
    five = ("openai/gpt-4o", "google/gemini-2.5-pro", "deepseek/deepseek-r1", "alibaba/qwen3-32b", "openai/gpt-4o")
    shown, cards = catalog("compare", *five), body(catalog("compare", *five, "--json"))
    alone = catalog("compare", "openai/gpt-4o", "OpenAI/GPT-4o")

    assert "Results measured alike" in shown.stdout
    assert [card["id"] for card in cards] == list(five[:4])
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "touchstone catalog show openai/gpt-4o" in alone.stderr


def test_rankings_of_a_test_and_of_a_use(catalog: Catalog, tmp_path: Path) -> None:
    """All tests, one test's rankings, those that speak for a use; each as JSON, and with charts as a file."""
    panel, one = body(catalog("benchmarks", "--json")), body(catalog("benchmarks", "aider-polyglot", "--json"))
    use = body(catalog("benchmarks", "--scenario", "coding", "--json"))
    shown = catalog("benchmarks", "Aider polyglot")
    catalog("benchmarks", "aider-polyglot", "--html", tmp_path / "board.html")

    assert {"benchmarks", "scenarios"} <= set(panel)
    assert one["boards"][0]["places"][0]["rank"] == 1
    assert use["leaderboards"]
    assert "more rows with --all" in shown.stdout
    assert "<svg" not in shown.stdout
    assert 'class="scatter"' in (tmp_path / "board.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["benchmarks", "mmul"], ("mmul", "mmlu")),
        (["benchmarks", "--scenario", "codng"], ("codng", "coding")),
        (["benchmarks", "mmlu", "--scenario", "coding"], ("not both",)),
        (["terms", "tasks"], ("tasks", "task")),
        (["show", "openai/gpt-4o", "--html", "no/such/folder/x.html"], ("--html", "no/such/folder/x.html")),
    ],
)
def test_mistakes_in_other_verbs(catalog: Catalog, arguments: list[str], names: tuple[str, ...]) -> None:
    """One line with the value and the next step."""
    found = catalog(*arguments)

    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.count("\n") == 1
    assert all(name in found.stderr for name in names)


def test_collections_and_terms_are_lists(catalog: Catalog, tmp_path: Path) -> None:
    """Each collection with how many it finds; each term with its id, which the filters take."""
    counted = {one["id"]: one["models"] for one in body(catalog("collections", "--json"))}
    found = {
        name: body(catalog("search", "--collection", name, "--json", "--limit", "0"))["total"]
        for name in ("openai", "embeddings", "retired")
    }
    terms = body(catalog("terms", "relation", "--json"))
    shown = catalog("terms", "relation").stdout
    catalog("collections", "--html", tmp_path / "lists.html")

    assert counted["embeddings"] > 0
    assert found == {name: counted[name] for name in found}  # without the retired, but for those of `retired`
    assert counted["ours"] == 0
    assert {term["kind"] for term in terms} == {"relation"}
    assert all(f"({term['id']})" in shown for term in terms)
    assert "<h1>Collections</h1>" in (tmp_path / "lists.html").read_text("utf-8")


# Changes --------------------------------------------------------------------------------------------------------------


def test_a_card_of_ours_is_added_found_and_shown_as_ours(own: Catalog, tmp_path: Path) -> None:
    """From TOML and from a Hugging Face card; a second one of the same id is refused until told to replace it."""
    (tmp_path / "quill.toml").write_text(CARD, "utf-8")
    (tmp_path / "README.md").write_text(HUB_CARD, "utf-8")
    added, nib = own("add", "quill.toml"), body(own("add", "README.md", "--id", "own/nib", "--json"))
    again, replaced = own("add", "quill.toml"), own("add", "quill.toml", "--replace")
    found = body(own("search", "zebras", "--ours", "--json"))
    listed, shown = own("search", "--ours").stdout, own("show", "own/quill").stdout
    hub = body(own("show", "own/nib", "--json"))

    assert "own/quill is in the catalog, marked as ours" in added.stdout
    assert nib["card"]["model"]["licence"] == "mit"
    assert (again.returncode, replaced.returncode) == (2, 0)
    assert "--replace" in again.stderr
    assert [(hit["id"], hit["ours"], hit["input_usd"]) for hit in found["hits"]] == [("own/quill", True, 0.1)]
    assert "own/quill (ours)" in listed
    assert "own/nib (ours)" in listed
    assert "a card of your own team" in shown
    assert "http://models.internal:8000/v1" in shown
    assert [(claim["benchmark"], claim["value"]) for claim in hub["claims"]] == [("gsm8k", 64.5)]


def test_a_file_that_is_no_card_changes_nothing(own: Catalog, tmp_path: Path) -> None:
    """One line that names the file, exit code 2, and no folder made."""
    (tmp_path / "bad.toml").write_text("id = [", "utf-8")
    bad, missing = own("add", "bad.toml"), own("add", "missing.toml")

    assert (bad.returncode, missing.returncode) == (2, 2)
    assert "bad.toml" in bad.stderr
    assert "missing.toml" in missing.stderr
    assert not (tmp_path / "home" / "catalog" / "cards").exists()


def test_refresh_shows_what_would_change_and_takes_it_only_when_told(own: Catalog, tmp_path: Path) -> None:
    """First everything is new; then a price has changed, which is shown as it was and as it is."""

    async def steps() -> list[Answer]:
        async with Replay(replay.models_dev(4)) as server:

            async def refresh(*flags: str) -> Answer:
                return await asyncio.to_thread(own, "refresh", "models-dev", "--base-url", server.url, *flags)

            found = [await refresh(), await refresh("--take"), await refresh()]
            api = json.loads(server.pages["/api.json"].body)  # type: ignore[union-attr]
            api["inkwell"]["models"]["quill-1"]["cost"]["input"] = 0.5
            server.pages["/api.json"] = as_json(api)
            return [*found, await refresh(), await refresh("--take", "--json")]

    looked, taken, same, changed, machine = asyncio.run(steps())
    copy = tmp_path / "home" / "catalog" / "sources" / "models-dev.json"

    assert looked.stdout.startswith("models-dev: 4 entries; 4 new, 0 gone")
    assert looked.stdout.endswith("Nothing was taken; add --take to take it.\n")
    assert taken.stdout.endswith(f"Taken: {copy}\n")
    assert same.stdout == "models-dev: 4 entries, all as in the copy that is kept; --take renews its date.\n"
    assert "0 facts and 1 prices changed" in changed.stdout
    assert "inkwell: quill-1: input_tokens was 0.25, is 0.5 USD per 1,000,000 (+100.0 %)" in changed.stdout
    (one,) = body(machine)
    assert one["taken"] == str(copy)
    assert copy.exists()
    assert body(own("search", "quill", "--all", "--json"))["total"] == 4


def test_what_could_not_be_used_is_counted_by_its_reason(own: Catalog) -> None:
    """So that somebody can tell a list that changed its shape from one with a few odd names."""
    models = {"quill": replay.models_dev_entry("Quill", id="quill")}
    models |= {f"bad-{number}": "no entry" for number in range(3)} | {"n" * 400: replay.models_dev_entry("N")}

    async def look() -> Answer:
        async with Replay({"/api.json": as_json({"inkwell": {"models": models}})}) as server:
            return await asyncio.to_thread(own, "refresh", "models-dev", "--base-url", server.url)

    said = asyncio.run(look()).stdout

    assert "  4 entries could not be used\n    3: it is no object with fields\n    1: its id is too long\n" in said


def test_a_refreshed_source_that_writes_markup_is_shown_as_text(own: Catalog, tmp_path: Path) -> None:
    """Names with scripts and terminal codes reach neither a page nor a terminal as such."""
    evil = "<script>alert(1)</script>\x1b[2J"
    pages = {
        "/api.json": as_json({"inkwell": {"models": {"quill": replay.models_dev_entry(evil, id="quill", family=evil)}}})
    }

    async def take() -> Answer:
        async with Replay(pages) as server:
            return await asyncio.to_thread(own, "refresh", "models-dev", "--base-url", server.url, "--take", "--force")

    assert asyncio.run(take()).returncode == 0
    shown = own("show", "inkwell:quill").stdout
    own("show", "inkwell:quill", "--html", tmp_path / "card.html")
    page = (tmp_path / "card.html").read_text("utf-8")

    assert "\x1b" not in shown
    assert "<script>alert(1)" in shown
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_card_never_hides_a_shipped_one_unasked(own: Catalog, tmp_path: Path) -> None:
    """Refused by the id; with --replace it is taken, and the answer says what it stands in for."""
    (tmp_path / "mine.toml").write_text(CARD.replace("own/quill", "openai/gpt-4o"), "utf-8")
    refused, kept = own("add", "mine.toml"), own("search", "--ours", "--json")
    taken, found = own("add", "mine.toml", "--replace"), own("search", "--ours", "--json")

    assert (refused.returncode, taken.returncode) == (2, 0)
    assert "openai/gpt-4o is the id of a card that comes with the package" in refused.stderr
    assert "--replace" in refused.stderr
    assert body(kept)["total"] == 0
    assert "It stands in for the card of openai/gpt-4o that comes with the package." in taken.stdout
    assert [hit["id"] for hit in body(found)["hits"]] == ["openai/gpt-4o"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["refresh", "nope"], 2, "models-dev"),
        (["refresh", "models-dev", "ollama", "--base-url", "http://127.0.0.1:9"], 2, "name exactly one"),
        (["refresh", "models-dev", "--base-url", "http://127.0.0.1:9"], 1, "127.0.0.1"),
    ],
)
def test_a_source_that_cannot_be_asked_says_why(own: Catalog, arguments: list[str], code: int, said: str) -> None:
    """A wrong name is the user's to change, a dead server is a failure."""
    found = own(*arguments)

    assert found.returncode == code
    assert said in found.stdout + found.stderr


def test_a_broken_file_of_our_own_tests_is_told_once_and_hides_nothing(own: Catalog, tmp_path: Path) -> None:
    """The shipped tests are listed and ranked; only a test that could stand in the file cannot be answered for."""
    folder = tmp_path / "home" / "catalog"
    folder.mkdir(parents=True)
    (folder / "benchmarks.toml").write_text("benchmark = [", "utf-8")
    panel, one, unknown = own("benchmarks"), own("benchmarks", "mmlu"), own("benchmarks", "letters")

    assert (panel.returncode, one.returncode, unknown.returncode) == (0, 0, 2)
    assert "mmlu" in panel.stdout
    assert "MMLU" in one.stdout
    assert [found.stderr.count("benchmarks.toml") for found in (panel, one, unknown)] == [1, 1, 1]


def test_what_we_measured_of_a_test_of_our_own_has_a_ranking(own: Catalog, tmp_path: Path) -> None:
    """A benchmark of the team's own is in the panel, can be asked for by its id, and filters."""
    folder = tmp_path / "home" / "catalog"
    folder.mkdir(parents=True)
    (folder / "benchmarks.toml").write_text(
        '[[benchmark]]\nid = "letters"\nname = "Letters"\narea = "reasoning"\nmetric = "accuracy"\nunit = "percent"\n'
        'kind = "share"\nquestions = 200\nurl = "https://tests.internal/letters"\n'
        'explanation = { en = "Asks for letters.", zh = "写信。" }\n',
        "utf-8",
    )
    models = ("deepseek/deepseek-r1", "openai/gpt-4o")
    shared = {"benchmark": "letters", "measured_by": "ours", "source": "trial", "as_of": "2026-01-02", "ours": True}
    claims = [Claim(model=model, value=value, **shared) for model, value in zip(models, (90.0, 70.0), strict=True)]
    write_claims(folder, "letters", claims)
    panel, board = own("benchmarks"), body(own("benchmarks", "letters", "--json"))
    found = body(own("search", "--benchmark", "letters", "--sort", "score", "--json"))

    assert "letters" in panel.stdout
    assert [place["claim"]["model"] for place in board["boards"][0]["places"]] == list(models)
    assert [hit["id"] for hit in found["hits"]] == list(models)
