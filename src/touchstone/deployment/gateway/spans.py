"""
OpenTelemetry spans of requests to models, by the semantic conventions for generative AI.

Their names are still in development (semantic conventions 1.38, `gen_ai.*`), so they stand in this file alone.
Prompts and answers are no attributes: the conventions make them opt-in, and so does the content log of an endpoint.
"""

from __future__ import annotations

import time
from typing import Any

from touchstone import __version__
from touchstone.deployment.base import Kind
from touchstone.deployment.gateway.base import Incoming
from touchstone.errors import ExtraMissing

OPERATIONS: dict[Kind, str] = {
    "chat": "chat",
    "completion": "text_completion",
    "embedding": "embeddings",
    "response": "chat",
    "image": "generate_content",
    "transcription": "transcription",
    "moderation": "moderation",
    "rerank": "rerank",
}
"""`gen_ai.operation.name`; the last three are ours, since the conventions name none for them."""


class GenAiSpans:
    """
    Sends a span for each request to a model.

    Args:
        exporter: Where spans go; None asks for OTLP over HTTP, whose address the environment names
            (`OTEL_EXPORTER_OTLP_ENDPOINT`).

    Raises:
        ExtraMissing: OpenTelemetry is not installed.
    """

    def __init__(self, exporter: Any = None) -> None:
        try:
            from opentelemetry.sdk.resources import Resource  # type: ignore[import-not-found, unused-ignore]
            from opentelemetry.sdk.trace import TracerProvider  # type: ignore[import-not-found, unused-ignore]
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # type: ignore[import-not-found, unused-ignore]
            from opentelemetry.trace import SpanKind, Status, StatusCode  # type: ignore[import-not-found, unused-ignore]
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # type: ignore[import-not-found, unused-ignore]

            if exporter is None:
                from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # type: ignore[import-not-found, unused-ignore]

                exporter = OTLPSpanExporter()
        except ImportError as error:
            raise ExtraMissing(feature="serve --spans", extra="otel") from error
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "touchstone-gateway", "service.version": __version__})
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("touchstone.gateway", __version__)
        self._kind = SpanKind.SERVER
        self._failed = Status(StatusCode.ERROR)
        self._parents = TraceContextTextMapPropagator()

    def ended(self, incoming: Incoming, *, seconds: float, status: int, error: str | None) -> None:
        """One request to a model; handlers named its kind and what came of it in `incoming.facts`."""
        facts = incoming.facts
        assert facts.kind is not None
        operation = OPERATIONS[facts.kind]
        now_ns = time.time_ns()
        parent = incoming.header("traceparent")
        span = self._tracer.start_span(
            f"{operation} {facts.endpoint or 'unknown'}",
            context=self._parents.extract({"traceparent": parent}) if parent else None,
            kind=self._kind,
            start_time=now_ns - int(seconds * 1e9),
            attributes={
                name: value
                for name, value in {
                    "gen_ai.operation.name": operation,
                    "gen_ai.provider.name": "touchstone",
                    "gen_ai.request.model": facts.endpoint,
                    "gen_ai.response.model": facts.replied_by or facts.model,
                    "gen_ai.response.id": incoming.request,
                    "gen_ai.response.finish_reasons": facts.finish or None,
                    "gen_ai.usage.input_tokens": facts.input_tokens,
                    "gen_ai.usage.output_tokens": facts.output_tokens,
                    "http.response.status_code": status,
                    "error.type": error,
                }.items()
                if value is not None
            },
        )
        if error is not None:
            span.set_status(self._failed)
        span.end(end_time=now_ns)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()
