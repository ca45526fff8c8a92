"""The catalog: three layers above each other, under an index whose key tells what it was made from."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.catalog.conftest import TODAY, Package
from tests.catalog.entries import claim, copy_of, model, offer, reported

import touchstone.catalog.shipped_stamp
from touchstone.catalog.catalog import Catalog, build_shipped
from touchstone.catalog.index import CatalogIndex
from touchstone.catalog.index_write import write_index
from touchstone.catalog.offers import PricePeriod, Rate
from touchstone.catalog.own import OwnCard, write_card, write_claims
from touchstone.catalog.own_offer import OwnOffer
from touchstone.catalog.query import Query
from touchstone.catalog.source_store import Shelf
from touchstone.errors import UnknownName


class Team:
    """A workspace, and what a team lays into it."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.folder = workspace / "catalog"

    def open(self, today: date = TODAY) -> Catalog:
        return Catalog(self.workspace, today=today)

    def key(self) -> str:
        """The key of the index that answers now."""
        with self.open() as catalog:
            return catalog.index.meta["key"]

    def ids(self) -> list[str]:
        with self.open() as catalog:
            return catalog.index.ids()

    def card(self, text: str | None = None, model_id: str = "acme/ours") -> Path:
        place = self.folder / "cards" / f"{model_id}.toml"
        place.parent.mkdir(parents=True, exist_ok=True)
        endpoint = OwnOffer(served_name="ours-v1", base_url="http://models.internal:8000/v1")
        own = OwnCard(model=model(model_id, name="Ours", ours=True), offers=(endpoint,))
        place.write_text(write_card(own) if text is None else text, encoding="utf-8")
        return place

    def results(self) -> Path:
        return write_claims(self.folder, "measured", [claim("acme/one", value=60.0, ours=True)])

    def refreshed(self, provider: str = "bazaar") -> Path:
        return Shelf(self.folder / "sources").take(copy_of("models-dev", reported("new", provider=provider)))


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path / "workspace")


class TestIndex:
    """It is made when it is missing or out of date, and only then."""

    @pytest.mark.parametrize("own", [False, True])
    def test_one_that_was_sealed_is_trusted(
        self, package: Package, team: Team, own: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in a wheel, whose files change no more: no start looks at the cards, also beside those of the team."""
        package.build(sealed=True)
        if own:
            team.card()
        before = set(team.ids())
        package.ship(model("acme/three"))
        monkeypatch.setattr(touchstone.catalog.shipped_stamp, "_HERE", package.room / "nobody looks here")
        assert set(team.ids()) == before
        assert "acme/three" not in before

    def test_one_that_was_sealed_for_other_prices_is_not(
        self, package: Package, team: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The package of prices is installed by itself, and may be a newer one."""
        package.build(sealed=True)
        package.ship(model("acme/three"))
        monkeypatch.setattr(touchstone.catalog.shipped_stamp, "version_of", lambda _name: "99.0")
        assert "acme/three" in team.ids()

    def test_the_shipped_index_answers_where_there_is_nothing_of_ones_own(self, package: Package, team: Team) -> None:
        """Nothing is made and nothing is written, with a workspace and without."""
        package.build()
        before = package.index.stat().st_mtime_ns

        for catalog in (team.open(), Catalog(today=TODAY)):
            with catalog:
                assert catalog.index.ids() == ["acme/one", "acme/two", "shop:stray"]

        assert package.index.stat().st_mtime_ns == before
        assert not team.workspace.exists()

    def test_a_package_that_was_built_without_its_index_makes_one_at_first_use(
        self, package: Package, team: Team
    ) -> None:
        """It lies in the workspace and is found there the next time; without a workspace it lives in memory."""
        assert team.ids() == ["acme/one", "acme/two", "shop:stray"]
        written = (team.folder / "index.sqlite").stat().st_mtime_ns

        assert team.ids() == ["acme/one", "acme/two", "shop:stray"]
        assert (team.folder / "index.sqlite").stat().st_mtime_ns == written
        with Catalog(today=TODAY) as catalog:
            assert len(catalog.index) == 3
        assert not package.index.exists()

    def test_an_index_of_other_data_does_not_answer(self, package: Package, team: Team) -> None:
        """A card that ships changed makes the shipped index and the workspace's own outdated."""
        package.build()
        shipped = team.key()
        package.ship(model("acme/three"))

        assert "acme/three" in team.ids()
        package.ship(model("acme/four"))
        assert "acme/four" in team.ids()
        assert team.key() != shipped

    @pytest.mark.parametrize("layer", [Team.card, Team.results, Team.refreshed])
    def test_whatever_is_laid_over_it_changes_the_key_and_taking_it_away_brings_the_old_state_back(
        self, package: Package, team: Team, layer: Callable[[Team], Path]
    ) -> None:
        """A card, a file of results, a refreshed source: each is seen at once, and gone when it is gone."""
        package.build()
        before, ids = team.key(), team.ids()
        with team.open() as catalog:
            cards = list(catalog.cards())

        place = layer(team)
        assert team.key() != before
        with team.open() as catalog:
            assert (catalog.index.ids(), list(catalog.cards())) != (ids, cards)

        place.unlink()
        assert team.key() == before
        with team.open() as catalog:
            assert (catalog.index.ids(), list(catalog.cards())) == (ids, cards)

    def test_a_change_within_a_file_is_a_change(self, package: Package, team: Team) -> None:
        """A team that edits its card sees the edited one."""
        place = team.card()
        before = team.key()
        place.write_text(place.read_text("utf-8").replace("Ours", "Theirs"), encoding="utf-8")

        assert team.key() != before
        with team.open() as catalog:
            assert catalog.card("acme/ours").name == "Theirs"

    def test_hidden_and_unfinished_files_do_not_count(self, package: Package, team: Team) -> None:
        """What a writer has not finished, and what an editor leaves, is nobody's card."""
        place = team.card()
        before = team.key()
        (place.parent / ".ours.toml.part").write_text("half")

        assert team.key() == before

    def test_the_key_does_not_depend_on_where_the_workspace_lies(
        self, package: Package, team: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Named from elsewhere, or moved, a workspace keeps its index."""
        team.card()
        before = team.key()
        written = (team.folder / "index.sqlite").stat().st_mtime_ns
        monkeypatch.chdir(team.workspace.parent)

        assert Team(Path("workspace")).key() == before
        moved = team.workspace.rename(team.workspace.with_name("moved"))
        assert Team(moved).key() == before
        assert (moved / "catalog" / "index.sqlite").stat().st_mtime_ns == written

    def test_the_copy_before_counts_where_the_good_one_is_gone(self, package: Package, team: Team) -> None:
        """A source whose newest copy was lost is read from the one before it, so that one is part of the key."""
        package.build()
        team.refreshed("first")
        team.refreshed("second").unlink()

        assert "first:new" in team.ids()

    def test_a_price_that_begins_tomorrow_counts_tomorrow(self, package: Package, team: Team) -> None:
        """The shipped index tells announced prices too, so none is made for the day."""
        tomorrow = TODAY + timedelta(days=1)

        def at(usd: str, since: date | None) -> PricePeriod:
            rates = (Rate(unit="input_tokens", usd=Decimal(usd), per=1_000_000),
                     Rate(unit="output_tokens", usd=Decimal(0), per=1_000_000))  # fmt: skip
            return PricePeriod(since=since, rates=rates)

        package.offers[0] = offer("one", model="acme/one", periods=(at("1", None), at("5", tomorrow)))
        package.build()

        def price(today: date) -> float | None:
            with team.open(today) as catalog:
                return catalog.facts(["acme/one"])["acme/one"].input_usd

        assert price(TODAY) == 1.0
        assert not team.workspace.exists()
        assert price(tomorrow) == 5.0
        assert price(tomorrow + timedelta(days=400)) == 5.0
        assert price(TODAY) == 1.0
        assert not team.workspace.exists()

    def test_prices_that_really_ship_are_of_the_day(self, everything: Catalog) -> None:
        """The index of the real price list holds from some day on that is not after today."""
        assert everything.index.meta["from"] <= TODAY.isoformat()

    @pytest.mark.parametrize("damage", ["text", "cut", "empty", "foreign", "another key"])
    def test_a_file_that_is_no_index_of_this_is_replaced(self, package: Package, team: Team, damage: str) -> None:
        """The index is derived: whatever lies in its place, the answer is right and the file is whole again."""
        team.card()
        ids = team.ids()
        place = team.folder / "index.sqlite"
        whole = place.read_bytes()
        if damage == "another key":
            write_index(place, [], {"key": "another", "from": "0001-01-01"})
        elif damage == "foreign":
            place.unlink()
            foreign = sqlite3.connect(place)
            foreign.execute("CREATE TABLE meta (x)")
            foreign.close()
        else:
            place.write_bytes({"text": b"no index", "cut": whole[: len(whole) // 2], "empty": b""}[damage])

        assert team.ids() == ids
        made = CatalogIndex.open(place)
        assert made is not None
        assert made.ids() == ids
        made.close()

    def test_a_folder_that_cannot_be_written_still_answers(self, package: Package, team: Team) -> None:
        """Where no index can be kept it is made in memory, each time, with all that is the team's own."""
        team.card()
        (team.folder / "index.sqlite").mkdir()
        (team.folder / "index.sqlite" / "in the way").touch()

        assert team.ids() == ["acme/one", "acme/ours", "acme/two", "shop:stray"]
        with team.open() as catalog:
            assert catalog.search(Query(text="ours")).total == 1
        assert sorted(file.name for file in team.folder.iterdir()) == ["cards", "index.sqlite"]

    def test_a_workspace_that_cannot_be_made_still_answers(self, package: Package, tmp_path: Path) -> None:
        """A file where the folder should be hides nothing that ships."""
        (tmp_path / "file").touch()

        assert Team(tmp_path / "file" / "workspace").ids() == ["acme/one", "acme/two", "shop:stray"]

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
    def test_a_read_only_folder_still_answers(self, package: Package, team: Team) -> None:
        """As in a container whose disk is mounted for reading."""
        team.card()
        team.folder.chmod(0o555)
        try:
            assert "acme/ours" in team.ids()
        finally:
            team.folder.chmod(0o755)

    def test_two_processes_at_once_find_the_same(self, tmp_path: Path) -> None:
        """Both make the index of the real catalog at the same moment; both answer, and one whole file is left."""
        team = Team(tmp_path)
        team.card()
        code = (
            "import sys; from datetime import date; from pathlib import Path; from touchstone.catalog.catalog import"
            " Catalog; catalog = Catalog(Path(sys.argv[1]), today=date(2026, 11, 27));"
            " print(len(catalog.index), catalog.card('acme/ours').name)"
        )
        running = [
            subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]

        said = [process.communicate(timeout=120)[0].split() for process in running]

        assert said[0] == said[1]
        assert said[0][1] == "Ours"
        assert sorted(file.name for file in team.folder.iterdir()) == ["cards", "index.sqlite"]
        with team.open() as catalog:
            assert len(catalog.index) == int(said[0][0])

    def test_an_open_index_answers_several_threads(self, package: Package, team: Team) -> None:
        """As a web server asks it."""
        with team.open() as catalog:
            assert catalog.index
            found: list[int] = []
            threads = [
                threading.Thread(target=lambda: found.append(catalog.search(Query(text="one")).total)) for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert found == [1] * 4

    def test_closing_twice_is_fine_and_it_opens_again(self, package: Package, team: Team) -> None:
        """A catalog that was closed can be asked again."""
        catalog = team.open()
        assert len(catalog.index) == 3
        catalog.close()
        catalog.close()
        assert len(catalog.index) == 3
        catalog.close()


class TestAsking:
    """What is found, and what is said when nothing is."""

    def test_an_own_card_is_found_with_its_endpoint(self, package: Package, team: Team) -> None:
        """It stands in the search, marked as ours, and its server among the offers."""
        team.card()
        with team.open() as catalog:
            found = catalog.search(Query(ours=True)).hits
            card = catalog.card("acme/ours")

        assert [(hit.id, hit.ours, hit.provider) for hit in found] == [("acme/ours", True, "own")]
        assert [one.base_url for one in card.endpoints] == ["http://models.internal:8000/v1"]

    def test_an_own_card_of_a_shipped_id_replaces_it(self, package: Package, team: Team) -> None:
        """The team's word on a model counts in its workspace, and the price list still knows who sells it."""
        team.card(model_id="acme/one")
        with team.open() as catalog:
            card = catalog.card("acme/one")

        assert (card.name, [one.provider for one in card.offers]) == ("Ours", ["shop", "own"])

    def test_claims_are_published_ones_and_the_teams_own(self, package: Package, team: Team) -> None:
        """Both stand under their benchmark; a benchmark nobody was measured on has none."""
        team.results()
        with team.open() as catalog:
            assert sorted((one.value, one.ours) for one in catalog.claims("mmlu")) == [(40.0, False), (60.0, True)]
            assert catalog.claims("gsm8k") == ()

    def test_facts_leave_unknown_ids_out(self, package: Package, team: Team) -> None:
        """What a list shows of a model, its cheapest offer included."""
        with team.open() as catalog:
            facts = catalog.facts(["acme/two", "acme/absent"])

        assert list(facts) == ["acme/two"]
        assert (facts["acme/two"].provider, facts["acme/two"].input_usd) == ("shop", 3.0)

    def test_made_from_names_the_descendants(self, package: Package, team: Team) -> None:
        """The base model does not know them; they name it."""
        with team.open() as catalog:
            assert catalog.made_from("acme/one") == ("acme/two",)
            assert catalog.made_from("acme/two") == ()
            assert catalog.made_from("acme/absent") == ()

    def test_cards_are_those_with_a_models_facts(self, package: Package, team: Team) -> None:
        """Offers and reported entries without a card are none, whatever their ids look like."""
        team.refreshed("acme/one")
        with team.open() as catalog:
            assert [card.id for card in catalog.cards()] == ["acme/one", "acme/two"]
            assert [card.id for card in catalog.cards(["acme/two", "shop:stray"])] == ["acme/two", "shop:stray"]

    def test_capitals_and_blanks_around_an_id_do_not_matter(self, package: Package, team: Team) -> None:
        """As people paste it."""
        with team.open() as catalog:
            assert catalog.card(" Acme/One\n").id == "acme/one"

    @pytest.mark.parametrize(
        ("asked", "named"), [("acme/on", "acme/one"), ("one", "acme/one"), ("other/two", "acme/two")]
    )
    def test_an_unknown_id_names_the_close_ones(self, package: Package, team: Team, asked: str, named: str) -> None:
        """Cut short, without its lab, or with another lab."""
        with team.open() as catalog, pytest.raises(UnknownName, match=named):
            catalog.card(asked)

    def test_cards_of_an_unknown_id_fail_too(self, package: Package, team: Team) -> None:
        """Comparing four models of five would be a surprise."""
        with team.open() as catalog, pytest.raises(UnknownName):
            list(catalog.cards(["acme/one", "acme/absent"]))

    def test_a_collection_holds_together_with_the_query(self, package: Package, team: Team) -> None:
        """What is ours and called so; and there is no collection of an unknown name."""
        team.card()
        with team.open() as catalog:
            assert catalog.search(Query(), collection="ours").total == 1
            assert catalog.search(Query(text="two"), collection="ours").total == 0
            with pytest.raises(UnknownName, match="ours"):
                catalog.search(Query(), collection="our")


class TestProblems:
    """What is wrong with one file is said, and hides nothing else."""

    def test_nothing_of_ones_own_has_no_problem(self, package: Package, team: Team) -> None:
        """With a workspace, without its folder, without any."""
        assert team.open().problems == ()
        assert Catalog(today=TODAY).problems == ()
        team.card()
        assert team.open().problems == ()

    def test_a_broken_card_is_named_and_hides_no_other(self, package: Package, team: Team) -> None:
        """The shipped ones and the team's other cards are found."""
        team.card()
        broken = team.card("id = 3", "acme/broken")

        with team.open() as catalog:
            (problem,) = catalog.problems
            assert catalog.index.ids() == ["acme/one", "acme/ours", "acme/two", "shop:stray"]
        assert problem.path == str(broken)

    def test_broken_results_are_named_and_hide_no_other(self, package: Package, team: Team) -> None:
        """One file of results cannot be read; the others count."""
        broken = team.results().with_name("broken.toml")
        broken.write_text("no toml")

        with team.open() as catalog:
            (problem,) = catalog.problems
            assert len(catalog.claims("mmlu")) == 2
        assert problem.path == str(broken)

    def test_broken_benchmarks_of_the_team_are_named_and_hide_nothing(self, package: Package, team: Team) -> None:
        """Results on shipped benchmarks count without the team's own list of benchmarks."""
        team.results()
        broken = team.folder / "benchmarks.toml"
        broken.write_text("[[benchmark]]\nid = 3\n")

        with team.open() as catalog:
            (problem,) = catalog.problems
            assert len(catalog.claims("mmlu")) == 2
        assert problem.path == str(broken)

    def test_a_damaged_copy_of_a_source_hides_nothing(self, package: Package, team: Team) -> None:
        """What ships and the team's cards are found; the source is as if it had not been refreshed."""
        team.card()
        team.refreshed().write_text("{")

        assert team.ids() == ["acme/one", "acme/ours", "acme/two", "shop:stray"]


class TestDerived:
    """What rooms above work out when the package is built lies beside what it is worked out from."""

    @pytest.fixture(autouse=True)
    def built(self, package: Package) -> None:
        """What was worked out is how many models there are."""
        build_shipped(TODAY, package.index, derive=lambda catalog: {"models": b"%d" % len(list(catalog.cards()))})

    def test_it_is_found_by_its_key(self, package: Package, team: Team) -> None:
        """It was worked out from the whole catalog; what nobody worked out is None."""
        with team.open() as catalog:
            assert catalog.derived("models") == b"2"
            assert catalog.derived("labs") is None

    def test_it_is_found_where_the_team_has_cards_of_its_own(self, package: Package, team: Team) -> None:
        """Its key says from what it is, so it holds beside another index too."""
        team.card()
        with team.open() as catalog:
            assert len(catalog.index) == 4
            assert catalog.index.derived("models") is None
            assert catalog.derived("models") == b"2"

    @pytest.mark.parametrize("damage", ["gone", "no index", "other version"])
    def test_where_it_is_gone_nothing_was_worked_out(self, package: Package, team: Team, damage: str) -> None:
        """A package without its index, or with one of another version, answers all the same."""
        team.card()
        if damage == "other version":
            with closing(sqlite3.connect(package.index)) as connection:
                connection.execute("DROP TABLE derived")
        else:
            package.index.unlink()
        if damage == "no index":
            package.index.write_bytes(b"no index of anything")
        with team.open() as catalog:
            assert catalog.derived("models") is None


def test_an_index_that_turns_out_to_be_damaged_is_made_anew(tmp_path: Path, package: Package) -> None:
    """Damage that opening does not show ends no command: the index is derived, so it is thrown away and made again."""
    with Catalog(tmp_path, today=TODAY) as catalog:
        before = [hit.id for hit in catalog.search(Query()).hits]
    place = tmp_path / "catalog" / "index.sqlite"
    body = bytearray(place.read_bytes())
    page = 4096
    for start in range(2 * page, len(body), page):
        body[start : start + 64] = b"\xff" * 64
    place.write_bytes(body)

    with Catalog(tmp_path, today=TODAY) as catalog:
        assert [hit.id for hit in catalog.search(Query()).hits] == before
    with Catalog(tmp_path, today=TODAY) as catalog:
        assert [hit.id for hit in catalog.search(Query()).hits] == before


def test_an_id_that_is_no_text_is_unknown(tmp_path: Path) -> None:
    """A shell can pass any bytes; they name no model and end no command in a traceback."""
    with Catalog(tmp_path, today=TODAY) as catalog, pytest.raises(UnknownName):
        catalog.card("\udcff")


def test_a_hidden_folder_is_not_looked_at(tmp_path: Path, package: Package) -> None:
    """Cards under version control have a `.git` beside them, whose files come and go without a meaning here."""
    with Catalog(tmp_path, today=TODAY) as catalog:
        key = catalog.index.meta["key"]
    hidden = tmp_path / "catalog" / "cards" / ".git" / "x.toml"
    hidden.parent.mkdir(parents=True)
    hidden.write_text("no card")

    with Catalog(tmp_path, today=TODAY) as catalog:
        assert catalog.index.meta["key"] == key
