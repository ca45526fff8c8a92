"""
The process that renders Jinja templates, and does nothing else (promises.md, R17).

It is started by `jinja_text.py` with an empty environment, reads one JSON object a line and answers each with one. It
limits its own memory and open files, and the CPU time of each request; how long an answer may take is the parent's
word.
"""

from __future__ import annotations

import json
import sys
from typing import Any

MOST_BYTES = 384 << 20
"""Address space: an interpreter with Jinja takes a quarter of it."""

MOST_CHARACTERS = 1 << 20
"""Of one rendered text: longer than any context window is wide."""

_CPU_S = 10
"""Of one request: the parent has given up long before, and a child whose parent died ends all the same."""


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, cache_size=0
    )
    # The same template and the same case give the same text, whenever they are asked for.
    environment.filters.pop("random")
    for name in ("lipsum", "cycler", "joiner"):
        environment.globals.pop(name)
    known = frozenset(environment.globals)
    limit = _limited()
    template: Any = None
    for line in sys.stdin.buffer:
        limit()
        asked = json.loads(line)
        answer: dict[str, Any]
        try:
            if "template" in asked:
                tree = environment.parse(asked["template"])
                template = environment.from_string(asked["template"])
                answer = {"names": sorted(meta.find_undeclared_variables(tree) - known)}
            else:
                answer = {"text": _rendered(template, asked["values"])}
        except TemplateError as error:
            place = f"line {error.lineno}: " if isinstance(error, TemplateSyntaxError) else ""
            answer = {"error": place + str(error.message or error)}
        except MemoryError:
            answer = {"error": "it takes too much memory"}
        except Exception as error:  # noqa: BLE001 - whatever a template does wrong is its author's to know
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _rendered(template: Any, values: dict[str, str]) -> str:
    pieces: list[str] = []
    left = MOST_CHARACTERS
    for piece in template.generate(values):
        left -= len(piece)
        if left < 0:
            raise ValueError(f"the text is longer than {MOST_CHARACTERS} characters")
        pieces.append(piece)
    return "".join(pieces)


def _limited() -> Any:
    """Set what this process may use; returns what sets the CPU time of the next request."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def next_request() -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + _CPU_S, hard))

    return next_request


if __name__ == "__main__":
    main()
