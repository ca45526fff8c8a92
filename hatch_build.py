"""
What building the package adds to it: the index of the catalog that ships, so that the first search is quick.

It needs what the catalog needs (pydantic, numpy, orjson, genai-prices). Where a build has none of them the package is
whole all the same: the index is then made when it is first asked for.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CatalogIndexHook(BuildHookInterface):
    """
    Makes `touchstone/catalog/shipped.sqlite`, for wheels and for editable installations.

    What is installed from a wheel stays as it is, so its index is sealed: no start looks at the cards again. It is made
    elsewhere, for in this folder people go on writing cards, whatever becomes of the build.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        if self.target_name != "wheel":
            return
        sys.path.insert(0, str(Path(self.root) / "src"))
        try:
            from touchstone.catalog.catalog import build_shipped
            from touchstone.workspace.shortlist_fits import usual_fits

            today = datetime.now(UTC).date()
            if version == "editable":
                build_shipped(today, derive=usual_fits)  # loads what it needs only now
            else:
                self._made = TemporaryDirectory(prefix="touchstone-index-")  # gone with this process at the latest
                place = Path(self._made.name) / "shipped.sqlite"
                build_shipped(today, place, derive=usual_fits, sealed=True)
                build_data["force_include"][str(place)] = "touchstone/catalog/shipped.sqlite"
        except ImportError as error:
            self.app.display_warning(f"The catalog is indexed at its first use: {error.name} is not here.")
        finally:
            sys.path.pop(0)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called by hatchling when the wheel is written."""
        made = getattr(self, "_made", None)
        if made is not None:
            made.cleanup()
