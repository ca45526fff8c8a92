"""`touchstone settings`: each setting with where it came from."""

from __future__ import annotations

from touchstone.cli.options import Json, Language, WorkspaceFolder, answer, answer_json, errors_end_the_command
from touchstone.language import _


@errors_end_the_command
def settings(
    json: Json = False,
    workspace: WorkspaceFolder = None,
    lang: Language = None,  # noqa: ARG001 - read before the help texts are made
) -> None:
    """Show every setting and where it came from; of secrets only that they are set."""
    import orjson

    from touchstone.config import load_settings
    from touchstone.reporting.text_tables import plain_table
    from touchstone.workspace.told_settings import told_settings

    found = told_settings(load_settings(workspace))
    if json:
        answer_json(
            orjson.dumps(
                [
                    {"name": one.name, "value": one.value, "source": one.source, "is_secret": one.is_secret}
                    for one in found
                ]
            )
        )
        return
    answer(
        plain_table(
            (_("Setting"), _("Value"), _("Comes from")),
            [(_(one.name), "–" if one.value is None else _(one.value), _(one.source)) for one in found],
        )
    )
