"""The `touchstone` command: choose the language, then the verb."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script."""
    from touchstone.config import preferred_language
    from touchstone.language import set_language

    # Before the commands are imported: their help texts are looked up as they are defined.
    set_language(preferred_language(sys.argv[1:]))
    from touchstone.cli.app import build_app

    build_app()()


if __name__ == "__main__":
    main()
