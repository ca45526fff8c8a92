"""
Every error a caller can meet.

    TouchstoneError                 it failed (exit code 1)
    ├── UserError                   the user must change something (2)
    │   ├── DataError               a row of the user's files
    │   ├── TaskError               a key of the task file
    │   ├── SettingsError           a flag or an environment variable
    │   ├── InvalidValue            a value that a validator refuses, and why
    │   ├── UnknownName             a plug-in, provider, candidate or trial nobody knows
    │   └── ExtraMissing            a feature whose libraries are not installed
    ├── StoreError                  the workspace cannot be read or written
    │   ├── StoreBusy               another engine works in it (2)
    │   ├── StoreOnNetwork          it lies on a file system that it cannot be kept on (2)
    │   ├── StoreDamaged            its file is damaged, and left as it is
    │   └── StoreFull               there is no room left for it
    ├── BudgetStop                  the money cap stopped the run (3)
    ├── TrainingFailed              a training ended without a model; its last checkpoint is kept
    │   └── TrainingStopped         somebody stopped it; the same call goes on (130)
    ├── GateNotMet                  a threshold of the task's gate was not met (100)
    ├── SafetyUnavailable           a text could not be checked, and so it was not let through
    └── ModelError                  one call of a model failed; an outcome, never a score
        ├── RequestRejected         400, 404, 413, 422: this request will not succeed
        │   └── ContentFiltered     the provider's own filter blocked it
        ├── AccessDenied            401, 403: no request to this endpoint will succeed
        ├── OutOfCredit             429 or 402 that means money
        ├── RateLimited             429: later
        ├── ProviderFailed          5xx, an error event, a reply that is no reply
        ├── Unreachable             nothing was sent: refused, unknown host, connect timeout
        ├── WrongModel              a reply by another model than was asked for; billed
        ├── NoReply                 sent, but no complete reply: reset, timeout; perhaps billed
        └── StreamCut               a stream that ended without its finish

The first argument is a literal template: it is the message id under which a translation is looked up, and
`values` fill it in either language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class TouchstoneError(Exception):
    """Something failed. `str(error)` is English; `error.text(translate)` is the reader's language."""

    exit_code = 1

    def __init__(self, template: str, /, **values: object) -> None:
        self.template = template
        self.values = values
        super().__init__(self.text())

    def text(self, translate: Callable[[str], str] = str) -> str:
        """One line that names the value, the place and the next step."""
        line = translate(self.template)
        values = {
            key: value.text(translate) if isinstance(value, TouchstoneError) else value
            for key, value in self.values.items()
        }
        return line.format(**values) if values else line


class UserError(TouchstoneError):
    """The user must change something; nothing was sent or paid."""

    exit_code = 2


class DataError(UserError):
    """A file of cases or recorded outputs cannot be used as it is."""

    def __init__(self, template: str, /, *, path: str | Path, row: int | None = None, **values: object) -> None:
        """`row` counts data rows from 1 (the header of a CSV file is row 0); None when the whole file is meant."""
        self.path = str(path)
        self.row = row
        super().__init__(template, **values)

    def text(self, translate: Callable[[str], str] = str) -> str:
        """The place, then what is wrong with it and what to do."""
        place = self.path if self.row is None else translate("{path}, row {row}").format(path=self.path, row=self.row)
        return f"{place}: {super().text(translate)}"


class TaskError(UserError):
    """A key of the task file is missing, unknown or has a value that cannot be used."""

    def __init__(
        self,
        template: str,
        /,
        *,
        path: str | Path,
        line: int | None = None,
        **values: object,
    ) -> None:
        self.path = str(path)
        self.line = line
        super().__init__(template, **values)

    @classmethod
    def of(cls, error: UserError, *, path: str | Path, line: int | None = None) -> TaskError:
        """`error` with the place in the task file that led to it; its own values may be called `path` or `line` too."""
        return cls("{reason}", path=path, line=line, reason=error)

    def text(self, translate: Callable[[str], str] = str) -> str:
        """The place, then what is wrong with it and what to do."""
        place = (
            self.path if self.line is None else translate("{path}, line {line}").format(path=self.path, line=self.line)
        )
        return f"{place}: {super().text(translate)}"


class SettingsError(UserError):
    """A flag or an environment variable has a value that cannot be used."""


class InvalidValue(UserError, ValueError):
    """Why a validator refuses a value. pydantic takes it for a ValueError of its own, and it stays translatable."""


def refusal(found: Mapping[str, Any]) -> UserError:
    """What to write instead of a value that was refused; `found` is one of pydantic's `errors()`."""
    limits = found.get("ctx") or {}
    if isinstance(limits.get("error"), UserError):
        return limits["error"]  # type: ignore[no-any-return]  # looked at one line above
    allowed = str(limits.get("expected", "")).replace(" or ", ", ")
    known = {
        "string_type": InvalidValue("write a text"),
        "bool_type": InvalidValue("write true or false"),
        "bool_parsing": InvalidValue("write true or false"),
        "int_type": InvalidValue("write a whole number"),
        "int_parsing": InvalidValue("write a whole number"),
        "int_from_float": InvalidValue("write a whole number"),
        "float_type": InvalidValue("write a number"),
        "float_parsing": InvalidValue("write a number"),
        "finite_number": InvalidValue("write a finite number"),
        "greater_than": InvalidValue("write a number above {limit}", limit=limits.get("gt")),
        "greater_than_equal": InvalidValue("write a number of at least {limit}", limit=limits.get("ge")),
        "less_than": InvalidValue("write a number below {limit}", limit=limits.get("lt")),
        "less_than_equal": InvalidValue("write a number of at most {limit}", limit=limits.get("le")),
        "literal_error": InvalidValue("use one of {allowed}", allowed=allowed),
        "string_too_short": InvalidValue("write a text that is not empty"),
        "string_too_long": InvalidValue("write at most {limit} characters", limit=limits.get("max_length")),
        "too_short": InvalidValue("give at least {limit} of them", limit=limits.get("min_length")),
        "list_type": InvalidValue("write a list"),
        "tuple_type": InvalidValue("write a list"),
        "dict_type": InvalidValue("write a mapping of keys to values"),
        "mapping_type": InvalidValue("write a mapping of keys to values"),
        "model_type": InvalidValue("write a mapping of keys to values"),
        "model_attributes_type": InvalidValue("write a mapping of keys to values"),
    }
    said = str(found["msg"]).removeprefix("Value error, ")
    return known.get(str(found["type"])) or InvalidValue("{reason}", reason=said)


class UnknownName(UserError):
    """A name nobody knows; the closest known names are named."""

    def __init__(self, *, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        self.kind = kind
        self.name = name
        close = get_close_matches(name, known, n=3, cutoff=0.5) or known[:12]
        super().__init__("no {kind} is called {name!r}; known: {close}", kind=kind, name=name, close=", ".join(close))

    def text(self, translate: Callable[[str], str] = str) -> str:
        """The kind is said in the reader's language too."""
        said = {"kind": translate(self.kind), "close": self.values["close"] or translate("none")}
        return translate(self.template).format(**{**self.values, **said})


class ExtraMissing(UserError):
    """A feature needs libraries that the light core does not install."""

    def __init__(self, *, feature: str, extra: str) -> None:
        self.extra = extra
        super().__init__(
            "{feature} needs the extra '{extra}'; install it with: pip install 'touchstone[{extra}]'",
            feature=feature,
            extra=extra,
        )


class StoreError(TouchstoneError):
    """The workspace's store cannot be opened, read or written."""


class StoreBusy(StoreError):
    """Another engine works in this store; reading it goes on meanwhile."""

    exit_code = 2


class StoreOnNetwork(StoreError):
    """The store lies on a network file system, where two machines would spoil it together."""

    exit_code = 2


class StoreDamaged(StoreError):
    """The store's file is damaged. It is left as it is: its good rows can still be read out of it."""


class StoreFull(StoreError):
    """There is no room left for the store; what was committed before can be read."""


class BudgetStop(TouchstoneError):
    """The money cap stopped the run; what was bought is kept."""

    exit_code = 3


class TrainingFailed(TouchstoneError):
    """A training ended without a model; what it had learned until its last checkpoint is kept."""


class TrainingStopped(TrainingFailed):
    """Somebody stopped it; the same call goes on from its checkpoint."""

    exit_code = 130


class GateNotMet(TouchstoneError):
    """A comparison finished and a threshold of its gate was not met."""

    exit_code = 100


class SafetyUnavailable(TouchstoneError):
    """
    Nobody could tell whether a text may pass, so it was not let through.

    Attributes:
        code: How it is told apart from a text that was blocked.
        reason: Why: `timeout`, `failed`, `no_verdict`, `contradiction`, `breaker_open`, `unreadable`, `too_long`.
        retry_after_s: When it is worth asking again, seconds; None when nobody knows.
    """

    code = "safety_unavailable"

    def __init__(self, template: str, /, *, reason: str, retry_after_s: float | None = None, **values: object) -> None:
        self.reason = reason
        self.retry_after_s = retry_after_s
        super().__init__(template, reason=reason, **values)


class ModelError(TouchstoneError):
    """
    One call of a model failed.

    Attributes:
        retryable: Whether the same request may succeed later.
        stops_lane: Whether every further request to this endpoint would fail alike.
        maybe_billed: Whether the provider may have charged for it although no reply is held.
        charged: Whether a reply came that the provider charges for although it is no answer.
        cost_usd: What that reply costs; None when nobody knows, and meaningless unless `charged`.
        retry_after_s: What the provider asked us to wait, seconds; None when it did not say.
    """

    retryable = False
    stops_lane = False
    maybe_billed = False
    charged = False
    cost_usd: float | None = None

    def __init__(self, template: str, /, *, retry_after_s: float | None = None, **values: object) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(template, **values)


class RequestRejected(ModelError):
    """This request will not succeed however often it is sent."""


class ContentFiltered(RequestRejected):
    """The provider's own filter blocked the request; of a trial it is an outcome, of a served request an error."""


class AccessDenied(ModelError):
    """The key or its rights are not accepted."""

    stops_lane = True


class OutOfCredit(ModelError):
    """The account has no money left."""

    stops_lane = True


class RateLimited(ModelError):
    """Too many requests or tokens for now."""

    retryable = True


class ProviderFailed(ModelError):
    """The provider answered with its own failure or with something that is no reply."""

    retryable = True


class WrongModel(ModelError):
    """Another model answered than was asked for: a good reply, paid for, that says nothing about the one meant."""

    charged = True


class Unreachable(ModelError):
    """Nothing was sent: connection refused, host unknown, no connection in time."""

    retryable = True


class NoReply(ModelError):
    """The request was sent and no complete reply came back; it may have been billed."""

    retryable = True
    maybe_billed = True
    received: bytes = b""
    """What had come until then, for people to look at; never parsed by repair and never scored."""


class StreamCut(NoReply):
    """A streamed reply ended without a finish reason; its text is kept for view and never scored."""
