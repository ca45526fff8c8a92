"""The one door out: where it leads, what it lets in, and that no answer can change either."""

from __future__ import annotations

import asyncio
import ipaddress
import shutil
import ssl
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.catalog.replay import Page, Replay, as_json, bomb, dripping, endless, redirect

from touchstone.catalog.outbound import USER_AGENT, Door, Limits
from touchstone.catalog.source_address import Target, standing
from touchstone.catalog.source_failed import SourceFailed
from touchstone.catalog.source_json import read_json, without_key
from touchstone.errors import SettingsError

QUICK = Limits(connect_s=2, idle_s=2, total_s=4)
FINE = as_json({"data": []})


def telling(*addresses: str) -> tuple[list[tuple[str, int]], object]:
    """A resolver that knows these addresses for every name, and what it was asked."""
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return addresses

    return asked, resolve


# --- Which addresses ------------------------------------------------------------------------------------------------

NOT_PUBLIC = [
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3"),
    *("169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "100::1"),
    *("2001::1", "2001:db8::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1"),
    *("ff02::1", "fe80::1%eth0", "2606:4700::1%eth0", "not an address", "127.1", "2130706433"),
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not_public(address: str) -> None:
    """Private, shared, local, documentation, multicast, reserved and wrapped addresses are never public."""
    assert standing(address) != "public"


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "104.16.0.1", "2606:4700:4700::1111", "2a00:1450::1"])
def test_what_is_public(address: str) -> None:
    """Addresses of the open internet are."""
    assert standing(address) == "public"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.7", "100.64.0.1", "::1", "fd00::7"])
def test_what_is_near(address: str) -> None:
    """This machine and private networks, to which a user may point on purpose."""
    assert standing(address) == "near"


@given(st.ip_addresses())
def test_public_is_never_wider_than_the_standard_librarys_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Whatever is public here is global, and nothing of what the library calls special."""
    if standing(str(address)) == "public":
        assert address.is_global
        assert not any((address.is_multicast, address.is_private, address.is_reserved, address.is_link_local))
        assert getattr(address, "ipv4_mapped", None) is None
        assert getattr(address, "sixtofour", None) is None


@pytest.mark.parametrize("address", [address for address in NOT_PUBLIC if "n" not in address and "%" not in address])
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    """However trustworthy the name, it is not asked when it resolves to an address that is not public."""
    _, resolve = telling(address)
    with pytest.raises(SourceFailed, match="no public address"):
        await Door(resolve=resolve, limits=QUICK).ask("https://models.example/api.json")


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    """Every address is looked at, not the first."""
    _, resolve = telling("1.1.1.1", "10.0.0.1")
    with pytest.raises(SourceFailed, match=r"10\.0\.0\.1"):
        await Door(resolve=resolve, limits=QUICK).ask("https://models.example/api.json")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"])
async def test_an_address_that_the_user_did_not_name_is_refused(host: str) -> None:
    """A literal address is looked at like a resolved one."""
    with pytest.raises(SourceFailed, match="no public address"):
        await Door(limits=QUICK).ask(f"https://{host}/api.json")


async def test_clouds_secrets_are_refused_even_when_named() -> None:
    """A link-local address is neither public nor near."""
    with pytest.raises(SourceFailed, match="no public address"):
        await Door(near=["http://169.254.169.254"], limits=QUICK).ask("http://169.254.169.254/latest")


async def test_loopback_only_when_named() -> None:
    """The same server is asked when the user named its address, and not otherwise; another port is another address."""
    async with Replay({"/models": FINE}) as server:
        answer = await Door(near=[server.url], limits=QUICK).ask(f"{server.url}/models")
        assert answer.body == FINE.body
        for near in ((), ("http://127.0.0.1:1",), (f"https://127.0.0.1:{server.port}",)):
            with pytest.raises(SourceFailed):
                await Door(near=near, limits=QUICK).ask(f"{server.url}/models")
    assert len(server.asked) == 1


async def test_no_plain_http_to_the_internet() -> None:
    """Without encryption nothing public is asked, named or not."""
    _, resolve = telling("1.1.1.1")
    for near in ((), ("http://models.example",)):
        with pytest.raises(SettingsError, match="without encryption"):
            await Door(near=near, resolve=resolve, limits=QUICK).ask("http://models.example/api.json")


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@models.example/",
        "https://models.example@10.0.0.1/",
        "ftp://models.example/",
        "file:///etc/passwd",
        "https://",
        "https://models.example/#top",
        "https://models.example\\@10.0.0.1/",
        "https://models.example/a\\b",
        "https://models.example/a b",
        "https://models.example/a\r\nHost: x",
        "https://models.example/?q=\t",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://a..b/",
        "https://ｅxample.com/",
        "https://[::1/",
        "https://models.example:99999/",
    ],
)
async def test_addresses_that_two_programs_could_read_differently(url: str) -> None:
    """A credential, another scheme, odd hosts and stray signs are refused before anything is looked up."""
    asked, resolve = telling("1.1.1.1")
    with pytest.raises(SettingsError) as caught:
        await Door(resolve=resolve, limits=QUICK).ask(url)
    assert "secret" not in str(caught.value)
    assert asked == []


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """No text makes the parser fail in another way, and what passes has a plain host."""
    try:
        target = Target.of(f"https://{text}")
    except SettingsError:
        return
    assert target.host.isascii()
    assert not set(target.host) & set("@/\\?# ")


# --- Connected to what was checked ----------------------------------------------------------------------------------


async def test_a_name_is_resolved_once() -> None:
    """A name that means another machine at the second look-up is not looked up a second time."""
    async with Replay({"/models": FINE}) as good, Replay({"/models": FINE}) as evil:
        asked = []

        async def rebinding(host: str, port: int) -> Sequence[str]:
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

        named = f"http://models.example:{good.port}"
        answer = await Door(near=[named], resolve=rebinding, limits=QUICK).ask(f"{named}/models")
    assert answer.body == FINE.body
    assert asked == ["models.example"]
    assert len(good.asked) == 1
    assert good.asked[0].headers["host"] == f"models.example:{good.port}"
    assert evil.asked == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for models.example, made for this run."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=models.example", "-addext", "subjectAltName=DNS:models.example"),
            *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return folder


async def test_encryption_still_knows_the_name(certificate: Path) -> None:
    """The certificate is checked against the name although the connection goes to an address."""
    speaks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    speaks.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusts = ssl.create_default_context(cafile=certificate / "cert.pem")
    _, resolve = telling("127.0.0.1")
    async with Replay({"/models": FINE}, tls=speaks) as server:
        right, wrong = f"https://models.example:{server.port}", f"https://other.example:{server.port}"
        answer = await Door(near=[right], resolve=resolve, limits=QUICK, tls=trusts).ask(f"{right}/models")
        assert answer.body == FINE.body
        for named, tls in ((wrong, trusts), (right, None)):
            with pytest.raises(SourceFailed, match="certificate"):
                await Door(near=[named], resolve=resolve, limits=QUICK, tls=tls).ask(f"{named}/models")
    assert len(server.asked) == 1


async def test_an_unknown_name() -> None:
    """A name that nobody knows is said to be one."""

    async def nobody(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(SourceFailed, match=r"no address of models\.example"):
        await Door(resolve=nobody, limits=QUICK).ask("https://models.example/")


async def test_a_look_up_that_hangs() -> None:
    """A resolver that does not answer is waited for as long as a connection is."""

    async def hanging(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(SourceFailed, match="no address"):
        await Door(resolve=hanging, limits=replace(QUICK, connect_s=0.1)).ask("https://models.example/")


async def test_nobody_listens() -> None:
    """A refused connection names the host."""
    async with Replay({}) as server:
        url = server.url
    with pytest.raises(SourceFailed, match=r"127\.0\.0\.1 could not be reached"):
        await Door(near=[url], limits=QUICK).ask(f"{url}/models")


async def test_a_proxy_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy is not used; one that is asked for gets the name and the address is left to it."""
    async with Replay({}) as proxy, Replay({"/models": FINE}) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        await Door(near=[server.url], limits=QUICK).ask(f"{server.url}/models")
        assert proxy.asked == []
        with pytest.raises(SourceFailed):
            await Door(proxy=proxy.url, limits=QUICK).ask("https://models.example/api.json")
        await Door(near=[server.url], proxy=proxy.url, limits=QUICK).ask(f"{server.url}/models")
    assert [(asked.method, asked.path) for asked in proxy.asked] == [("CONNECT", "models.example:443")]
    assert len(server.asked) == 2


# --- What is sent ---------------------------------------------------------------------------------------------------


async def test_what_is_sent() -> None:
    """A fixed user agent, no cookie, only gzip; a second request knows nothing of the first."""
    page = replace(FINE, headers={"Set-Cookie": "who=you"})
    async with Replay({"/models?a=1": page}) as server:
        door = Door(near=[server.url], limits=QUICK)
        await door.ask(f"{server.url}/models?a=1", headers={"Authorization": "Bearer k"})
        await door.ask(f"{server.url}/models?a=1")
    first, second = server.asked
    assert first.headers["user-agent"] == USER_AGENT
    assert first.headers["accept-encoding"] == "gzip"
    assert first.headers["authorization"] == "Bearer k"
    assert "cookie" not in second.headers
    assert "authorization" not in second.headers


async def test_nothing_new() -> None:
    """With the etag of the copy at hand, a source that has nothing new says so and sends nothing."""
    async with Replay({"/models": replace(FINE, etag='"v1"')}) as server:
        door = Door(near=[server.url], limits=QUICK)
        first = await door.ask(f"{server.url}/models")
        again = await door.ask(f"{server.url}/models", etag=first.etag)
        other = await door.ask(f"{server.url}/models", etag='"v0"')
    assert (first.etag, first.unchanged) == ('"v1"', False)
    assert (again.body, again.unchanged) == (b"", True)
    assert not other.unchanged


async def test_nothing_new_by_date() -> None:
    """A source without etags is asked by date."""
    date = "Tue, 06 Jan 2026 10:00:00 GMT"
    async with Replay({"/models": replace(FINE, headers={"Last-Modified": date})}) as server:
        door = Door(near=[server.url], limits=QUICK)
        first = await door.ask(f"{server.url}/models")
        await door.ask(f"{server.url}/models", last_modified=first.last_modified)
    assert server.asked[1].headers["if-modified-since"] == date


async def test_304_without_a_question_is_no_answer() -> None:
    """Only who sent an etag can be told that nothing has changed."""
    async with Replay({"/models": Page(status=304)}) as server:
        with pytest.raises(SourceFailed):
            await Door(near=[server.url], limits=QUICK).ask(f"{server.url}/models")


@pytest.mark.parametrize("etag", ['"a\r\nX-Evil: 1"', "plain", '"' + "x" * 300 + '"'])
async def test_a_stored_etag_that_is_none_is_not_sent(etag: str) -> None:
    """What lies in a file is looked at before it becomes a header."""
    async with Replay({"/models": FINE}) as server:
        await Door(near=[server.url], limits=QUICK).ask(f"{server.url}/models", etag=etag)
    assert "if-none-match" not in server.asked[0].headers
    assert "x-evil" not in server.asked[0].headers


# --- What is let in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    """A redirect is an error that names where it led; the place is not asked, the key does not travel."""
    async with Replay({"/models": FINE}) as other, Replay({}) as server:
        server.pages["/models"] = redirect(f"{other.url}/models", status)
        door = Door(near=[server.url, other.url], limits=QUICK)
        with pytest.raises(SourceFailed, match=r"redirects to '127\.0\.0\.1'") as caught:
            await door.ask(f"{server.url}/models", headers={"Authorization": "Bearer k"})
    assert caught.value.status == status
    assert other.asked == []


@pytest.mark.parametrize(("status", "text"), [(401, "key"), (403, "key"), (404, "404"), (429, "429"), (500, "500")])
async def test_no_success_is_no_answer(status: int, text: str) -> None:
    """Any other status is an error that carries it."""
    async with Replay({"/models": Page(b"<h1>sorry</h1>", status=status)}) as server:
        with pytest.raises(SourceFailed, match=text) as caught:
            await Door(near=[server.url], limits=QUICK).ask(f"{server.url}/models")
    assert caught.value.status == status
    assert "sorry" not in str(caught.value)


async def test_a_web_page_is_no_list() -> None:
    """Another type than was asked for is refused, whatever is in it."""
    async with Replay({"/models": Page(b"{}", kind="text/html; charset=utf-8")}) as server:
        with pytest.raises(SourceFailed, match="text/html"):
            await Door(near=[server.url], limits=QUICK).ask(f"{server.url}/models")


async def test_a_drip_ends_at_the_total_time() -> None:
    """A byte now and then does not keep the door open."""
    async with Replay({"/models": dripping(b"[" + b" " * 1000 + b"]")}) as server:
        start = time.monotonic()
        with pytest.raises(SourceFailed, match="in time"):
            await Door(near=[server.url], limits=replace(QUICK, total_s=0.4)).ask(f"{server.url}/models")
    assert time.monotonic() - start < 6


async def test_silence_ends_sooner() -> None:
    """A server that says nothing more is left before the total time is over."""
    async with Replay({"/models": dripping(b"[]", pause_s=30)}) as server:
        start = time.monotonic()
        with pytest.raises(SourceFailed, match="in time"):
            await Door(near=[server.url], limits=replace(QUICK, idle_s=0.2, total_s=20)).ask(f"{server.url}/models")
    assert time.monotonic() - start < 15


async def test_an_endless_body_is_cut() -> None:
    """The size is counted while it comes."""
    async with Replay({"/models": endless()}) as server:
        with pytest.raises(SourceFailed, match="larger than the 1 MB"):
            await Door(near=[server.url], limits=replace(QUICK, max_bytes=1 << 20)).ask(f"{server.url}/models")


async def test_a_declared_size_is_believed_when_it_is_too_large() -> None:
    """Nothing is waited for of an answer that says it is too large."""
    page = Page(headers={"Content-Length": "2000"}, parts=lambda: iter([b" "]), pause_s=30)
    async with Replay({"/models": page}) as server:
        with pytest.raises(SourceFailed, match="larger than"):
            await Door(near=[server.url], limits=QUICK).ask(f"{server.url}/models", max_bytes=1000)


async def test_a_gzip_bomb_is_cut() -> None:
    """What counts is the size after unpacking: 64 MB in 64 kB."""
    page = bomb(64 << 20)
    assert len(page.body) < 1 << 17
    async with Replay({"/models": page}) as server:
        with pytest.raises(SourceFailed, match="larger than the 4 MB"):
            await Door(near=[server.url], limits=replace(QUICK, max_bytes=4 << 20)).ask(f"{server.url}/models")


async def test_a_packed_answer_is_unpacked() -> None:
    """Gzip is understood, complete only: cut short, with something behind it or broken it is refused."""
    whole = bomb(1 << 20)
    pages = {"/whole": whole, "/cut": replace(whole, body=whole.body[:-20]), "/broken": replace(whole, body=b"abc")}
    pages["/more"] = replace(whole, body=b"", parts=lambda: iter([whole.body, b"x" * 10]), pause_s=0.05)
    pages["/other"] = replace(whole, headers={"Content-Encoding": "br"})
    async with Replay(pages) as server:
        door = Door(near=[server.url], limits=QUICK)
        assert (await door.ask(f"{server.url}/whole")).body == b" " * (1 << 20)
        for path in ("cut", "broken", "more", "other"):
            with pytest.raises(SourceFailed):
                await door.ask(f"{server.url}/{path}")


async def test_an_answer_that_breaks_off() -> None:
    """Fewer bytes than were announced are no answer."""
    page = Page(headers={"Content-Length": "100"}, parts=lambda: iter([b"[1,2"]))
    async with Replay({"/models": page}) as server:
        with pytest.raises(SourceFailed, match="broke off"):
            await Door(near=[server.url], limits=QUICK).ask(f"{server.url}/models")


# --- JSON -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"[1,", b"[NaN]", b"[Infinity]", b'["\\ud800"]', b"\xff", b"<html>", b"[1e999]"])
def test_what_is_no_json(body: bytes) -> None:
    """Cut, not a number, not Unicode: nothing is repaired."""
    with pytest.raises(SourceFailed, match="no complete JSON"):
        read_json(body, "x", QUICK)


@pytest.mark.parametrize("depth", [65, 500, 100_000])
def test_json_that_is_too_deep(depth: int) -> None:
    """Levels are counted, however many there are."""
    with pytest.raises(SourceFailed, match=r"levels deep|no complete JSON"):
        read_json(b"[" * depth + b"]" * depth, "x", QUICK)
    with pytest.raises(SourceFailed):
        read_json(b'{"a":' * depth + b"1" + b"}" * depth, "x", QUICK)


def test_json_as_deep_as_is_allowed() -> None:
    """The limit itself is inside."""
    assert read_json(b"[" * 64 + b"]" * 64, "x", QUICK)


def test_json_with_too_many_values() -> None:
    """Values are counted before they take memory."""
    with pytest.raises(SourceFailed, match="values"):
        read_json(b"[" + b"[]," * 600 + b"[]]", "x", replace(QUICK, max_values=1000))


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=8))
def test_a_key_that_is_sent_back_is_taken_out(key: str) -> None:
    """However the server spells it, the key does not come in with the answer."""
    spelled = "".join(f"\\u{ord(sign):04x}" for sign in key)
    value = read_json(f'[{{"id":"a{spelled}b"}}]'.encode(), "x", QUICK)
    assert without_key(value, key) == [{"id": "a[key]b"}]
