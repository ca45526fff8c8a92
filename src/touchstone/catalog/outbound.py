"""
The one door through which `catalog refresh` goes online.

It opens to https, and beside that to loopback and private addresses that the user named. A name is resolved once, every
address found is looked at, and the connection goes to those addresses and no others, so that a name that means
something else a moment later changes nothing. A redirect is an error. Time, size, depth and number of values are
limited, and nothing is kept from one request to the next: no cookie, no connection, no credential.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from touchstone.catalog.addresses import check_base_url, origin_of
from touchstone.catalog.source_address import Target, literal, standing
from touchstone.catalog.source_failed import SourceFailed
from touchstone.errors import SettingsError

if TYPE_CHECKING:
    import aiohttp

USER_AGENT = "touchstone"
"""The same for everybody: no version, no machine."""
JSON_TYPES = ("application/json", "text/json")
TEXT_TYPES = ("text/plain", "text/markdown", "text/yaml", "text/x-yaml", "application/yaml", "application/x-yaml")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host name and a port to IP addresses."""
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{0,200}"')
_DATE = re.compile(r"[A-Za-z0-9 ,:+-]{1,64}")


@dataclass(frozen=True)
class Limits:
    """
    How long and how much.

    The largest answers known are about 2 MB with 200,000 values. With an old copy beside it, the largest answer that is
    let in took 300 MB of memory, and 600 MB where every text holds a sign of four bytes.
    """

    connect_s: float = 10.0
    """For the look-up of the name, and again for the connection."""
    idle_s: float = 30.0
    """Between two pieces of the answer."""
    total_s: float = 120.0
    max_bytes: int = 12 << 20
    """Of the answer, as it travels and again after unpacking."""
    max_values: int = 1_200_000
    """Of a JSON answer; each takes up to 100 bytes of memory."""
    max_depth: int = 64


@dataclass(frozen=True)
class Answer:
    """What a source said."""

    url: str
    body: bytes
    """Empty when nothing has changed."""
    unchanged: bool = False
    """The source says that the copy whose validators were sent is still good (304)."""
    etag: str | None = None
    last_modified: str | None = None


class Door:
    """
    Asks one address at a time, under rules that no answer can change.

    Args:
        near: Base addresses that the user named; only these may be on this machine or in a private network, and only
            there without encryption.
        resolve: How names become addresses; the system's own way by default.
        limits: Time and size.
        proxy: Address of a proxy for public targets, when the user asks for one. It resolves the target's name itself,
            so that the check of the target's addresses is left to it. Near targets are asked without it.
        tls: Whom to trust; the system's certificates by default. The host's name is always checked.
    """

    def __init__(
        self,
        *,
        near: Collection[str] = (),
        resolve: Resolve | None = None,
        limits: Limits | None = None,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.near = frozenset(origin_of(check_base_url(address)) for address in near)
        self.resolve = resolve or system_addresses
        self.limits = limits or Limits()
        self.proxy = check_base_url(proxy) if proxy else None
        self.tls = tls

    async def ask(
        self,
        url: str,
        *,
        post: bytes | None = None,
        accept: Sequence[str] = JSON_TYPES,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        last_modified: str | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """
        What an address answers.

        Args:
            url: The address; a query is allowed.
            post: JSON to send; None asks with GET.
            accept: Media types of which the answer must have one.
            headers: Such as the key of this very address.
            etag: Of the copy at hand, so that the source need not send it again.
            last_modified: The same, for sources without etags.
            max_bytes: Less than the door's own limit.

        Raises:
            SettingsError: the address may not be asked.
            SourceFailed: the answer did not come, came late, is too large, of the wrong type or no success.
        """
        target = Target.of(url)
        try:
            async with asyncio.timeout(self.limits.total_s):
                proxied = self.proxy is not None and origin_of(url) not in self.near
                if proxied:
                    _check_scheme(target, near=False)
                    proxy = Target.of(self.proxy or "")
                    found = await self._addresses(proxy, near=True)
                else:
                    found = await self._addresses(target, near=origin_of(url) in self.near)
                    _check_scheme(target, near=all(standing(address) == "near" for address in found))
                sent = {**_conditions(etag, last_modified), **(headers or {})}
                async with self._session(found) as session:
                    return await _ask(
                        session,
                        target,
                        url,
                        post=post,
                        accept=accept,
                        headers=sent,
                        max_bytes=min(max_bytes or self.limits.max_bytes, self.limits.max_bytes),
                        proxy=self.proxy if proxied else None,
                    )
        except TimeoutError:
            raise SourceFailed(
                "{host} did not answer in time (at most {idle} s of silence, {total} s in all); try again later",
                host=target.host,
                idle=f"{self.limits.idle_s:g}",
                total=f"{self.limits.total_s:g}",
            ) from None

    async def _addresses(self, target: Target, *, near: bool) -> tuple[str, ...]:
        """The target's addresses, each of which may be connected to."""
        found: Sequence[str]
        if literal(target.host) is not None:
            found = [target.host]
        else:
            try:
                async with asyncio.timeout(self.limits.connect_s):
                    found = await self.resolve(target.host, target.port)
            except (OSError, TimeoutError):
                found = ()
        if not found:
            raise SourceFailed(
                "no address of {host} is known here; check the name and the connection", host=target.host
            )
        for address in found:
            kind = standing(address)
            if kind == "refused" or (kind == "near" and not near):
                raise SourceFailed(
                    "{host} leads to {address}, which is no public address; if that is meant, name the address "
                    "yourself with --base-url",
                    host=target.host,
                    address=address,
                )
        return tuple(dict.fromkeys(found))

    def _session(self, addresses: Sequence[str]) -> aiohttp.ClientSession:
        """Connections that can lead to nowhere but the addresses that were checked."""
        import aiohttp
        from aiohttp.abc import AbstractResolver, ResolveResult

        class Pinned(AbstractResolver):
            async def resolve(
                self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
            ) -> list[ResolveResult]:
                return [
                    ResolveResult(
                        hostname=host,
                        host=address,
                        port=port,
                        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                        proto=0,
                        flags=socket.AI_NUMERICHOST,
                    )
                    for address in addresses
                ]

            async def close(self) -> None:
                pass

        def only_checked(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
            # The last look before the connection: it holds whatever the library did to the name in between.
            family, kind, protocol, _, place = info
            if place[0] not in addresses:
                raise OSError(f"{place[0]} was not checked")
            return socket.socket(family, kind, protocol)

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Pinned(),
                use_dns_cache=False,
                socket_factory=only_checked,
                force_close=True,
                ssl=self.tls if self.tls is not None else True,
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.limits.connect_s, sock_read=self.limits.idle_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"},
        )


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


async def _ask(
    session: aiohttp.ClientSession,
    target: Target,
    url: str,
    *,
    post: bytes | None,
    accept: Sequence[str],
    headers: Mapping[str, str],
    max_bytes: int,
    proxy: str | None,
) -> Answer:
    import aiohttp
    from yarl import URL

    plain = URL.build(
        scheme=target.scheme,
        host=target.host,
        port=target.port,
        path=target.path,
        query_string=target.query,
        encoded=True,
    )
    kind = {"Content-Type": "application/json"} if post is not None else {}
    try:
        async with session.request(
            "GET" if post is None else "POST",
            plain,
            data=post,
            headers={"Accept": ", ".join(accept), **kind, **headers},
            allow_redirects=False,
            proxy=proxy,
        ) as reply:
            _check_status(reply, target, conditional=bool(headers.keys() & {"If-None-Match", "If-Modified-Since"}))
            if reply.status == 304:
                return Answer(url, b"", unchanged=True)
            if reply.content_type not in accept and not (accept is JSON_TYPES and reply.content_type.endswith("+json")):
                raise SourceFailed(
                    "{host} answered with {found}, not with {wanted}; is this the right address?",
                    host=target.host,
                    found=repr(reply.content_type[:80]),
                    wanted=accept[0],
                )
            body = await _body(reply, target.host, max_bytes)
            return Answer(
                url,
                body,
                etag=_plain(_ETAG, reply.headers.get("ETag")),
                last_modified=_plain(_DATE, reply.headers.get("Last-Modified")),
            )
    except aiohttp.ClientConnectorCertificateError:
        raise SourceFailed(
            "the certificate of {host} is not valid; nothing was asked of it", host=target.host
        ) from None
    except TimeoutError:
        raise
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # A library's text may quote what the server sent.
        raise SourceFailed(
            "{host} could not be reached or broke off ({reason}); try again later",
            host=target.host,
            reason=type(error).__name__,
        ) from None


async def _body(reply: aiohttp.ClientResponse, host: str, max_bytes: int) -> bytes:
    """The body, unpacked here so that a small answer cannot become a large one unseen."""
    too_large = SourceFailed(
        "the answer of {host} is larger than the {limit} MB that are read; nothing was taken",
        host=host,
        limit=f"{max_bytes / (1 << 20):g}",
    )
    coding = reply.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("gzip", "x-gzip", "identity", ""):
        raise SourceFailed(
            "{host} packed its answer as {found}, which was not asked for", host=host, found=repr(coding[:40])
        )
    if (reply.content_length or 0) > max_bytes:
        raise too_large
    unpack = zlib.decompressobj(wbits=31) if "gzip" in coding else None
    body, came = bytearray(), 0
    async for piece in reply.content.iter_any():
        came += len(piece)
        try:
            if unpack is not None and unpack.eof:
                raise zlib.error("more after the end")
            body += piece if unpack is None else unpack.decompress(piece, max_bytes + 1 - len(body))
        except zlib.error:
            raise SourceFailed("the answer of {host} cannot be unpacked; nothing was taken", host=host) from None
        if max(came, len(body)) > max_bytes:
            raise too_large
    if unpack is not None and not unpack.eof:
        raise SourceFailed("the packed answer of {host} breaks off; nothing was taken", host=host)
    return bytes(body)


def _check_scheme(target: Target, *, near: bool) -> None:
    if target.scheme != "https" and not near:
        raise SettingsError(
            "{host} would be asked without encryption; use https (http is only for addresses of this machine and of "
            "private networks that you name yourself)",
            host=target.host,
        )


def _check_status(reply: aiohttp.ClientResponse, target: Target, *, conditional: bool) -> None:
    status = reply.status
    if status == 200 or (status == 304 and conditional):
        return
    if 300 <= status < 400:
        raise SourceFailed(
            "{host} redirects to {other}, and no redirect is followed; if that is the right place, name its address",
            status=status,
            host=target.host,
            other=_host_of(urljoin(f"{target.scheme}://{target.host}/", reply.headers.get("Location", ""))),
        )
    if status in (401, 403):
        raise SourceFailed(
            "{host} refuses the request (HTTP {code}); it may need a key, or another one",
            status=status,
            host=target.host,
            code=status,
        )
    raise SourceFailed(
        "{host} answered with HTTP {code}; nothing was taken", status=status, host=target.host, code=status
    )


def _conditions(etag: str | None, last_modified: str | None) -> dict[str, str]:
    # Both were said by the source before and lay in a file since.
    if _plain(_ETAG, etag):
        return {"If-None-Match": str(etag)}
    return {"If-Modified-Since": str(last_modified)} if _plain(_DATE, last_modified) else {}


def _plain(shape: re.Pattern[str], text: str | None) -> str | None:
    return text if text is not None and shape.fullmatch(text) else None


def _host_of(address: str) -> str:
    try:
        return repr((urlsplit(address).hostname or "nowhere")[:100])
    except ValueError:
        return "nowhere"
