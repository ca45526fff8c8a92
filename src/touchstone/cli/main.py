"""The `touchstone` command: choose the language, then the verb."""

from __future__ import annotations

import gc
import sys
from typing import Any


def main() -> None:
    """Entry point of the console script."""
    # What is made at the start lives to the end; looking through it for garbage took a tenth of a short run.
    gc.set_threshold(200_000, 20, 50)

    from touchstone.config import load_no_pydantic_plugins, preferred_language
    from touchstone.errors import SettingsError
    from touchstone.language import _, set_language

    load_no_pydantic_plugins()
    # Before the commands are imported: their help texts are looked up as they are defined.
    try:
        set_language(preferred_language(sys.argv[1:]))
    except SettingsError as error:
        sys.stderr.write(error.text(_) + "\n")
        sys.exit(error.exit_code)
    code = _run()
    # All that is left dies with the process; Python would look through it for garbage first, a quarter of a short run.
    gc.freeze()
    sys.exit(code)


def _run() -> int:
    """Run the verb; a mistake in the flags is one line, as every other mistake is."""
    import typer
    from typer.main import get_command

    from touchstone.cli.app import build_app
    from touchstone.cli.help_page import mistake_in_our_words
    from touchstone.cli.options import one_line, say
    from touchstone.language import _

    # The library keeps the class of all mistakes to itself and gives its children away.
    usage_error: Any = typer.BadParameter.__mro__[1]
    try:
        arguments = sys.argv[1:] or ["--help"]
        code = get_command(build_app(*arguments[:2]))(arguments, standalone_mode=False)
    except usage_error as error:
        command = error.ctx.command_path if error.ctx else "touchstone"
        say(
            one_line(
                _("{reason}; see {command} --help").format(
                    reason=mistake_in_our_words(error.format_message()), command=command
                )
            )
        )
        return 2
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
