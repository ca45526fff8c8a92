"""What is looked at before a body is read, by bytes of headers alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.deployment.gateway.base import GatewayError, Incoming, Outgoing, Route
from touchstone.deployment.gateway.entrance import Hosts, check_body, check_origin, find_secret, read_head


async def nobody(incoming: Incoming) -> Outgoing:
    raise AssertionError


JSON = Route("POST", "/x", "infer", nobody, "X.", media="json")
PLAIN = Route("GET", "/x", "infer", nobody, "X.")


def code(call: object, *given: object, **more: object) -> str:
    with pytest.raises(GatewayError) as refused:
        call(*given, **more)  # type: ignore[operator]
    return refused.value.code


def test_hosts_are_exact() -> None:
    """A name goes with no port and with ours, a name with a port with that one alone; nothing is guessed."""
    hosts = Hosts(("models.example", "other.example:9000", "[::1]", "[2001:db8::1]:443"), (8080,))
    good = ("models.example", "MODELS.example:8080", "other.example:9000", "[::1]", "[::1]:8080", "[2001:db8::1]:443")
    for name in good:
        assert hosts.allows(name), name
        assert hosts.allows_origin(f"https://{name}"), name
    bad = ("", "x.models.example", "models.example.", "models.example:80", "other.example", "[2001:db8::1]", "[::1]:1")
    for name in bad:
        assert not hosts.allows(name), name
    for origin in (
        "null",
        "models.example",
        "file://models.example",
        "https://models.example/",
        "https://evil.example",
    ):
        assert not hosts.allows_origin(origin), origin


def test_headers_that_say_two_things_are_refused() -> None:
    """Twice the same is once; two values of a header that counts are none."""
    assert read_head([(b"host", b"a"), (b"host", b"a")]).get("host") == "a"
    assert code(read_head, [(b"content-type", b"a"), (b"content-type", b"b")]) == "duplicate_header"
    assert code(read_head, [(b"authorization", b"a"), (b"authorization", b"b")]) == "two_credentials"
    assert read_head([(b"x-other", b"a"), (b"x-other", b"b")]).found == {}


def test_the_credential_has_one_place() -> None:
    """Only `Authorization: Bearer`; another header may repeat it, and may not say another."""

    def secret(*headers: tuple[bytes, bytes], query: bytes = b"") -> str:
        return find_secret(read_head(headers), query)

    bearer = (b"authorization", b"Bearer abc")
    assert secret(bearer) == "abc"
    assert secret((b"authorization", b"bearer  abc")) == "abc"
    assert secret(bearer, (b"x-api-key", b"abc"), (b"api-key", b"abc")) == "abc"
    assert code(secret, bearer, (b"x-api-key", b"xyz")) == "two_credentials"
    assert code(secret, bearer, (b"api-key", b"xyz")) == "two_credentials"
    for header in (b"Basic abc", b"Bearer", b"Bearer ", b"Bearer a b", b"Bearer \xe4", b"Bearer " + b"x" * 257, b""):
        assert code(secret, (b"authorization", header)) == "missing_api_key", header
    assert code(secret, (b"x-api-key", b"abc")) == "missing_api_key"
    for query in (b"api_key=abc", b"a=b&key=abc", b"access_token=x", b"API-KEY=x", b"token="):
        assert code(secret, bearer, query=query) == "key_in_query", query
    assert secret(bearer, query=b"keys=1&monkey=2") == "abc"


@given(st.binary(max_size=40))
def test_no_header_makes_it_fail(value: bytes) -> None:
    """Any bytes in a header are a credential or a refusal."""
    try:
        find_secret(read_head([(b"authorization", value)]), b"")
    except GatewayError as refused:
        assert refused.code == "missing_api_key"  # noqa: PT017 - either may happen


def test_what_changes_something_comes_from_no_other_site() -> None:
    """Reading is harmless, because nothing of it is shown to other sites; all else is looked at."""
    hosts = Hosts(("a",), (1,))

    def check(*headers: tuple[bytes, bytes], safe: bool = False) -> None:
        check_origin(read_head([(b"host", b"a:1"), *headers]), hosts, safe=safe)

    check()
    check((b"origin", b"http://a:1"), (b"sec-fetch-site", b"same-origin"))
    check((b"sec-fetch-site", b"none"))
    check((b"sec-fetch-site", b"cross-site"), (b"origin", b"http://b"), safe=True)
    for site in (b"cross-site", b"same-site", b"anything", b""):
        assert code(check, (b"sec-fetch-site", site)) == "cross_site"
    for origin in (b"http://b", b"null", b"", b"http://a:2"):
        assert code(check, (b"origin", origin)) == "cross_site"
    assert code(check_origin, read_head([]), hosts, safe=True) == "host_not_allowed"


def test_bodies_are_judged_by_what_is_declared() -> None:
    """The type is exact, parameters aside; a length over the cap is refused, one far over it with the connection."""

    def check(kind: bytes = b"application/json", length: bytes | None = b"5", **more: bytes) -> int | None:
        headers = [(b"content-type", kind), *((name.replace("_", "-").encode(), more[name]) for name in more)]
        return check_body(read_head([*headers, *([(b"content-length", length)] if length else [])]), JSON, 10)

    assert check() == 5
    assert check(length=None) is None
    assert check(b'Application/JSON ; charset="utf-8"') == 5
    assert check(content_encoding=b"identity") == 5
    for kind in (b"", b"text/json", b"application/json-seq", b"application/jsonx", b"text/plain; application/json"):
        assert code(check, kind) == "unsupported_media_type", kind
    assert code(check, content_encoding=b"gzip") == "unsupported_media_type"
    for length, close in ((b"11", False), (b"80", False), (b"81", True)):
        with pytest.raises(GatewayError) as refused:
            check(length=length)
        assert (refused.value.code, refused.value.close) == ("body_too_large", close)
    assert check_body(read_head([(b"content-length", b"99")]), PLAIN, 10) == 99
