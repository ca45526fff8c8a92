"""The `touchstone` command: choose the language, then the verb."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script."""
    from touchstone.config import preferred_language
    from touchstone.errors import SettingsError
    from touchstone.language import _, set_language

    # Before the commands are imported: their help texts are looked up as they are defined.
    try:
        set_language(preferred_language(sys.argv[1:]))
    except SettingsError as error:
        sys.stderr.write(error.text(_) + "\n")
        sys.exit(error.exit_code)
    from touchstone.cli.app import build_app

    build_app()()


if __name__ == "__main__":
    main()
