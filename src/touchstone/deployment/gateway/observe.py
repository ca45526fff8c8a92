"""
What the gateway tells about itself: Prometheus metrics, one line of the log a request, spans behind a switch.

No text of a request or a reply comes here, no path that clients make up, no query, no key (R29, A11).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from touchstone.deployment.base import Key
from touchstone.deployment.gateway.base import Facts, Incoming, Route
from touchstone.deployment.gateway.json_log import JsonLog

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
"""The text format of Prometheus that every scraper reads."""

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_GONE = 499
"""The status of a reply that nobody waited for; nginx's number for it."""


class Spans(Protocol):
    """Makes a span of a request that has ended; see `spans.py`."""

    def ended(self, incoming: Incoming, *, seconds: float, status: int, error: str | None) -> None:
        """One request, from its headers to the end of its reply."""
        ...

    def close(self) -> None:
        """Send what waits."""
        ...


class _OfEndpoint(NamedTuple):
    input_tokens: Counter
    output_tokens: Counter
    usd: Counter
    first_token_s: Histogram


class Observer:
    """
    Counts, logs and traces.

    Args:
        log: Where lines go; None writes none.
        spans: Where spans go; None makes none.

    Attributes:
        registry: Every metric; others may add theirs.
    """

    def __init__(self, log: JsonLog | None = None, spans: Spans | None = None) -> None:
        self.log = log
        self.spans = spans
        self.registry = CollectorRegistry(auto_describe=True)
        self._requests = self._counter("requests", "Requests that were answered.", "route", "method", "status")
        self._refusals = self._counter("refusals", "Requests that were refused, by the code of the error.", "code")
        self._tokens = self._counter("tokens", "Tokens of models.", "endpoint", "direction")
        self._usd = self._counter("usd", "What requests cost, in USD, where a price is known.", "endpoint")
        self._seconds = self._histogram("request_seconds", "From headers to the end of the reply.", "route")
        self._first = self._histogram("first_token_seconds", "From headers to the first token.", "endpoint")
        self._in_flight = Gauge("touchstone_gateway_in_flight", "Requests being answered.", registry=self.registry)
        dropped = Gauge(
            "touchstone_gateway_log_lines_dropped", "Lines of the log that were not written.", registry=self.registry
        )
        dropped.set_function(lambda: self.log.dropped if self.log is not None else 0)
        # Looking a metric up by its labels costs more than counting it.
        self._of_endpoint: dict[str, _OfEndpoint] = {}
        self._of_route: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"touchstone_gateway_{name}", words, labels, registry=self.registry)

    def _histogram(self, name: str, words: str, *labels: str) -> Histogram:
        return Histogram(f"touchstone_gateway_{name}", words, labels, buckets=_SECONDS, registry=self.registry)

    def watch(self, *, in_flight: Callable[[], float]) -> None:
        """Ask for the number of requests in flight whenever the metrics are read."""
        self._in_flight.set_function(in_flight)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def refused(self, code: str, *, request: str, error: BaseException) -> None:
        """A request was refused or failed; of a failure of ours the log tells where, never with which text."""
        self._refusals.labels(code).inc()
        if code in ("internal_error", "store_unavailable") and self.log is not None:
            what = {"request": request, "error": type(error).__name__, "at_code": places(error)}
            self.log.note("failure", what)

    def refused_unread(self, code: str, address: str) -> None:
        """A connection or a request was refused before it was one."""
        self._refusals.labels(code).inc()
        if self.log is not None:
            self.log.note("refused", {"error": code, "address": address})

    def finished(
        self,
        *,
        request: str,
        method: str,
        route: Route | None,
        address: str,
        key: Key | None,
        status: int | None,
        sent_bytes: int,
        seconds: float,
        gone: bool,
        error: str | None,
        incoming: Incoming | None,
    ) -> None:
        """A request has ended, whatever became of it."""
        facts = incoming.facts if incoming is not None else None
        told = status if status is not None and not (gone and sent_bytes == 0) else _GONE
        # Paths that nobody serves are one: clients make them up, and may write anything into them.
        place = route.path if route is not None else "unknown"
        known = self._of_route.get((place, method, told))
        if known is None:
            known = self._of_route[place, method, told] = (
                self._requests.labels(place, method, str(told)),
                self._seconds.labels(place),
            )
        known[0].inc()
        known[1].observe(seconds)
        if facts is not None and facts.endpoint is not None:
            self._count(facts)
        if self.log is not None and not (route is not None and route.access == "open" and told == 200):
            self._note(facts, request, method, place, address, key, told, sent_bytes, seconds, gone, error)
        if self.spans is not None and incoming is not None and facts is not None and facts.kind is not None:
            self.spans.ended(incoming, seconds=seconds, status=told, error=facts.error or error)

    def _count(self, facts: Facts) -> None:
        assert facts.endpoint is not None
        known = self._of_endpoint.get(facts.endpoint)
        if known is None:
            known = self._of_endpoint[facts.endpoint] = _OfEndpoint(
                self._tokens.labels(facts.endpoint, "input"),
                self._tokens.labels(facts.endpoint, "output"),
                self._usd.labels(facts.endpoint),
                self._first.labels(facts.endpoint),
            )
        if facts.input_tokens:
            known.input_tokens.inc(facts.input_tokens)
        if facts.output_tokens:
            known.output_tokens.inc(facts.output_tokens)
        if facts.usd:
            known.usd.inc(facts.usd)
        if facts.first_token_s is not None:
            known.first_token_s.observe(facts.first_token_s)

    def _note(
        self,
        facts: Facts | None,
        request: str,
        method: str,
        place: str,
        address: str,
        key: Key | None,
        status: int,
        sent_bytes: int,
        seconds: float,
        gone: bool,
        error: str | None,
    ) -> None:
        assert self.log is not None
        line: dict[str, object] = {
            "request": request, "method": method, "route": place, "status": status, "ms": round(seconds * 1000, 1),
            "sent_bytes": sent_bytes, "address": address, "client_gone": True if gone else None, "error": error,
        }  # fmt: skip
        if key is not None:
            line["key"], line["project"] = key.id, key.project
        if facts is not None and facts.kind is not None:
            line |= {
                "endpoint": facts.endpoint, "version": facts.version, "model": facts.model, "kind": facts.kind,
                "input_tokens": facts.input_tokens, "output_tokens": facts.output_tokens, "usd": facts.usd,
                "finish": ",".join(facts.finish) or None, "cached": facts.cached, "attempts": facts.attempts,
                "first_token_ms": None if facts.first_token_s is None else round(facts.first_token_s * 1000, 1),
                "error": facts.error or error,
            }  # fmt: skip
        self.log.note("request", line)

    def close(self) -> None:
        """Send and write what waits."""
        if self.spans is not None:
            self.spans.close()
        if self.log is not None:
            self.log.close()


def places(error: BaseException) -> list[str]:
    """Where an error arose, outermost first: file, line, function. Its text may quote a request, so it stays out."""
    frames = traceback.extract_tb(error.__traceback__)[-12:]
    return [f"{frame.filename.rsplit('touchstone/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
