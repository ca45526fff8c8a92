"""Keys, tokens and passwords: by how issuers begin theirs, and by what is called one and looks like one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from touchstone.deployment.safety.base import Span

ISSUED = (
    r"\bsk-(?:proj-|ant-|or-|svcacct-|admin-)?[A-Za-z0-9_-]{20,200}",  # OpenAI, Anthropic, OpenRouter and their like
    r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,120}",  # Stripe
    r"\bwhsec_[A-Za-z0-9+/=]{24,120}",
    r"\bgh[pousr]_[A-Za-z0-9]{30,255}",  # GitHub
    r"\bgithub_pat_[A-Za-z0-9_]{40,255}",
    r"\bglpat-[A-Za-z0-9_-]{20,120}",  # GitLab
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",  # AWS
    r"\bAIza[A-Za-z0-9_-]{35}",  # Google
    r"\bya29\.[A-Za-z0-9_-]{20,}",
    r"\bGOCSPX-[A-Za-z0-9_-]{20,60}",
    r"\bLTAI[A-Za-z0-9]{12,24}\b",  # Alibaba Cloud
    r"\bAKID[A-Za-z0-9]{13,48}\b",  # Tencent Cloud
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}",  # Slack
    r"\bhf_[A-Za-z0-9]{30,60}\b",  # Hugging Face
    r"\bnpm_[A-Za-z0-9]{36}\b",
    r"\bpypi-AgEI[A-Za-z0-9_-]{40,400}",
    r"\bdckr_pat_[A-Za-z0-9_-]{20,60}",
    r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,60}",  # SendGrid
    r"\bdop_v1_[a-f0-9]{64}\b",  # DigitalOcean
    r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b",
    r"\bts-[A-Za-z0-9_-]{43}\b",  # our own
    r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{10,}",  # JSON Web Token
    r"-----BEGIN (?:[A-Z]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=\s:,.()-]*(?:-----END [A-Z ]+-----)?",
    r"(?i)\bbearer [A-Za-z0-9._~+/-]{20,}=*",
)
"""Tokens that say themselves who issued them. Source: the issuers' own pages, as of 2026-11."""

CALLED = (
    r"(?i)(?:(?:\b|_)(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[ _-]?key|access[ _-]?key|private[ _-]?key"
    r"|client[ _-]?secret|auth|credentials?)|密码|口令|密钥|令牌|验证码|私钥)"
    r"[\"'`]?\s{0,3}(?:=>|:=|=|:|\bis\b|是|为)\s{0,3}"
    r"[\"'`“「]?([^\s\"'`“”「」<>,;，。；、]{6,200})"
)
"""What is called a password or a key, and the value that follows."""

CALLED_BESIDE = r"(?i)\b(?:password|passwd|pwd|passphrase)\s{1,2}([^\s\"'`<>,;]{6,200})"
"""A value that follows without a sign between; only what no word looks like counts."""

URL_PASSWORD = r"://[^\s/:@]{1,100}:([^\s/@]{3,100})@"  # noqa: S105 - a pattern
"""A password inside an address, such as `postgres://user:password@host`."""


def issued(found: Any, _: str) -> Iterator[Span]:
    """A token of a known form."""
    yield Span("secret", found.start(), found.end(), 0.95)


def called(found: Any, _: str) -> Iterator[Span]:
    """The value of what is called a secret, where it looks as if a person or a machine had made it up."""
    value = found.group(1).rstrip(").]}")
    if looks_made_up(value):
        yield Span("secret", found.start(1), found.start(1) + len(value), 0.7)


def beside(found: Any, _: str) -> Iterator[Span]:
    """A value of capitals, small letters and digits, or of digits and signs, right behind the word."""
    value = found.group(1).rstrip(").]}")
    digits = any(character.isdecimal() for character in value)
    signs = any(not character.isalnum() and character not in "._-/:" for character in value)
    if digits and (signs or value not in {value.lower(), value.upper()}) and looks_made_up(value):
        yield Span("secret", found.start(1), found.start(1) + len(value), 0.6)


def in_url(found: Any, _: str) -> Iterator[Span]:
    """A password between a user's name and a host."""
    if not _stands_for_one(found.group(1)):
        yield Span("secret", found.start(1), found.end(1), 0.97)


def looks_made_up(value: str) -> bool:
    """
    Whether a value mixes kinds of characters and repeats few: at least 2.3 bits a character (Shannon 1948).

    `required` and `process.env.KEY` are words, `hunter2!` and `9f86d081` are not. Six digits alone are a code where
    somebody calls them one; longer rows of small letters alone are words.
    """
    if _stands_for_one(value) or not value.isascii():
        return False
    digits = any(character.isdecimal() for character in value)
    letters = any(character.isalpha() for character in value)
    signs = any(not character.isalnum() and character not in "._-/()[]" for character in value)
    mixed = value != value.lower() and value != value.upper() and any(character.islower() for character in value[1:])
    if (
        not (digits and (letters or signs or len(value) >= 6))
        and not (letters and signs)
        and not (mixed and len(value) > 15)
    ):
        return False
    return entropy_bits(value) >= (1.5 if value.isdecimal() else 2.3)


def entropy_bits(value: str) -> float:
    """Shannon entropy of the characters of a text, in bits a character; 0 for an empty one."""
    counts = Counter(value)
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())


def _stands_for_one(value: str) -> bool:
    """Whether it is a placeholder or a piece of code that fetches the secret from elsewhere."""
    plain = value.lower()
    return (
        any(sign in value for sign in ("${", "{{", "$(", "%(", "<", "***", "...", "…", "("))
        or plain.startswith(("$", "os.", "env.", "process.", "self.", "config.", "settings.", "secrets.", "http", "/"))
        or any(
            word in plain for word in ("your", "xxxx", "placeholder", "example", "changeme", "redacted", "os.environ")
        )
    )
