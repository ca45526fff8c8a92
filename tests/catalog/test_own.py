"""The team's own cards are files that people read; a broken one is named and hides no other; none leaves the folder."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.catalog.base import Price
from touchstone.catalog.claims import Claim
from touchstone.catalog.model import Modality, Model, Network
from touchstone.catalog.own import (
    OwnCard,
    OwnOffer,
    add_card,
    own_benchmarks,
    own_claims,
    own_models,
    write_card,
    write_claims,
)
from touchstone.catalog.own_folder import OwnFolder, file_name
from touchstone.catalog.toml_text import write_toml
from touchstone.errors import DataError, StoreError, UserError

TODAY = "2026-01-02"
CARD = """# Our support model.
id = "own/support"
name = "Support"
summary = "Answers tickets."
tasks = ["chat"]
output_types = ["text"]
parameters = 8_000_000_000
languages = ["zh"]

[[offers]]
provider = "own"
served_name = "support-v2"
base_url = "http://models.internal:8000/v1"
key_env = "SUPPORT_KEY"
price = { input_usd = 0.1, output_usd = 0.4 }
"""
HUB_CARD = """---\r
pipeline_tag: text-generation\r
license: mit # sure\r
unknown_key: 1\r
model-index:\r
- name: Support\r
  results:\r
  - dataset: {type: openai/gsm8k, name: GSM8K}\r
    metrics: [{type: accuracy, value: 64.5}]\r
---\r
# Support\r
\r
Answers tickets.\t"""


def given_file(folder: Path, text: str, name: str = "given.toml") -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


def add(folder: Path, text: str = CARD, name: str = "given.toml", **options: Any) -> Any:
    return add_card(folder / "catalog", given_file(folder, text, name), today=TODAY, **options)


def test_a_card_is_added_as_a_file_that_is_read_back(tmp_path: Path) -> None:
    """The file lies under its lab and name, is marked as ours, and names the team where nobody else is the source."""
    added = add(tmp_path)
    assert added.path == str(tmp_path / "catalog" / "cards" / "own" / "support.toml")
    model = added.card.model
    assert (model.ours, model.lab, model.summary.zh) == (True, "own", "Answers tickets.")
    assert model.unsourced == ()
    assert [(source.name, source.as_of) for source in model.sources] == [("own team", TODAY)]
    found = own_models(tmp_path / "catalog")
    assert found.errors == ()
    assert found.cards == (added.card,)


def test_a_complete_card_is_stored_as_it_was_written(tmp_path: Path) -> None:
    """The team's own comments and order stay, where nothing had to be added."""
    complete = write_card(add(tmp_path).card)
    text = "# reviewed by Jo\n" + complete
    added = add(tmp_path, text, replace=True)
    assert Path(added.path).read_text("utf-8") == text


def test_an_offer_is_a_candidate_of_a_task_file(tmp_path: Path) -> None:
    """Its keys are those that `compare` reads, without any key of a provider."""
    (offer,) = add(tmp_path).card.offers
    assert offer.candidate() == {
        "model": "openai-compatible",
        "base_url": "http://models.internal:8000/v1",
        "served_name": "support-v2",
        "price": {"source": "own card", "input_usd": 0.1, "output_usd": 0.4},
        "key_env": "SUPPORT_KEY",
    }
    assert Price.model_validate(offer.candidate()["price"]).source == "own card"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("http://models.internal:8000/v1", "http://jo:secret@host/v1", "carries a credential"),
        ("http://models.internal:8000/v1", "file:///etc/passwd", "is no address"),
        ('provider = "own"', 'provider = "openai"', "offers.0.provider: use one of"),
        ('id = "own/support"', 'id = "Own/Support"', "id: 'Own/Support' is no model id"),
        ('id = "own/support"\n', "", "id: "),
        ("parameters = 8_000_000_000", "parameters = -1", "parameters: "),
        ("parameters = 8_000_000_000", "weight = 1", "weight: "),
        ("parameters = 8_000_000_000", "parameters = [", "this is no TOML"),
        ("parameters = 8_000_000_000", "parameters = " + "9" * 5000, "this is no TOML"),
        ("parameters = 8_000_000_000", "parameters = " + "[" * 50_000, "nested too deeply"),
        ('tasks = ["chat"]', "tasks = []", "tasks: "),
    ],
)
def test_a_card_that_cannot_be_used_is_refused_with_the_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    """The error names the file and the key; nothing is written, and no password is repeated."""
    with pytest.raises(DataError, match=r"given\.toml: ") as error:
        add(tmp_path, CARD.replace(old, new))
    assert said in str(error.value)
    assert "secret" not in str(error.value)
    assert not (tmp_path / "catalog").exists()


def test_a_card_is_not_written_over_without_being_asked(tmp_path: Path) -> None:
    """The old one stays byte for byte; `replace` takes the new one."""
    path = Path(add(tmp_path).path)
    before = path.read_bytes()
    with pytest.raises(DataError, match="name --replace"):
        add(tmp_path, CARD.replace("Support", "Other"))
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["support.toml"]
    assert add(tmp_path, CARD.replace("Support", "Other"), replace=True).card.model.name == "Other"
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["support.toml"]


def test_words_that_the_taxonomy_does_not_list_are_shown(tmp_path: Path) -> None:
    """The card is taken, and the user sees why no filter will find it."""
    added = add(tmp_path, CARD.replace('["chat"]', '["chat", "fortune-telling"]').replace("own/", "acme-inc/"))
    assert [(kept.key, kept.value) for kept in added.kept] == [("tasks", "fortune-telling"), ("lab", "acme-inc")]


def test_a_hugging_face_card_is_kept_beside_byte_for_byte(tmp_path: Path) -> None:
    """Its facts become a card, its results claims, and what is unknown is named."""
    added = add(tmp_path, HUB_CARD, "README.md")
    assert added.card.model.id == "own/support"
    assert added.card.model.licence == "mit"
    assert added.card.model.ours
    assert added.copy_path == str(tmp_path / "catalog" / "cards" / "own" / "support.md")
    assert Path(added.copy_path).read_bytes() == HUB_CARD.encode()
    assert [kept.key for kept in added.kept] == ["unknown_key"]
    assert [(claim.benchmark, claim.value, claim.measured_by) for claim in added.claims] == [("gsm8k", 64.5, "own")]
    assert own_models(tmp_path / "catalog").cards == (added.card,)
    assert own_claims(tmp_path / "catalog").claims == added.claims


def test_replacing_a_card_takes_its_copy_and_results_along(tmp_path: Path) -> None:
    """Nothing of the old card is left to be taken for the new one's."""
    add(tmp_path, HUB_CARD, "README.md")
    add(tmp_path, replace=True)
    left = [path.name for path in (tmp_path / "catalog").rglob("*") if path.is_file()]
    assert left == ["support.toml"]


def test_an_id_can_be_given(tmp_path: Path) -> None:
    """It goes before that of the file."""
    assert add(tmp_path, HUB_CARD, "README.md", model_id="acme/x:8b").card.model.id == "acme/x:8b"
    assert add(tmp_path, CARD, model_id="acme/y").card.model.lab == "acme"
    names = sorted(path.name for path in (tmp_path / "catalog" / "cards" / "acme").iterdir())
    assert names == ["x=8b.md", "x=8b.toml", "y.toml"]
    assert own_models(tmp_path / "catalog").errors == ()


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    """The error says which kinds there are."""
    with pytest.raises(DataError, match=r"a card is a \.toml file"):
        add(tmp_path, "{}", "card.json")
    with pytest.raises(DataError, match="cannot be read"):
        add_card(tmp_path, tmp_path / "absent.toml", today=TODAY)
    with pytest.raises(DataError, match="1 MiB"):
        add(tmp_path, "#" * (1024 * 1024 + 1))


def test_a_broken_card_is_named_and_hides_no_other(tmp_path: Path) -> None:
    """What can be read is read; each of the others is an error with its path."""
    good = add(tmp_path).card
    cards = tmp_path / "catalog" / "cards"
    (cards / "own" / "broken.toml").write_text("id = ")
    (cards / "own" / "moved.toml").write_bytes((cards / "own" / "support.toml").read_bytes())
    (cards / "own" / "latin.toml").write_bytes(b"id = '\xff'")
    (cards / "stray.toml").write_text(CARD)
    (cards / "own" / "notes.txt").write_text("not looked at")
    found = own_models(tmp_path / "catalog")
    assert found.cards == (good,)
    named = [str(error).split(": ")[0].removeprefix(str(cards) + os.sep) for error in found.errors]
    assert sorted(named) == ["own/broken.toml", "own/latin.toml", "own/moved.toml", "stray.toml"]


def test_a_workspace_without_cards_has_none(tmp_path: Path) -> None:
    """Looking makes no folder."""
    assert own_models(tmp_path / "catalog").cards == ()
    assert own_claims(tmp_path / "catalog").claims == ()
    assert not (tmp_path / "catalog").exists()


@pytest.mark.parametrize(
    "model_id", ["../evil", "own/../evil", "own/a/b", "/etc/x", "own/.hidden", "own\\x/y", "a/b\n"]
)
def test_an_id_that_is_a_path_is_refused(tmp_path: Path, model_id: str) -> None:
    """No id leads out of the folder, whichever file it comes from."""
    quoted = CARD.replace('"own/support"', repr(model_id).replace("'", '"'))
    with pytest.raises(DataError):
        add(tmp_path, quoted)
    with pytest.raises(DataError):
        add(tmp_path, HUB_CARD, "README.md", model_id=model_id)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] in (
        ["given.toml", "README.md"],
        ["README.md", "given.toml"],
    )


@given(st.text(max_size=40))
def test_a_file_name_is_one_step(name: str) -> None:
    """Whatever a name holds, it is refused or names a file right in the folder."""
    try:
        found = file_name(name, ".toml")
    except UserError:
        return
    assert Path(found).name == found
    assert not found.startswith(".")


def test_a_name_is_not_longer_than_a_file_system_takes(tmp_path: Path) -> None:
    """A long id is refused with a sentence, not by the system."""
    with pytest.raises(DataError, match="at most 200"):
        add(tmp_path, CARD.replace("own/support", "own/" + "a" * 201))


def test_a_link_is_followed_nowhere(tmp_path: Path) -> None:
    """Neither a folder nor a card may be a link: nothing outside is written or read."""
    outside = tmp_path / "outside"
    outside.mkdir()
    added = Path(add(tmp_path, CARD.replace("own/support", "own/secret")).path)
    assert own_models(tmp_path / "catalog").errors == ()
    added.rename(outside / "secret.toml")
    cards = tmp_path / "catalog" / "cards"
    (cards / "own").rmdir()
    (cards / "own").symlink_to(outside, target_is_directory=True)
    with pytest.raises(DataError, match="a link or file stands where a folder belongs"):
        add(tmp_path)
    assert sorted(path.name for path in outside.iterdir()) == ["secret.toml"]
    found = own_models(tmp_path / "catalog")
    assert found.cards == ()
    assert len(found.errors) == 1
    (cards / "own").unlink()
    (cards / "own").mkdir()
    (cards / "own" / "secret.toml").symlink_to(outside / "secret.toml")
    found = own_models(tmp_path / "catalog")
    assert (found.cards, len(found.errors)) == ((), 1)
    (cards / "own" / "support.toml").symlink_to(outside / "target.toml")
    with pytest.raises(DataError, match="there is a card already"):
        add(tmp_path)
    assert not add(tmp_path, replace=True).path.endswith("target.toml")
    assert not (outside / "target.toml").exists()


def test_the_folder_of_cards_is_no_link(tmp_path: Path) -> None:
    """The workspace may lie anywhere; `cards` itself lies in it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "cards").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(DataError, match="a link or file stands"):
        add(tmp_path)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_without_directory_handles_links_are_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a system cannot open files beneath a handle, each step is looked at."""
    monkeypatch.setattr("touchstone.catalog.own_folder._HELD", False)
    assert own_models(tmp_path / "catalog").cards == ()
    added = add(tmp_path)
    assert own_models(tmp_path / "catalog").cards == (added.card,)
    with pytest.raises(DataError, match="name --replace"):
        add(tmp_path)
    folder = Path(added.path).parent
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(DataError, match="a link stands here"):
        add(tmp_path, replace=True)
    assert own_models(tmp_path / "catalog").cards == ()


def test_a_write_that_fails_leaves_the_old_card(tmp_path: Path) -> None:
    """Nothing half written is left behind, and the error says where."""
    folder = OwnFolder(tmp_path, "cards")
    folder.write("own", "a.toml", b"old", replace=False)
    (tmp_path / "cards" / "own" / "b.toml").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        folder.write("own", "b.toml", b"new", replace=True)
    assert sorted(path.name for path in (tmp_path / "cards" / "own").iterdir()) == ["a.toml", "b.toml"]
    assert folder.read("own", "a.toml") == b"old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe among the cards is an error, not a pause."""
    add(tmp_path)
    os.mkfifo(tmp_path / "catalog" / "cards" / "own" / "pipe.toml")
    found = own_models(tmp_path / "catalog")
    assert (len(found.cards), len(found.errors)) == (1, 1)


def claim(**facts: Any) -> Claim:
    given = {"model": "own/support", "benchmark": "gsm8k", "value": 50, "measured_by": "ours", "source": "comparison 7"}
    return Claim.model_validate({**given, "as_of": TODAY, "ours": True, **facts})


def test_own_results_are_files_in_the_shape_of_the_shipped_ones(tmp_path: Path) -> None:
    """What is written is read back; a broken file is named and hides no other."""
    claims = (claim(low=40, high=60, questions=100), claim(value=61.5, setting='5 "shots"\n'), claim(subset="x"))
    write_claims(tmp_path, "comparison-7", claims)
    (tmp_path / "claims" / "broken.toml").write_text("[[table]]\nrows = [{ model = 'own/x' }]")
    (tmp_path / "claims" / "deep.toml").write_text("a = " + "[" * 50_000)
    found = own_claims(tmp_path)
    assert found.claims == claims
    assert [str(error).split(":")[0].rsplit(os.sep, 1)[1] for error in found.errors][:1] == ["broken.toml, row 1"]
    assert len(found.errors) == 2
    write_claims(tmp_path, "comparison-7", claims[:1])
    assert own_claims(tmp_path).claims == claims[:1]
    with pytest.raises(UserError):
        write_claims(tmp_path, "../x", claims)


def test_the_teams_own_tests_are_benchmarks_beside_the_shipped_ones(tmp_path: Path) -> None:
    """Results on a task of the team's own name a test that the team explains."""
    assert "own-intents" not in own_benchmarks(tmp_path)
    (tmp_path / "benchmarks.toml").write_text(
        '[[benchmark]]\nid = "own-intents"\nname = "Intents"\narea = "reasoning"\nmetric = "accuracy"\n'
        'unit = "ratio"\nkind = "share"\nurl = "workspace:intents"\n[benchmark.explanation]\nen = "x"\nzh = "x"\n'
    )
    assert {"own-intents", "mmlu"} <= own_benchmarks(tmp_path).keys()
    write_claims(tmp_path, "t", [claim(benchmark="own-intents", value=0.5)])
    assert [one.benchmark for one in own_claims(tmp_path).claims] == ["own-intents"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
WORDS = st.fixed_dictionaries({"en": TEXTS, "zh": TEXTS})
NUMBERS = st.integers(1, 10**15)
DATES = st.dates().map(str) | st.integers(1000, 2999).map(str)
MODELS = st.fixed_dictionaries(
    {
        "id": st.just("own/x"),
        "name": TEXTS,
        "lab": TEXTS,
        "summary": WORDS,
        "tasks": st.lists(TEXTS, min_size=1, max_size=3),
        "output_types": st.lists(TEXTS, min_size=1, max_size=2),
        "sources": st.lists(
            st.fixed_dictionaries(
                {"name": TEXTS, "as_of": DATES, "facts": st.just(["licence"])}, optional={"url": TEXTS}
            ),
            min_size=1,
            max_size=2,
        ),
    },
    optional={
        "aliases": st.lists(TEXTS, max_size=3),
        "input_modalities": st.lists(st.sampled_from(get_args(Modality)), max_size=3),
        "parameters": NUMBERS,
        "tools": st.booleans(),
        "released": DATES,
        "licence": TEXTS,
        "languages": st.lists(TEXTS, max_size=2),
        "limits": WORDS,
        "network": st.fixed_dictionaries(
            {"layers": NUMBERS, "hidden_size": NUMBERS}, optional={"head_size": NUMBERS, "state_layers": st.just(0)}
        ),
        "snapshots": st.lists(
            st.fixed_dictionaries({"name": TEXTS}, optional={"released": DATES, "note": WORDS}), max_size=3
        ),
        "points_to": st.lists(st.fixed_dictionaries({"model": st.just("a/b"), "since": DATES}), max_size=2),
        "ours": st.booleans(),
    },
)
OFFERS = st.lists(
    st.builds(
        OwnOffer,
        served_name=TEXTS,
        base_url=st.just("http://host:1/v1"),
        price=st.none()
        | st.builds(
            Price,
            input_usd=st.floats(0, 1e9),
            output_usd=st.floats(0, 1e-9),
            as_of=st.none() | TEXTS,
            source=TEXTS,
        ),
    ),
    max_size=2,
)


@given(MODELS)
def test_a_model_written_as_toml_is_read_back_equal(tables: dict[str, Any]) -> None:
    """Whatever texts, numbers and lists a card holds."""
    model = Model.model_validate(tables)
    assert Model.model_validate(tomllib.loads(write_card(OwnCard(model=model)))) == model


@given(MODELS, OFFERS)
def test_a_card_with_offers_is_read_back_equal(tables: dict[str, Any], offers: list[OwnOffer]) -> None:
    """Prices keep every digit."""
    card = OwnCard(model=Model.model_validate(tables), offers=tuple(offers))
    found = tomllib.loads(write_card(card))
    rows = found.pop("offers", [])
    assert OwnCard(model=Model.model_validate(found), offers=rows) == card


@given(
    st.dictionaries(
        TEXTS, TEXTS | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.lists(TEXTS, min_size=1)
    )
)
def test_any_plain_table_is_read_back_equal(table: dict[str, Any]) -> None:
    """Keys in any script, control characters, infinities."""
    assert tomllib.loads(write_toml(table)) == table


def test_what_is_written_is_good_to_read() -> None:
    """Facts first, then tables; large numbers are grouped, years are not."""
    model = Model.model_validate(
        {
            "id": "own/x",
            "name": "X",
            "lab": "own",
            "summary": {"en": "a", "zh": "b"},
            "tasks": ["chat"],
            "output_types": ["text"],
            "context_tokens": 131072,
            "network": Network(layers=2, hidden_size=8192),
            "sources": [{"name": "s", "as_of": "2026", "facts": ["context_tokens", "network"]}],
        }
    )
    assert write_card(OwnCard(model=model)) == (
        'id = "own/x"\nname = "X"\nlab = "own"\ntasks = ["chat"]\noutput_types = ["text"]\ncontext_tokens = 131_072\n'
        '\n[summary]\nen = "a"\nzh = "b"\n\n[network]\nlayers = 2\nhidden_size = 8192\n'
        '\n[[sources]]\nname = "s"\nas_of = "2026"\nfacts = ["context_tokens", "network"]\n'
    )
