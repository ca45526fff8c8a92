"""A measured comparison looked into again: its ladder, its prompts, its examples and passages; nobody is asked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.workspace.improved import improved

from touchstone.config import Settings
from touchstone.errors import SettingsError, UnknownName
from touchstone.workspace.answers import OpenedAnswers, open_answers
from touchstone.workspace.improve_stored import StoredLadder, Terms, sides_of, stored_ladder, usual_terms
from touchstone.workspace.prompt_versions import changed_files, measured_prompts, prompts_in_folder
from touchstone.workspace.remade import seen, sent
from touchstone.workspace.workspace import Workspace


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The provider is gone by the time anybody looks."""
    folder = tmp_path_factory.mktemp("improved") / "workspace"
    with improved(folder):
        pass
    return folder


@pytest.fixture
def place(measured: Path) -> Iterator[Workspace]:
    with Workspace(Settings(workspace=measured, workspace_from="test")) as workspace:
        yield workspace


@pytest.fixture
def opened(place: Workspace) -> OpenedAnswers:
    return open_answers(place, place.comparisons()[0].id)


def ladder_of(place: Workspace) -> StoredLadder:
    found = stored_ladder(place, place.comparisons()[0].id)
    assert found is not None
    return found


# The ladder -----------------------------------------------------------------------------------------------------------


def test_a_stored_comparison_has_a_ladder_under_its_own_terms(place: Workspace) -> None:
    """The baseline is the first model that is asked as it is; volume and months are those of the task file."""
    found = ladder_of(place).at(place, Terms())
    assert found.ladder.baseline == "plain"
    assert found.ladder.pays == "reads"
    assert (found.ladder.stretch.requests_per_month, found.ladder.stretch.months) == (1000, 12)
    assert found.ladder.stretch.facts_change_days == 60
    making = {rung.candidate: rung.making for rung in found.ladder.rungs}
    assert (making["shots"].labelled_cases, making["reads"].labelled_cases) == (8, 0)
    assert (making["shots"].renewal, making["reads"].renewal) == ("again", "by-itself")


def test_other_terms_change_what_it_costs_and_not_what_it_scores(place: Workspace) -> None:
    """Ten times the volume costs ten times as much where making costs nothing."""
    one = ladder_of(place)
    usual, more = one.at(place, Terms()).ladder, one.at(place, Terms(requests_per_month=10_000, months=6)).ladder
    for rung in usual.rungs:
        other = more.rung(rung.candidate)
        assert other.score == rung.score
        assert rung.total is not None
        assert other.total is not None
        if rung.making.usd == 0:
            assert other.total.usd == pytest.approx(5 * rung.total.usd)


def test_anybody_may_be_the_baseline_and_nobody_else(place: Workspace) -> None:
    """Gains are then held against that one."""
    one = ladder_of(place)
    assert one.at(place, Terms(baseline="reads")).ladder.baseline == "reads"
    with pytest.raises(UnknownName):
        one.at(place, Terms(baseline="nobody"))


def test_usual_terms_are_known_before_a_cell_is_read(place: Workspace) -> None:
    """So that the fields of a form are filled at once."""
    terms, names = usual_terms(place, place.comparisons()[0].id)
    assert (terms.requests_per_month, terms.months, terms.baseline) == (1000, 12, "plain")
    assert names == ("plain", "kind", "shots", "reads")
    with pytest.raises(UnknownName):
        usual_terms(place, "0" * 12)


def test_a_ladder_is_kept_and_is_not_waited_for_where_nobody_wants_to(place: Workspace, tmp_path: Path) -> None:
    """The second look is the same object; another workspace has to read its own cells."""
    assert ladder_of(place) is ladder_of(place)
    shutil.copytree(place.settings.workspace, tmp_path / "copy")
    with Workspace(Settings(workspace=tmp_path / "copy", workspace_from="test")) as other:
        assert stored_ladder(other, other.comparisons()[0].id, wait=False) is None
    with pytest.raises(UnknownName):
        stored_ladder(place, "0" * 12)


def test_a_comparison_alone_has_no_other_side(place: Workspace) -> None:
    """Nothing was measured after the facts changed."""
    sides = sides_of(place, place.comparisons()[0].id)
    assert (sides.before, sides.after) == (None, None)


# Prompts --------------------------------------------------------------------------------------------------------------


def test_each_version_is_told_once_with_everybody_who_was_asked_with_it(place: Workspace, measured: Path) -> None:
    """And the files beside the task, in the order of their numbers."""
    texts = measured_prompts(place.settings_of(place.comparisons()[0].id))
    assert [text.candidates for text in texts] == [("plain", "shots"), ("kind",), ("reads",)]
    assert texts[0].was[0].startswith("prompts/v1.txt ")
    files = prompts_in_folder(measured / "tasks" / "shop", texts)
    assert [text.file for text in files] == ["prompts/v1.txt", "prompts/v2.txt", "prompts/v10.txt"]
    assert [text.candidates for text in files] == [("plain", "shots"), ("kind",), ()]
    assert changed_files(measured / "tasks" / "shop", texts) == ()


def test_a_file_that_was_changed_or_taken_away_since_is_told(place: Workspace, measured: Path, tmp_path: Path) -> None:
    """Another run would ask something else."""
    folder = tmp_path / "shop"
    shutil.copytree(measured / "tasks" / "shop", folder)
    (folder / "prompts" / "v1.txt").write_text("Something else.\n")
    (folder / "prompts" / "v2.txt").unlink()
    texts = measured_prompts(place.settings_of(place.comparisons()[0].id))
    changed = {one.path: one for one in changed_files(folder, texts)}
    assert changed["prompts/v1.txt"].candidates == ("plain", "shots")
    assert (changed["prompts/v1.txt"].gone, changed["prompts/v2.txt"].gone) == (False, True)


def test_a_folder_of_prompts_that_leads_elsewhere_is_not_read(tmp_path: Path) -> None:
    """Nobody's files are shown through a link."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "v1.txt").write_text("secret")
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "prompts").symlink_to(tmp_path / "secret")
    assert prompts_in_folder(tmp_path / "task", ()) == ()
    (tmp_path / "task" / "prompts").unlink()
    (tmp_path / "task" / "prompts").mkdir()
    (tmp_path / "task" / "prompts" / "v1.txt").symlink_to(tmp_path / "secret" / "v1.txt")
    assert prompts_in_folder(tmp_path / "task", ()) == ()


# Examples and passages ------------------------------------------------------------------------------------------------


def test_a_candidate_made_again_shows_and_reads_what_it_did(place: Workspace, opened: OpenedAnswers) -> None:
    """The provider is gone; nothing but the store and the index is looked at."""
    settings = place.settings_of(opened.comparison)
    [case] = place.reader.datasets.cases_at(opened.dataset, "test", [0])
    shots = seen(place, opened, "shots", settings["shots"])
    assert len([one for one in shots.examples(case) if one.place is not None]) == 2
    reads = seen(place, opened, "reads", settings["reads"])
    assert not reads.has_changed
    trace = reads.search(case.text, case)
    assert trace.passages[0].place == 1
    assert "lamp costs 12" in trace.passages[0].text
    with pytest.raises(SettingsError, match="reads no passages"):
        shots.search("a question")
    with pytest.raises(SettingsError, match="no examples"):
        reads.examples(case)


def test_what_was_sent_is_told_message_by_message(place: Workspace, opened: OpenedAnswers) -> None:
    """System text of the file, examples as turns, passages above the question."""
    [case] = place.reader.datasets.cases_at(opened.dataset, "test", [0])
    assert [one.role for one in sent(place, opened, "shots", case)] == [
        "system", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert sent(place, opened, "plain", case)[0].content == "Say the price."
    assert "[1] The lamp" in str(sent(place, opened, "reads", case)[-1].content)
    with pytest.raises(UnknownName):
        sent(place, opened, "nobody", case)


def test_an_index_that_is_gone_is_said_and_never_made_anew(place: Workspace, measured: Path, tmp_path: Path) -> None:
    """To look is not to build; what the documents say by now is not what was read."""
    folder = tmp_path / "copy"
    shutil.copytree(measured, folder)
    shutil.rmtree(folder / "index")
    with Workspace(Settings(workspace=folder, workspace_from="test")) as other:
        opened = open_answers(other, other.comparisons()[0].id)
        found = seen(other, opened, "reads", other.settings_of(opened.comparison)["reads"])
        with pytest.raises(SettingsError, match="not in this workspace any more"):
            found.search("what does the lamp cost")
    assert not (folder / "index").exists()


def test_documents_that_were_indexed_anew_are_told(place: Workspace, opened: OpenedAnswers) -> None:
    """Then what is found may not be what was read."""
    settings = {**place.settings_of(opened.comparison)["reads"], "index_digest": "0" * 12}
    assert seen(place, opened, "reads", settings).has_changed
