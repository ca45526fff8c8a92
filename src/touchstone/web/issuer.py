"""What the settings say of single sign-on: `sign-in.yaml` in the site's workspace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from touchstone.catalog.addresses import check_base_url, is_near
from touchstone.errors import InvalidValue, SettingsError, TaskError, refusal
from touchstone.noun import Noun
from touchstone.workspace.people import ROLES, Role
from touchstone.workspace.projects import folder_of
from touchstone.workspace.yaml_file import read_yaml

FILE = "sign-in.yaml"
SECRET = "TOUCHSTONE_OIDC_SECRET"  # noqa: S105 - the name of a variable


class Issuer(Noun):
    """Who vouches for people."""

    issuer: str
    """Its address, exactly as it names itself; `/.well-known/openid-configuration` lies below it."""
    client_id: str = Field(min_length=1)
    """What it calls this site."""
    address: str = ""
    """How browsers call this site, such as https://touchstone.example.com; needed where others reach it."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    """The claim that names a person here."""
    claim: str | None = None
    """The claim that says what a person may do, such as `groups`; None leaves roles to the admins here."""
    roles: Mapping[str, Mapping[str, Role]] = Field(default_factory=dict)
    """From a value of that claim to roles by project."""
    hosts: tuple[str, ...] = ()
    """Further hosts at which the issuer keeps its token endpoint or its keys; reached by https."""

    @field_validator("issuer")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        check_base_url(value)
        if value.startswith("http:") and not is_near(value):
            raise InvalidValue("{value!r} would be asked without encryption; use https", value=value)
        return value

    @field_validator("address")
    @classmethod
    def _is_our_address(cls, value: str) -> str:
        if value and urlsplit(check_base_url(value)).path not in ("", "/"):
            raise InvalidValue("write only scheme, host and port, such as https://touchstone.example.com")
        return value.rstrip("/")

    @field_validator("scopes")
    @classmethod
    def _ask_for_an_id_token(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value:
            raise InvalidValue("the scope openid is what makes it a sign-in; add it")
        return value

    @field_validator("roles")
    @classmethod
    def _projects_can_have_those_names(
        cls, value: Mapping[str, Mapping[str, Role]]
    ) -> Mapping[str, Mapping[str, Role]]:
        for given in value.values():
            for project in given:
                folder_of(Path(), project)
        return value


def load_issuer(workspace: Path) -> Issuer | None:
    """
    Who vouches for people; None where the workspace has no `sign-in.yaml`.

    Raises:
        SettingsError: the file cannot be used; what is wrong with it is named.
    """
    file = workspace / FILE
    if not file.exists():
        return None
    try:
        said, _lines = read_yaml(file)
        return Issuer.model_validate(said)
    except TaskError as error:
        raise SettingsError("{file} cannot be used: {reason}", file=str(file), reason=error) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise SettingsError(
            "{file}, {key}: {reason}",
            file=str(file),
            key=".".join(map(str, first["loc"])) or "-",
            reason=refusal(first),
        ) from None


def roles_from(issuer: Issuer, claims: Mapping[str, Any]) -> Mapping[str, Role] | None:
    """
    Roles by project, as a person's claims say; the highest where several say one. None where no claim is mapped.

    A claim may be a text, or a list of texts; anything else is nothing.
    """
    if issuer.claim is None:
        return None
    said = claims.get(issuer.claim)
    values = (
        [said]
        if isinstance(said, str)
        else [one for one in said if isinstance(one, str)]
        if isinstance(said, list)
        else []
    )
    found: dict[str, Role] = {}
    for value in values:
        for project, role in issuer.roles.get(value, {}).items():
            if project not in found or ROLES.index(role) > ROLES.index(found[project]):
                found[project] = role
    return found
