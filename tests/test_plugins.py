"""What the plug-in door promises: found by name, loaded when named, and nobody is replaced in silence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distributions, entry_points, version
from pathlib import Path

import pytest

from touchstone import plugins
from touchstone.data.readers import is_ours, reader_for
from touchstone.errors import SettingsError, UnknownName

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a real package: code and metadata in a folder on the path."""

    def add(name: str, points: str, code: str = "") -> None:
        folder = tmp_path / name
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
        (folder / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))
        plugins.look_again()

    yield add
    plugins.look_again()


def test_our_own_members_come_through_the_same_door() -> None:
    """By name, sorted, and loadable."""
    assert {"baseline", "prompt", "recorded"} <= set(plugins.names("strategy"))
    assert list(plugins.names("scorer")) == sorted(plugins.names("scorer"))
    assert plugins.load("strategy", "prompt").name == "prompt"


@pytest.mark.parametrize("kind", ["strategy", "model"])
def test_every_member_of_ours_can_be_loaded(kind: str) -> None:
    """An entry point that leads nowhere would fail only for the user."""
    for name in plugins.names(kind):
        assert callable(plugins.load(kind, name))


def test_a_guest_is_found_by_name(install: Install) -> None:
    """Installed is enough; nothing is registered by hand."""
    install("guestscore", "[touchstone.scorer]\npolite = guestscore:Polite\n", "class Polite:\n    name = 'polite'\n")

    assert "polite" in plugins.names("scorer")
    assert plugins.load("scorer", "polite").name == "polite"


def test_a_reader_is_found_by_the_suffix_of_a_file(install: Install, tmp_path: Path) -> None:
    """Every one of ours by each of its own, and a guest by its own; a guest never by one of ours."""
    code = "class Logs:\n    name = 'logs'\n    suffixes = ('.log', '.csv')\n"
    install("guestlogs", "[touchstone.reader]\nlogs = guestlogs:Logs\n", code)
    for name in plugins.shipped("reader"):
        ours = plugins.load("reader", name)()
        assert is_ours(ours)
        for suffix in ours.suffixes:
            assert reader_for(tmp_path / f"cases{suffix}").name == name
    guest = reader_for(tmp_path / "cases.log")
    assert guest.name == "logs"
    assert not is_ours(guest)


def test_nothing_is_imported_until_it_is_named(install: Install) -> None:
    """A guest that breaks on import harms only who names it."""
    install("brokenguest", "[touchstone.scorer]\nbroken = brokenguest:Never\n", "raise RuntimeError('imported')\n")

    assert "broken" in plugins.names("scorer")
    assert plugins.load("scorer", "exact") is not None
    with pytest.raises(RuntimeError, match="imported"):
        plugins.load("scorer", "broken")


def test_a_guest_may_not_replace_a_member(install: Install) -> None:
    """Results would change with what is installed: both packages are named, and what to do."""
    install("usurper", "[touchstone.strategy]\nprompt = usurper:Prompt\n")
    with pytest.raises(SettingsError, match=r"'prompt'.*touchstone.strategies.prompt:Prompt.*usurper:Prompt"):
        plugins.load("strategy", "prompt")
    assert plugins.load("scorer", "exact") is not None


def test_an_unknown_name_names_the_closest() -> None:
    """The kind in words."""
    with pytest.raises(UnknownName, match=r"no answer reader is called 'lable'; known: label"):
        plugins.load("answer_reader", "lable")
    with pytest.raises(UnknownName, match="known: none"):
        plugins.load("no_such_kind", "x")


def test_listing_names_imports_no_member() -> None:
    """The command line starts quickly: names come from metadata alone."""
    code = (
        "import sys; from touchstone import plugins; "
        "[plugins.names(kind) for kind in ('scorer', 'reader', 'model', 'strategy', 'answer_reader')]; "
        "print(sorted(name for name in sys.modules if name.startswith('touchstone.') or name in ('numpy', 'aiohttp')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "['touchstone.errors', 'touchstone.language', 'touchstone.plugins']"


def test_what_is_installed_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many kinds are asked for, the metadata of all packages is read once per process."""
    looks = []
    read = plugins.distributions
    monkeypatch.setattr(plugins, "distributions", lambda: looks.append(1) or read())
    plugins.look_again()
    for kind in ("scorer", "reader", "model", "strategy", "answer_reader", "scorer"):
        assert plugins.names(kind)
    assert looks == [1]


def test_every_entry_point_of_ours_is_found() -> None:
    """Packages that do not name us are passed over unread; the others say what the library reads of them."""
    for group in {group for group in entry_points().groups if group.startswith("touchstone.")}:
        said = {point.name for point in entry_points(group=group)}
        assert set(plugins.names(group.removeprefix("touchstone."))) == said


def test_the_version_of_a_package_is_the_one_its_metadata_says(install: Install, tmp_path: Path) -> None:
    """Of every installed package, whatever its description says; None of a package that is not there."""
    for found in distributions():
        assert plugins.version_of(found.metadata["Name"]) == version(found.metadata["Name"])
    install("told", "[touchstone.scorer]\ntold = told:Told\n")
    metadata = tmp_path / "told/told-1.0.dist-info/METADATA"
    metadata.write_text("Metadata-Version: 2.1\nName: told\nVersion:  3.2.1rc1 \n\nAbout\n\nVersion: 9\n")
    assert plugins.version_of("told") == "3.2.1rc1"
    assert plugins.origin("scorer", "told") == "told:Told 3.2.1rc1"
    assert plugins.version_of("no-such-package-here") is None
