"""What an address says about itself."""

from __future__ import annotations

import pytest

from touchstone.catalog.addresses import check_base_url, is_loopback, is_near, origin_of
from touchstone.errors import SettingsError


@pytest.mark.parametrize(
    "base_url",
    ["ftp://host/v1", "host/v1", "https://", "http://host:99999/v1", "http://host:0/v1", "http://ho st/v1", ""],
)
def test_what_is_no_http_address_is_refused_with_an_example(base_url: str) -> None:
    """Only http and https with a host can be asked; the error shows how an address looks."""
    with pytest.raises(SettingsError, match="https://host/v1"):
        check_base_url(base_url)


@pytest.mark.parametrize("base_url", ["https://me:hunter2@host/v1", "https://hunter2@host/v1"])
def test_an_address_with_a_credential_is_refused_without_repeating_it(base_url: str) -> None:
    """A password in an address would reach endpoints, logs and reports, so it is refused and not shown."""
    with pytest.raises(SettingsError) as caught:
        check_base_url(base_url)
    assert "hunter2" not in str(caught.value)
    assert "key_env" in str(caught.value)


@pytest.mark.parametrize("base_url", ["https://host/v1?api-version=1", "https://host/v1#x"])
def test_a_query_or_fragment_is_refused(base_url: str) -> None:
    """The path of the request is appended, so nothing may stand behind the path."""
    with pytest.raises(SettingsError, match="query or fragment"):
        check_base_url(base_url)


def test_a_trailing_slash_does_not_matter() -> None:
    """The same address written with and without a slash at its end is one endpoint."""
    assert check_base_url("https://host/v1/") == check_base_url("https://host/v1") == "https://host/v1"


@pytest.mark.parametrize(
    ("base_url", "loopback", "near"),
    [
        ("http://127.0.0.1:8000/v1", True, True),
        ("http://127.9.9.9/v1", True, True),
        ("http://localhost/v1", True, True),
        ("http://LOCALHOST./v1", True, True),
        ("http://[::1]:8000/v1", True, True),
        ("http://192.168.1.5/v1", False, True),
        ("http://10.0.0.1/v1", False, True),
        ("http://vllm:8000/v1", False, True),
        ("http://gpu.office.internal/v1", False, True),
        ("http://8.8.8.8/v1", False, False),
        ("http://0.0.0.0/v1", False, False),
        ("http://api.example.com/v1", False, False),
        ("http://localhost.example.com/v1", False, False),
        ("http://127.0.0.1.example.com/v1", False, False),
    ],
)
def test_how_far_away_an_address_is(base_url: str, loopback: bool, near: bool) -> None:
    """Loopback is this machine; near is a private network; a name that only looks local is neither."""
    assert (is_loopback(base_url), is_near(base_url)) == (loopback, near)


def test_an_origin_is_scheme_host_and_port() -> None:
    """The default port is spelled out, and the path does not matter."""
    assert origin_of("https://Host/v1") == origin_of("https://host:443/other") == "https://host:443"
    assert origin_of("http://host/v1") != origin_of("https://host/v1")
