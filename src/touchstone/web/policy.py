"""What every answer says to the browser, and what is looked at before anything else (R6, R7, R18)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""No inline script or style, nothing from elsewhere; a page inside another comes from here, and is sandboxed."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    # With `no-referrer` a browser calls the origin of our own forms `null`.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "cache-control": "no-store",
}
METHODS = frozenset({"GET", "HEAD", "POST"})


def is_our_page(origin: str | None, fetch_site: str | None, allowed: bool) -> bool:
    """
    Whether what changes something was sent by a page of ours.

    Args:
        origin: The `Origin` header.
        fetch_site: The `Sec-Fetch-Site` header.
        allowed: Whether `origin` is an address of ours.
    """
    if fetch_site is not None and fetch_site != "same-origin":
        return False
    if origin is not None:
        return allowed
    return fetch_site == "same-origin"


def same_token(given: str, expected: str) -> bool:
    """Whether a form carries the token of its session; takes the same time for any answer."""
    return hmac.compare_digest(given.encode(), expected.encode())
