"""Provider keys that were typed: kept for one origin, closed to others, never told again (R12)."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from touchstone import config
from touchstone.config import KEPT_KEYS, keep_keys_in, secret
from touchstone.errors import SettingsError, UnknownName
from touchstone.models.secret_key import SecretKey
from touchstone.workspace.provider_keys import ProviderKeys

KEY = "sk-canary-0123456789abcdef"
HOME = "https://api.openai.com/v1"


@pytest.fixture(autouse=True)
def _no_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_API_KEY", "OLLAMA_HOST", "MOONSHOT_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config, "_kept_keys", ())


@pytest.fixture
def keys(tmp_path: Path) -> ProviderKeys:
    keep_keys_in(tmp_path)
    return ProviderKeys(tmp_path)


def test_a_kept_key_goes_to_its_provider_and_nowhere_else(keys: ProviderKeys) -> None:
    """It is found for the origin that it was typed for; another host, port or scheme has none."""
    keys.keep("openai", f"  {KEY}\n")
    read = lambda url: SecretKey(url, "OPENAI_API_KEY", required=False, header="bearer").read()  # noqa: E731
    assert read(HOME) == KEY
    for other in ("https://api.openai.com:8443/v1", "https://evil.example/v1", "http://127.0.0.1:9/v1"):
        assert read(other) is None
    assert secret("OPENAI_API_KEY") is None
    assert secret("ANTHROPIC_API_KEY", origin="https://api.openai.com:443") is None


def test_the_environment_goes_before(keys: ProviderKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set is used, and the page says that it comes from there."""
    keys.keep("openai", KEY)
    assert keys.one("openai").source == "pages"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    assert secret("OPENAI_API_KEY", origin="https://api.openai.com:443") == "sk-other"
    assert keys.one("openai").source == "environment"


def test_the_file_is_closed_to_others(keys: ProviderKeys, tmp_path: Path) -> None:
    """Mode 0600 from its first byte; a file that others may read is not used, nor a link."""
    keys.keep("openai", KEY)
    file = tmp_path / KEPT_KEYS
    assert [entry.name for entry in tmp_path.iterdir()] == [KEPT_KEYS]
    if os.name == "nt":
        return
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600") as caught:
        secret("OPENAI_API_KEY", origin="https://api.openai.com:443")
    assert KEY not in str(caught.value)
    file.chmod(0o600)
    file.rename(tmp_path / "elsewhere.json")
    file.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(SettingsError, match="cannot be read"):
        secret("OPENAI_API_KEY", origin="https://api.openai.com:443")


def test_what_stands_there_is_told_to_nobody(keys: ProviderKeys, tmp_path: Path) -> None:
    """Neither how keys stand nor an error about the file repeats a key."""
    keys.keep("openai", KEY)
    assert KEY not in repr(keys.all())
    assert KEY not in repr(keys.one("openai"))
    (tmp_path / KEPT_KEYS).write_text(f'[{{"key": "{KEY}"')
    (tmp_path / KEPT_KEYS).chmod(0o600)
    with pytest.raises(SettingsError) as caught:
        keys.all()
    assert KEY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_key_is_deleted_and_replaced(keys: ProviderKeys, tmp_path: Path) -> None:
    """The old one is nowhere any more; providers that share a variable have a key each."""
    keys.keep("openai", KEY)
    keys.keep("openai", "sk-second")
    keys.keep("moonshot", "sk-china")
    raw = (tmp_path / KEPT_KEYS).read_text()
    assert KEY not in raw
    assert "sk-second" in raw
    keys.forget("openai")
    keys.forget("openai")
    assert "sk-second" not in (tmp_path / KEPT_KEYS).read_text()
    assert keys.one("moonshot").source == "pages"


@pytest.mark.parametrize("text", ["", " ", "a b", "schlüssel", "a\nb", "x" * 5000, "a\x00b"])
def test_what_is_no_key_is_not_kept(keys: ProviderKeys, tmp_path: Path, text: str) -> None:
    """Spaces, line breaks, letters beyond ASCII and whole files are no keys."""
    with pytest.raises(SettingsError, match="that is no key"):
        keys.keep("openai", text)
    assert not (tmp_path / KEPT_KEYS).exists()
    with pytest.raises(UnknownName):
        keys.keep("nobody", KEY)


def test_a_project_uses_the_keys_of_its_site(keys: ProviderKeys, tmp_path: Path) -> None:
    """A command that a page begins for a project finds them; a workspace elsewhere does not."""
    keys.keep("openai", KEY)
    keep_keys_in(tmp_path / "projects" / "support")
    assert secret("OPENAI_API_KEY", origin="https://api.openai.com:443") == KEY
    keep_keys_in(tmp_path / "other" / "support")
    assert secret("OPENAI_API_KEY", origin="https://api.openai.com:443") is None


class Provider:
    """A provider on loopback that notes what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("authorization")))
                body = b'{"data": [], "said": "' + (self.headers.get("authorization") or "").encode() + b'"}'
                self.send_response(outer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_a_test_asks_the_providers_own_host_once(
    keys: ProviderKeys, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One GET of the list of models, with the key in one header; what came back is a code and a status."""
    monkeypatch.setenv("OLLAMA_HOST", provider.url)
    with pytest.raises(SettingsError, match="no key yet"):
        keys.test("ollama")
    assert provider.asked == []
    keys.keep("ollama", KEY)
    for status, said in [(200, "accepted"), (401, "refused"), (404, "no_list"), (429, "busy"), (500, "failed")]:
        provider.status = status
        found = keys.test("ollama")
        assert (found.said, found.status) == (said, status)
        assert KEY not in repr(found)
    provider.status = 302
    assert keys.test("ollama").said == "failed"
    assert {path for path, _key in provider.asked} == {"/v1/models"}
    assert {key for _path, key in provider.asked} == {f"Bearer {KEY}"}


def test_a_moved_address_takes_no_key_along(
    keys: ProviderKeys, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was typed for one address is none at the next one that the variable names."""
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9/v1")
    keys.keep("ollama", KEY)
    monkeypatch.setenv("OLLAMA_HOST", provider.url)
    assert keys.one("ollama").source == "none"
    with pytest.raises(SettingsError, match="no key yet"):
        keys.test("ollama")
    assert provider.asked == []
