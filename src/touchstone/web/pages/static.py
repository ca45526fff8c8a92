"""Our own files. Their addresses change with what is in them, so a browser asks for each once."""

from __future__ import annotations

from touchstone.web.base import Answer, Ask, NotHere, Route, Send
from touchstone.web.render import STATIC, static_address, static_file


def one_file(ask: Ask) -> Answer:
    """A style, a script or a picture of ours."""
    name = ask.params["name"]
    body = static_file(name)
    if body is None or static_address(name) != ask.path:
        raise NotHere
    return Send(body, STATIC[name.rpartition(".")[2]], headers={"cache-control": "public, max-age=31536000, immutable"})


routes = (Route("/static/{digest}/{name}", one_file, "public"),)
