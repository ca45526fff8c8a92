"""Who may come in: names, roles, invitations, passwords."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from touchstone.errors import SettingsError, UnknownName
from touchstone.workspace.people import INVITED_S, People, person_name

WORDS = "correct horse battery"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(tmp_path: Path, clock: Clock) -> Iterator[People]:
    found = People(tmp_path, now=clock)
    yield found
    found.close()


def test_an_invitation_sets_one_password_once(people: People) -> None:
    """The link is used up by the password that it set, and the password opens from then on."""
    token = people.add("anna", {"default": "admin"})
    assert people.invited(token) == "anna"
    assert people.set_password(token, WORDS) == "anna"
    assert people.set_password(token, "another password") is None
    assert people.knows("anna", WORDS)
    assert not people.knows("anna", "another password")


def test_an_invitation_ends(people: People, clock: Clock) -> None:
    """After three days nobody comes in by it."""
    token = people.add("anna", {"default": "admin"})
    clock.seconds += INVITED_S
    assert people.invited(token) is None
    assert people.set_password(token, WORDS) is None
    assert not people.knows("anna", WORDS)


def test_a_new_link_ends_the_earlier_one(people: People) -> None:
    """Of several links to one person only the last works."""
    first = people.add("anna", {"default": "admin"})
    second = people.invite("anna")
    assert people.invited(first) is None
    assert people.invited(second) == "anna"


def test_nobody_without_a_password_is_known_by_any(people: People) -> None:
    """Neither an empty password nor any other opens for a person who has set none, or for nobody."""
    people.add("anna", {"default": "admin"})
    for name in ("anna", "nobody"):
        for password in ("", "None", WORDS):
            assert not people.knows(name, password)


@pytest.mark.parametrize("password", ["", "short", "x" * 1_001])
def test_a_password_has_a_length(people: People, password: str) -> None:
    """Too short and too long ones are refused, and the link can still be used."""
    token = people.add("anna", {"default": "admin"})
    with pytest.raises(SettingsError, match="a password has 10 to"):
        people.set_password(token, password)
    assert people.invited(token) == "anna"


def test_somebody_always_governs(people: People) -> None:
    """The first person must govern, and the last who does can be neither lowered nor removed while others remain."""
    with pytest.raises(SettingsError, match="nobody would govern"):
        people.add("vera", {"default": "viewer"})
    assert people.all() == []
    people.add("anna", {"default": "admin"})
    people.add("vera", {"default": "viewer"})
    for act in (lambda: people.set_role("anna", "default", "editor"), lambda: people.remove("anna")):
        with pytest.raises(SettingsError, match="nobody would govern"):
            act()
    assert people.find("anna").governs
    people.set_role("vera", "default", "admin")
    people.remove("anna")
    assert [person.name for person in people.all()] == ["vera"]


def test_roles_are_of_one_project(people: People) -> None:
    """A role in one project is none in another."""
    people.add("anna", {"default": "admin"})
    people.add("vera", {"support": "editor"})
    assert people.roles_of("vera") == {"support": "editor"}
    people.set_role("vera", "support", None)
    assert people.roles_of("vera") == {}
    assert people.roles_of("nobody") is None
    with pytest.raises(UnknownName):
        people.set_role("nobody", "support", "viewer")


@pytest.mark.parametrize("name", ["", "Anna Lee", "../x", "a/b", "-a", "a" * 65, "<b>", "näh", "a\n"])
def test_a_name_is_plain(name: str) -> None:
    """Names stand on pages, in files and in commands, so they are plain letters and few signs."""
    if name.strip() == name and name:
        with pytest.raises(SettingsError):
            person_name(name)


def test_an_issuer_takes_over_nobodys_name(people: People) -> None:
    """Somebody whom an issuer calls `anna` is another person than the anna who is here."""
    people.add("anna", {"default": "admin"})
    stranger = people.vouched_for("https://login.example.com", "4711", "Anna", {"support": "viewer"})
    assert stranger.name == "anna-2"
    assert not stranger.governs
    again = people.vouched_for("https://login.example.com", "4711", "renamed", None)
    assert again.name == "anna-2"
    assert again.roles == {"support": "viewer"}
    other = people.vouched_for("https://elsewhere.example.com", "4711", "anna", None)
    assert other.name == "anna-3"
    assert other.roles == {}


def test_claims_replace_roles(people: People) -> None:
    """What the issuer no longer says is no longer so."""
    people.vouched_for("https://login.example.com", "1", "olga", {"a": "admin", "b": "viewer"})
    assert people.vouched_for("https://login.example.com", "1", "olga", {"b": "editor"}).roles == {"b": "editor"}
    with pytest.raises(SettingsError, match="single sign-on"):
        people.invite("olga")


def test_the_file_holds_no_secret_in_the_clear(people: People, tmp_path: Path) -> None:
    """Neither a password nor a link can be read out of it, and others on the machine cannot open it."""
    token = people.add("anna", {"default": "admin"})
    people.set_password(people.invite("anna"), WORDS)
    people.close()
    found = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"$argon2id$v=19$m=65536,t=3,p=4$" in found
    assert WORDS.encode() not in found
    assert token.encode() not in found
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "people.sqlite").stat().st_mode) == 0o600


def test_roles_of_a_project_are_replaced_together(people: People) -> None:
    """Whoever is not named has none there any more; other projects stay, unknown names are passed over."""
    people.add("anna", {"default": "admin", "support": "viewer"})
    people.add("ben", {"support": "editor"})
    assert people.roles_in("support") == {"anna": "viewer", "ben": "editor"}
    people.set_roles_in("care", {**people.roles_in("support"), "nobody": "admin"})
    people.set_roles_in("support", {"ben": "admin"})
    assert people.roles_in("care") == {"anna": "viewer", "ben": "editor"}
    assert people.roles_in("support") == {"ben": "admin"}
    with pytest.raises(SettingsError, match="nobody would govern"):
        people.set_roles_in("default", {})
    assert people.roles_in("default") == {"anna": "admin"}
