"""
What building the package adds to it: the index of the catalog that ships, so that the first search is quick.

It needs what the catalog needs (pydantic, numpy, orjson, genai-prices). Where a build has none of them the package is
whole all the same: the index is then made when it is first asked for.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CatalogIndexHook(BuildHookInterface):
    """Writes `src/touchstone/catalog/shipped.sqlite` for wheels and editable installations."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        if self.target_name != "wheel":
            return
        sys.path.insert(0, str(Path(self.root) / "src"))
        try:
            from touchstone.catalog.catalog import build_shipped
            from touchstone.workspace.shortlist_fits import usual_fits

            # Loads what it needs only now. What is installed from a wheel stays as it is; a folder is worked in.
            build_shipped(datetime.now(UTC).date(), derive=usual_fits, sealed=version == "standard")
        except ImportError as error:
            self.app.display_warning(f"The catalog is indexed at its first use: {error.name} is not here.")
        finally:
            sys.path.pop(0)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called by hatchling when the wheel is written."""
        if self.target_name != "wheel" or version != "standard":
            return
        sys.path.insert(0, str(Path(self.root) / "src"))
        try:
            from touchstone.catalog.catalog import unseal_shipped

            unseal_shipped()
        except ImportError:
            return  # then there is no index
        finally:
            sys.path.pop(0)
