"""What commands import and make, for the process that `warm.py` forks from; no command: each is in one language."""

from __future__ import annotations

import gc
import pkgutil
import sys
from contextlib import suppress
from importlib import import_module

import touchstone
from touchstone.catalog import crosswalk, sellers, taxonomy
from touchstone.noun import Noun

sys.dont_write_bytecode = False  # or every child would compile the commands, which are not imported here, anew
for found in pkgutil.walk_packages(touchstone.__path__, "touchstone."):
    if not found.name.startswith(("touchstone.cli", "touchstone.__main__")):
        import_module(found.name)
for name in (
    "jinja2",
    "pytest",
    "pyarrow.parquet",
    "rich.console",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sqlalchemy.dialects.sqlite",
    "typer.main",
    "uvloop",
):
    with suppress(ImportError):
        import_module(name)

# And what a process makes of the package when it first asks, which every child would make anew.
nouns = [Noun]
for noun in nouns:
    nouns += noun.__subclasses__()
    noun.model_rebuild()
for made in (taxonomy.terms, taxonomy.licences, taxonomy.labs, sellers.sellers, crosswalk.crosswalk):
    made()
gc.freeze()
