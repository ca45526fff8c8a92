"""What the gateway tells about itself: counted, logged, traced; never a text of anybody."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from tests.deployment.gateway.house import open_house, request

from touchstone.deployment.gateway.json_log import JsonLog, RotatingFile, line_of
from touchstone.deployment.gateway.limits import DoorLimits
from touchstone.deployment.gateway.observe import Observer
from touchstone.errors import ExtraMissing, SettingsError

LIMITS = DoorLimits(stop_s=0.2, settle_s=0.5)


def test_requests_are_counted_by_route() -> None:
    """Routes, methods and statuses are counted, tokens and USD as handlers found them; made-up paths are one series."""
    with open_house(LIMITS) as house:
        for _ in range(2):
            house.ask("POST", "/v1/echo", b'{"text": "hi"}')
        for path in ("/a", "/b", "/c?key=1"):
            house.ask("GET", path)
        house.ask("GET", "/v1/models", key="nobody")
        page = house.ask("GET", "/metrics", key="meter")
    assert page.headers["content-type"].startswith("text/plain")
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.body.decode())
        for sample in family.samples
    }
    name = "touchstone_gateway_"
    echo = (("method", "POST"), ("route", "/v1/echo"), ("status", "200"))
    assert found[(f"{name}requests_total", *echo)] == 2
    assert found[(f"{name}requests_total", ("method", "GET"), ("route", "unknown"), ("status", "404"))] == 3
    assert found[(f"{name}refusals_total", ("code", "invalid_api_key"))] == 1
    assert found[(f"{name}tokens_total", ("direction", "input"), ("endpoint", "support"))] == 6
    assert found[(f"{name}usd_total", ("endpoint", "support"))] == 1
    assert found[(f"{name}request_seconds_count", ("route", "/v1/echo"))] == 2
    assert found[(f"{name}in_flight",)] == 1


def test_a_request_is_one_line() -> None:
    """The line says who asked what and what became of it; healthy looks at `/healthz` leave none."""
    with open_house(LIMITS) as house:
        house.ask("GET", "/healthz")
        reply = house.ask("POST", "/v1/echo", b'{"text": "hi"}')
        [line] = house.log
    assert line.pop("at").endswith("+00:00")
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request", "request": reply.headers["x-request-id"], "method": "POST", "route": "/v1/echo",
        "status": 200, "sent_bytes": len(reply.body), "address": "127.0.0.1", "key": 1, "project": "default",
        "endpoint": "support", "kind": "chat", "input_tokens": 3, "output_tokens": 2, "usd": 0.5,
        "finish": "stop",
    }  # fmt: skip


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(-9, 9) | st.none(), max_size=4))
def test_a_line_is_one_line_of_ascii(record: dict[str, object]) -> None:
    """Whatever stands in a record, it is one line without control characters, and nothing of it is lost (R29)."""
    line = line_of(record)
    assert line.endswith(b"\n")
    assert all(32 <= byte < 127 for byte in line[:-1])
    assert json.loads(line) == record


def test_line_ends_of_all_kinds_are_escaped() -> None:
    """Separators that some readers take for line ends, and marks that turn text round, are written as escapes (A11)."""
    nasty = '\n\r\x0b\x0c\x1b[2J\x7f\x85\u2028\u2029\u202e{"event":"forged"}'
    line = line_of({"x": nasty})
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"x": nasty}


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    """Lines that cannot be written are counted."""

    def full(_block: bytes) -> None:
        raise OSError(28, "no space left")

    log = JsonLog(full)
    log.note("x", {})
    log.note("y", {})
    log.close()
    assert log.dropped == 2


async def test_lines_that_wait_have_an_end() -> None:
    """Of too many lines at once some are dropped and counted, and memory is not filled."""
    written: list[bytes] = []
    log = JsonLog(written.append)
    for _ in range(20_100):
        log.note("x", {})
    log.close()
    assert log.dropped == 100
    assert b"".join(written).count(b"\n") == 20_000


def test_a_log_file_is_its_owners_and_is_put_aside_when_large(tmp_path: Path) -> None:
    """So many parts are kept and no more; each has whole lines."""
    file = RotatingFile(tmp_path / "gateway.log", most_bytes=100, parts=2)
    for number in range(20):
        file.write(b"%030d\n" % number)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["gateway.log", "gateway.log.1", "gateway.log.2"]
    lines = b"".join((tmp_path / name).read_bytes() for name in reversed(names)).splitlines()
    assert [int(line) for line in lines] == list(range(20 - len(lines), 20))
    assert stat.S_IMODE((tmp_path / "gateway.log").stat().st_mode) == 0o600
    with pytest.raises(SettingsError, match="--log"):
        RotatingFile(tmp_path / "none" / "gateway.log")


class Kept:
    """An exporter that keeps spans."""

    def __init__(self) -> None:
        self.spans: list[object] = []

    def export(self, spans: object) -> object:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self.spans += spans  # type: ignore[operator]
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


def test_spans_have_the_names_of_the_conventions() -> None:
    """A request to a model is a span with model, tokens and its place in the client's trace, without a text."""
    pytest.importorskip("opentelemetry.sdk")
    from touchstone.deployment.gateway.spans import GenAiSpans

    kept = Kept()
    with open_house(LIMITS) as house:
        house.observer.spans = GenAiSpans(kept)
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        with house.client() as client:
            body = b'{"text": "hi"}'
            client.send(request("POST", "/v1/echo", port=house.port, body=body, traceparent=parent))
            reply = client.reply()
    [span] = kept.spans
    assert span.name == "chat support"  # type: ignore[attr-defined]
    assert f"{span.context.trace_id:032x}" == parent.split("-")[1]  # type: ignore[attr-defined]
    assert dict(span.attributes) == {  # type: ignore[attr-defined]
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "touchstone",
        "gen_ai.request.model": "support",
        "gen_ai.response.id": reply.headers["x-request-id"],
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "http.response.status_code": 200,
    }


def test_spans_without_their_library_name_the_extra() -> None:
    """The switch says what to install."""
    try:
        import opentelemetry.sdk  # noqa: F401
    except ImportError:
        from touchstone.deployment.gateway.spans import GenAiSpans

        with pytest.raises(ExtraMissing, match="otel"):
            GenAiSpans()


def test_what_waits_is_written_at_the_end() -> None:
    """Closing writes the last lines, also where no loop runs any more."""
    written: list[bytes] = []
    observer = Observer(JsonLog(written.append))
    observer.refused_unread("bad_request", "192.0.2.1")
    observer.close()
    assert json.loads(written[0])["error"] == "bad_request"
