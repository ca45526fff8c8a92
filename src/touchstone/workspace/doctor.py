"""
What works on this machine and what does not: extras, fonts, room, the clock, and what every Python process runs first.

Nothing is asked of anybody else, and no other program is started: the page that shows this must not do either.
"""

from __future__ import annotations

import os
import re
import shutil
import site
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from touchstone.config import Settings
from touchstone.errors import TouchstoneError
from touchstone.language import N_
from touchstone.storage.integrity import inspect

State = Literal["works", "absent", "look", "problem"]
"""`absent`: not there, and not needed by everybody; `look`: somebody should look at it; `problem`: mend it."""

EXTRAS: Mapping[str, str] = {
    "classical": N_("classical baselines (logistic regression and its like)"),
    "metrics": N_("BLEU, chrF and JSON Schema as scorers"),
    "parquet": N_("Parquet files of cases and outputs"),
    "rag": N_("PDF and Word files as passages"),
    "pdf": N_("memos as PDF"),
    "static": N_("static embeddings for retrieval"),
    "gguf": N_("weights in GGUF, in this process"),
    "train": N_("training and fine-tuning, weights in this process"),
    "lancedb": N_("LanceDB as vector store"),
    "qdrant": N_("Qdrant as vector store"),
    "postgres": N_("PostgreSQL as store"),
    "otel": N_("traces by OpenTelemetry"),
    "pii": N_("personal data found by Presidio"),
    "oidc": N_("single sign-on"),
}
"""What each extra is for."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FONT_FOLDERS = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts", "/System/Library/Fonts",
    "/Library/Fonts", "C:/Windows/Fonts",
)  # fmt: skip
_CHINESE = re.compile(
    r"cjk|sourcehan|source-han|wqy|pingfang|msyh|simsun|simhei|fallback|uming|ukai|heiti|songti|fandol", re.IGNORECASE
)
_MOST_FILES = 20_000
_LITTLE_BYTES = 1 << 30
_SKEW_S = 120.0
_REQUIRED = re.compile(r"([A-Za-z0-9._-]+).*;.*extra == ['\"]([a-z0-9_-]+)['\"]")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    area: Literal["extras", "machine", "store", "python"]
    name: str
    state: State
    template: str
    """What was found, for people; a message that can be translated."""
    values: Mapping[str, Any] = field(default_factory=dict)

    def title(self, translate: Callable[[str], str] = str) -> str:
        """What was looked at; names of extras and files are the same in every language."""
        return translate(self.name) if self.area in ("machine", "store") else self.name

    def text(self, translate: Callable[[str], str] = str) -> str:
        """What was found, in the reader's language."""
        said = dict(self.values)
        if isinstance(said.get("reason"), TouchstoneError):
            said["reason"] = said["reason"].text(translate)
        if "words" in said:
            said["words"] = translate(str(said["words"]))
        return translate(self.template).format(**said)


def examine(
    settings: Settings, *, whole_store: bool = False, now: Callable[[], float] = time.time
) -> Sequence[Finding]:
    """
    Everything that can be looked at within a moment.

    Args:
        whole_store: Also read every page of the store, which takes seconds for each GB.
        now: The wall clock, seconds.
    """
    return [
        *_store(settings, whole_store),
        *_machine(settings, now()),
        *_extras(),
        *_python(),
    ]


def _store(settings: Settings, whole: bool) -> Iterator[Finding]:
    if settings.store_url is not None:
        yield Finding("store", N_("store"), "works", N_("a server, which is looked after elsewhere"))
        return
    file = settings.workspace / "touchstone.sqlite"
    if not file.exists():
        yield Finding("store", N_("store"), "absent", N_("nothing was measured here yet"))
        return
    try:
        inspect(file, "full" if whole else "none")
    except TouchstoneError as error:
        yield Finding("store", N_("store"), "problem", N_("{reason}"), {"reason": error})
        return
    if whole:
        yield Finding("store", N_("store"), "works", N_("every page of it was read and is sound"))
    else:
        yield Finding("store", N_("store"), "works", N_("it opens; `touchstone doctor --check-store` reads all of it"))


def _machine(settings: Settings, now: float) -> Iterator[Finding]:
    place = settings.workspace
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    says = N_("{free:.1f} GB are free where the workspace lies")
    yield Finding("machine", N_("disk"), "works" if free >= _LITTLE_BYTES else "problem", says, {"free": free / 1e9})
    newest = max((path.stat().st_mtime for path in _dated(settings.workspace)), default=0.0)
    if now + _SKEW_S < newest:
        says = N_("the clock stands {hours:.1f} hours before files that were written already; set it right")
        yield Finding("machine", N_("clock"), "problem", says, {"hours": (newest - now) / 3600})
    else:
        yield Finding("machine", N_("clock"), "works", N_("it stands after everything that was written here"))
    if any(_CHINESE.search(name) for name in _fonts()):
        yield Finding("machine", N_("fonts"), "works", N_("there is one with Chinese characters"))
    else:
        says = N_("none with Chinese characters was found: a PDF shows boxes; install one such as fonts-noto-cjk")
        yield Finding("machine", N_("fonts"), "look", says)
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if browser:
        yield Finding("machine", N_("browser"), "works", N_("{path}, for the tests of the pages"), {"path": browser})
    else:
        yield Finding("machine", N_("browser"), "absent", N_("no Chromium; only the tests of the pages need one"))
    yield Finding("machine", N_("processors"), "works", "{count}", {"count": os.cpu_count() or 1})


def _dated(workspace: Path) -> Iterator[Path]:
    yield Path(__file__)
    for name in ("touchstone.sqlite", "people.sqlite", "jobs"):
        if (workspace / name).exists():
            yield workspace / name


def _fonts() -> Iterator[str]:
    for folder in _FONT_FOLDERS:
        place = Path(folder).expanduser()
        yield from (name for _path, _folders, files in islice(os.walk(place), _MOST_FILES) for name in files)


def _extras() -> Iterator[Finding]:
    needed: dict[str, list[str]] = {}
    for line in metadata.requires("touchstone") or ():
        found = _REQUIRED.fullmatch(line)
        if found:
            needed.setdefault(found[2], []).append(found[1])
    for extra, words in EXTRAS.items():
        if extra not in needed:
            continue
        missing = [name for name in needed[extra] if not _is_installed(name)]
        if missing:
            says = N_("{words}: install with pip install 'touchstone[{extra}]'")
            yield Finding("extras", extra, "absent", says, {"words": words, "extra": extra})
        else:
            yield Finding("extras", extra, "works", "{words}", {"words": words})


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "python", "works", "{version}", {"version": version})
    yield from start_files([*site.getsitepackages(), *_user_site()])


def _user_site() -> list[str]:
    return [site.getusersitepackages()] if site.ENABLE_USER_SITE else []


def start_files(folders: Sequence[str]) -> Iterator[Finding]:
    """
    Files that every start of Python reads and whose lines it runs (`.pth` with `import`, R27).

    An installer of editable packages writes such files, and so does whoever wants to run unseen.
    """
    count = 0
    for folder in dict.fromkeys(folders):
        for file in sorted(Path(folder).glob("*.pth")):
            lines = _run_lines(file)
            count += len(lines)
            if lines:
                says = N_("runs at every start of Python: {line}")
                yield Finding("python", file.name, "look", says, {"line": lines[0][:160]})
    if not count:
        yield Finding("python", ".pth", "works", N_("no file among the packages runs anything at the start of Python"))


def _run_lines(file: Path) -> list[str]:
    try:
        text = file.read_text("utf-8-sig", errors="replace")[: 1 << 20]
    except OSError:
        return []
    # As Python's own `site` decides it.
    return [line.strip() for line in text.splitlines() if line.startswith(("import ", "import\t"))]
