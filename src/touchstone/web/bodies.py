"""From the body of a request to fields and files: three content types, everything counted (R7, A6)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import orjson
from starlette.datastructures import UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from touchstone.language import N_
from touchstone.web.base import PageError, Route

MOST_FIELDS = 2_000


class Refused(PageError):
    """Refused before a page was asked."""

    def __init__(self, template: str, /, *, status: int) -> None:
        super().__init__(template)
        self.status = status


async def read_body(request: Request, route: Route) -> tuple[list[tuple[str, str]], list[tuple[str, Any]]]:
    """
    The fields and the files of a form or of a JSON object.

    Raises:
        Refused: it is of another type, larger than the route takes, or cannot be read.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > route.body_bytes:
        raise _too_large()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    fields: list[tuple[str, str]] = []
    uploads: list[tuple[str, Any]] = []
    chunks = _counted(request, route)
    if kind == "application/json":
        fields = _of_json(b"".join([chunk async for chunk in chunks]))
    elif kind == "application/x-www-form-urlencoded":
        parsed = await FormParser(request.headers, chunks).parse()
        fields = [(key, value) for key, value in parsed.multi_items() if isinstance(value, str)]
    elif kind == "multipart/form-data":
        try:
            parsed = await MultiPartParser(
                request.headers, chunks, max_files=50, max_fields=MOST_FIELDS, max_part_size=route.body_bytes
            ).parse()
        except MultiPartException as error:
            raise Refused(N_("That form cannot be read."), status=400) from error
        for key, value in parsed.multi_items():
            if isinstance(value, UploadFile):
                uploads.append((key, value))
            else:
                fields.append((key, value))
    else:
        raise Refused(N_("Forms are sent as forms or as JSON; nothing else is read here."), status=415)
    if len(fields) > MOST_FIELDS:
        raise Refused(N_("That form cannot be read."), status=400)
    return fields, uploads


def _of_json(body: bytes) -> list[tuple[str, str]]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Refused(N_("That is no JSON object."), status=400)
    return [
        (str(key), value if isinstance(value, str) else orjson.dumps(value).decode()) for key, value in found.items()
    ]


def _too_large() -> Refused:
    return Refused(N_("That is larger than this page takes."), status=413)


async def _counted(request: Request, route: Route) -> AsyncGenerator[bytes, None]:
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > route.body_bytes:
            raise _too_large()
        yield chunk
