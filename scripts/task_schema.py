"""Write the JSON Schema of the task file, for editors; a test fails when it is stale."""

from __future__ import annotations

from pathlib import Path

from touchstone.workspace.schema import schema_text

PLACE = Path(__file__).resolve().parent.parent / "src/touchstone/workspace/task.schema.json"


def main() -> None:
    """Write the schema next to the module that reads task files."""
    PLACE.write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
