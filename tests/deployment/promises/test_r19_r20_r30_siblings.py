"""R30: the same guard for every sibling. What is printed, written as CSV, read of others, or asked has one way each."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Run
from tests.deployment.api.house import open_house
from tests.source import Source, source_of, sources

from touchstone.cli.options import tame
from touchstone.deployment.base import Scope
from touchstone.deployment.gateway.api.screens import Screens
from touchstone.deployment.govern import batches, files

# Terminal -------------------------------------------------------------------------------------------------------------

PRINTS = {
    "cli/options.py": "the wrapper",
    "reporting/text_tables.py": "into a text, which the wrapper prints",
    "deployment/compute/manifest_compose.py": "a line of the manifest that it writes",
}
TO_A_STREAM = {
    "cli/main.py": "one line about --lang, before any command is there",
    "reporting/live.py": "the progress of a run, of which every name passes `terminal`",
    "deployment/compute/keeper.py": "a child's: its output is a log",
    "deployment/compute/serve_weights.py": "a child's",
    "deployment/compute/gguf_write.py": "a child's",
}


def prints(source: Source) -> list[str]:
    """Where a file prints or writes to the terminal by itself."""
    ends = (".console.print", "sys.stdout.write", "sys.stderr.write", "_stream.write")
    return [
        call.place
        for call in source.calls
        if call.name in ("print", "typer.echo", "click.echo", "typer.secho", "rich.print") or call.name.endswith(ends)
    ]


def test_r19_everything_that_is_printed_passes_the_wrapper() -> None:
    """Nobody else prints; what writes to a stream by itself is named here with its reason."""
    found = {source.name for source in sources("print", "echo", ".write(") if prints(source)}
    assert found <= set(PRINTS) | set(TO_A_STREAM)
    assert "cli/options.py" in found
    assert prints(source_of("print(x)"))
    assert prints(source_of("import sys\nsys.stdout.write(x)"))
    assert prints(source_of("from typer import echo\necho(x)"))


@given(st.text(alphabet=st.characters()), st.sampled_from(["\x1b[2J", "\x1b]0;x\x07", "\r", "\x9b2J", "\u202e", "\b"]))
def test_r19_no_text_moves_the_cursor(text: str, attack: str) -> None:
    """Whatever stands in it, what is left of a text is characters, line ends, tabs and styles."""
    left = tame(text + attack + text)
    assert not set(left) & set(map(chr, (*range(9), *range(11, 27), *range(28, 32), *range(127, 160), 0x202E)))
    assert "\x1b[2J" not in left
    assert "\x1b]" not in left
    left.encode("utf-8")


def test_r19_styles_and_lines_stay() -> None:
    """Ours pass; the one that hides text does not."""
    assert tame("\x1b[1mA\x1b[0m\tB\n答案 👩‍🔧") == "\x1b[1mA\x1b[0m\tB\n答案 👩‍🔧"
    assert "\x1b" not in tame("\x1b[8mhidden") + tame("\x1b[0;8mhidden")


def test_r19_what_a_process_of_a_model_printed_is_only_shown(tmp_path: Path, touchstone: Run) -> None:
    """`endpoints logs` shows lines that a model's own program wrote, and no terminal obeys them."""
    answers = tmp_path / "answers.jsonl"
    answers.write_text("")
    deployed = touchstone("deploy", "--recipe", "fake/parrot", "--name", "winner", "--workspace", tmp_path / "place")
    assert deployed.returncode == 0, deployed.stderr
    place = tmp_path / "place/processes/winner/1"
    place.mkdir(parents=True)
    (place / "replica-0.log").write_text("ready\n\x1b[2J\x1b]0;owned\x07\x1b[8mhidden\r\u202egnissap\n")
    shown = touchstone("endpoints", "logs", "winner", "--workspace", tmp_path / "place")
    assert shown.returncode == 0, shown.stderr
    assert "hidden" in shown.stdout
    assert not set(shown.stdout) & set("\x1b\x07\r\u202e")


# CSV ------------------------------------------------------------------------------------------------------------------


CASES = {"workspace/playground_save.py"}


def test_r20_every_csv_is_written_by_the_one_writer() -> None:
    """
    No other file makes one, be it by the library, by pandas or as a spreadsheet; but for a file of cases, which is data
    that is read again and must stay as it was typed.
    """
    found = {
        call.place.partition(":")[0]
        for source in sources("csv", "xlsx", "openpyxl", "xlsxwriter")
        for call in source.calls
        if call.name in ("csv.writer", "csv.DictWriter") or call.name.endswith((".to_csv", ".to_excel", "Workbook"))
    }
    assert found - CASES == {"deployment/govern/csv_text.py"}


# What is somebody's ---------------------------------------------------------------------------------------------------


OF_ALL = {
    # Of the gateway's own work; nothing of it is told to anybody who asks by an id.
    "files._reading": "whether a batch still reads a file that `remove` has found to be the asker's",
    "files.let_go": "bytes that no row names any more",
    "files.sweep": "what has had its time",
    "files.digests": "the same",
    "batches.unfinished": "what the work on batches goes on with",
    "batches.sweep": "what has had its time",
    "batches._put": "writes one that was found, or that the work goes on with",
}


def test_r30_every_read_of_stored_things_goes_through_the_owner() -> None:
    """Each function that asks the store for files or batches says whose; the others are named with their reasons."""
    unnamed, owned = set(), set()
    for room in (files, batches):
        for node in ast.walk(ast.parse(inspect.getsource(room))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.unparse(node)
                if any(word in text for word in ("sa.select(", ".delete()", ".update()")):
                    name = f"{room.__name__.rpartition('.')[2]}.{node.name}"
                    (owned if "tenant.owns(" in text or "tenant.project" in text else unnamed).add(name)
    assert unnamed == set(OF_ALL)
    assert owned >= {"files.list", "files.remove", "files._found", "batches.list", "batches._found"}


def test_r30_routes_name_the_asker_and_never_an_id_alone() -> None:
    """Whatever a route looks up by an id of the path, it looks up for the tenant that the key stands for."""
    looked = 0
    for source in sources("incoming.values"):
        if source.name.startswith("deployment/gateway/api/"):
            for node in ast.walk(source.tree):
                if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and "incoming.values[" in ast.unparse(node):
                    looked += 1
                    text = ast.unparse(node)
                    assert "Tenant.of(" in text or "self._tenant(" in text, f"{source.name}:{node.lineno}"
    assert looked >= 5


async def test_r30_every_route_has_a_scope(tmp_path: Path) -> None:
    """Of the real gateway: each lets in whom a scope names; only these are open, and they tell nothing."""
    async with open_house(tmp_path / "place") as house:
        routes = list(house.gateway.door.routes)
    known = {"open", "any", *get_args(Scope)}
    assert {route.access for route in routes} <= known
    opened = {route.path for route in routes if route.access == "open"}
    assert opened == {"/healthz", "/readyz", "/openapi.json"}
    for route in routes:
        if route.method in ("POST", "DELETE", "PUT", "PATCH"):
            assert route.access in ("infer", "files", "admin"), route.path


# Whatever is asked of a model -----------------------------------------------------------------------------------------

ASKS_UPSTREAMS = {
    "deployment/gateway/api/pipeline.py": "every request; its guard looks at request, passages and reply",
    "deployment/gateway/api/asking.py": "the second half of the same",
    "deployment/gateway/api/shadow.py": "copies; what they are asked has passed, passages and reply pass here",
    "deployment/gateway/api/screens.py": "the guard's own question to the endpoint that judges",
}


def test_r30_upstreams_are_asked_where_a_guard_stands() -> None:
    """Nobody else calls `prepare`, `answer` or `open` of an upstream in the gateway."""
    found = {
        source.name
        for source in sources("upstream")
        if source.name.startswith("deployment/gateway/")
        for call in source.calls
        if call.name in ("upstream.prepare", "upstream.answer", "upstream.open")
        or call.name.endswith(("upstream.prepare", "upstream.answer", "upstream.open"))
    }
    assert found == set(ASKS_UPSTREAMS)
    for name in ("deployment/gateway/api/pipeline.py", "deployment/gateway/api/shadow.py"):
        [source] = [one for one in sources("upstream") if one.name == name]
        assert "screen.passages(" in source.text, name
    assert "passages" not in inspect.getsource(Screens._ask), "a judge is asked as it is"
