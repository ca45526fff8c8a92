"""
Templates whose bytecode Python keeps as it keeps that of modules: compiling them takes longer than filling them.

It lies in the `__pycache__` beside them, which Python's own import machinery writes, finds stale, and does without
where it may not write. Whoever can change it can change our modules as well, and no other folder is read.
"""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any
from zlib import crc32

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from touchstone.plugins import version_of


class KeptTemplates(BytecodeCache):
    """
    Where an environment finds the code of its templates.

    Args:
        maker: The file that makes the environment, whose settings stand in the code: when it changes, so does that.
    """

    def __init__(self, maker: Path) -> None:
        self.maker = maker
        self.engine = crc32((version_of("jinja2") or "").encode())

    def get_bucket(self, environment: Environment, name: str, filename: str | None, source: str) -> Bucket:
        """The code of a template; of one that is no file, being read out of an archive, there is none yet."""
        found = Bucket(environment, name, "")
        if filename is not None and Path(filename).is_file() and self.maker.is_file():
            found.code = _Kept(environment, name, filename, self).get_code(name)
        return found

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Python has written it where it can be; an archive is compiled each time."""


class _Kept(SourceFileLoader):
    """Finds the code of a template as Python finds that of a module."""

    def __init__(self, environment: Environment, name: str, filename: str, kept: KeptTemplates) -> None:
        super().__init__(name, filename)
        self.environment = environment
        self.kept = kept

    def path_stats(self, path: str) -> dict[str, Any]:
        # Python compares the time of the source with the number that it wrote down; all that decides the code is in it.
        found = dict(super().path_stats(path))
        found["mtime"] = int(found["mtime"]) + int(self.kept.maker.stat().st_mtime) + self.kept.engine
        return found

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:  # type: ignore[override]
        return self.environment.compile(bytes(data).decode("utf-8"), self.name, str(path))
