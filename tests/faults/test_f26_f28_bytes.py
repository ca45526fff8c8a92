"""F26 to F28: replies without end, bytes that are no text, and files of cases as people have them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.faults.bill import requests, sales
from tests.faults.child import run_measured
from tests.faults.conftest import Asking, Write
from tests.faults.provider import Provider, in_thread
from tests.faults.store import Store
from tests.faults.wire import b64

from touchstone.data.base import CaseSource
from touchstone.data.cases import read_cases
from touchstone.errors import DataError
from touchstone.models.base import Completion
from touchstone.models.resolve import make_model

both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
MIB = 1 << 20
AT_ONCE, MOST_MIB = (16, 600) if "TOUCHSTONE_LOAD" in os.environ else (6, 400)


# F26


@both
@pytest.mark.parametrize("size", ["mb=100", "mb=0"], ids=["100 MB", "endless"])
async def test_f26_a_reply_without_end_is_closed_at_the_cap(stream: bool, size: str, bill: Path) -> None:
    """The connection is closed, the answer is truncated, what was received is billed, and no more is kept."""
    if size == "mb=0" and not stream:
        size = "mb=5000"  # a plain reply announces its length
    async with Provider(bill) as provider, Asking(provider, stream=stream, max_reply_bytes=MIB) as ask:
        reply = await ask.send(f"fault:huge,{size}")
        found = ask.model.read(reply)
    assert reply.capped
    assert len(reply.body) == MIB
    assert found.finish == "length"
    assert found.usage.estimated
    assert (found.usage.output_tokens or 0) == pytest.approx(MIB / 4, rel=0.05)
    assert not sales(bill)[0].whole


def test_f26_the_cap_is_eight_mebibytes_and_settable() -> None:
    """As promised, and a parameter of the task file."""
    given = {"base_url": "http://127.0.0.1:9/v1", "served_name": "m"}
    assert getattr(make_model("openai-compatible", parameters=given), "max_reply_bytes") == 8 * MIB  # noqa: B009
    own = make_model("openai-compatible", parameters={**given, "max_reply_bytes": 1000})
    assert getattr(own, "max_reply_bytes") == 1000  # noqa: B009


def test_f26_memory_does_not_grow_with_the_reply(bill: Path, write_task: Write, tmp_path: Path) -> None:
    """
    Endless replies at once, each cut at 8 MiB: `truncated`; sixteen within 600 MiB for the whole process
    (`make test-thorough`), six within 400.
    """
    with in_thread(bill) as provider:
        write_task(provider.base_url, [f"fault:huge,mb=0 {n}" for n in range(AT_ONCE)], candidate=", stream: true")
        result = run_measured(tmp_path, "compare", "task.yaml", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["candidates"][0]["outcomes"]["truncated"] == AT_ONCE
    assert result.peak_mib < MOST_MIB


@both
async def test_f26_a_packed_reply_is_bounded_after_unpacking(stream: bool, bill: Path) -> None:
    """Two megabytes that unpack to two gigabytes end at the cap as well."""
    async with Provider(bill) as provider, Asking(provider, stream=stream, max_reply_bytes=MIB) as ask:
        reply = await ask.send("fault:bomb,mb=200")
    assert reply.capped
    assert len(reply.body) == MIB


@both
async def test_f26_a_huge_error_is_bounded_too(stream: bool, bill: Path) -> None:
    """A refusal of megabytes is read up to the cap and shown in a line."""
    async with Provider(bill) as provider, Asking(provider, stream=stream, max_reply_bytes=10_000) as ask:
        with pytest.raises(Exception, match="503") as caught:
            await ask("fault:503,b64=" + b64(b"x" * 50_000))
    assert len(str(caught.value)) < 500


# F27

ODD = [
    (b"a\\u0000b", "a\x00b"),
    (b"bell\\u0007 esc\\u001b[31m", "bell\x07 esc\x1b[31m"),
    (b"\xf0\x9f\x8e\x89 \xe6\x97\xa5\xe6\x9c\xac", "🎉 日本"),
    (b"\\ud83c\\udf89", "🎉"),
    (b"half \\ud83c", "half \ufffd"),
    (b"other half \\udf89", "other half \ufffd"),
    (b"rtl \\u202e\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "rtl \u202eשלום"),
    (b"latin \xe9 here", "latin \ufffd here"),
    (b"overlong \xc0\xaf", "overlong \ufffd\ufffd"),
    (b"line\\nbreak\\r\\n\\u2028", "line\nbreak\r\n\u2028"),
]


@both
@pytest.mark.parametrize(("sent", "text"), ODD, ids=[repr(text)[:12] for _, text in ODD])
async def test_f27_any_bytes_of_an_output_are_kept_and_read(stream: bool, sent: bytes, text: str, bill: Path) -> None:
    """The raw reply holds the bytes as they came; the text is what they mean, a lost character where they mean none."""
    async with Provider(bill) as provider, Asking(provider, stream=stream) as ask:
        reply = await ask.send("fault:text,b64=" + b64(sent))
        found = ask.model.read(reply)
    assert sent in reply.body
    assert found.text == text
    assert Completion.model_validate_json(found.model_dump_json()) == found


def test_f27_odd_characters_come_through_a_whole_run_and_hurt_no_terminal(
    bill: Path, write_task: Write, touchstone: Run, tmp_path: Path
) -> None:
    """Stored with nothing lost; what is displayed has no control and no direction characters left."""
    texts = [f"fault:text,b64={b64(sent)} shalom \u202e\u0007 {at}" for at, (sent, _) in enumerate(ODD)]
    with in_thread(bill) as provider:
        write_task(provider.base_url, texts)
        result = touchstone("compare", "task.yaml", "--report", "report.html", "--markdown", "report.md")
    assert result.returncode == 0, result.stderr
    cells = Store.of(tmp_path).cells()
    assert [cell["text"] for cell in cells] == [text for _, text in ODD]
    bodies = b"".join(reply["body"] for reply in Store.of(tmp_path).replies())
    assert all(sent in bodies for sent, _ in ODD)
    for shown in (
        result.stdout,
        result.stderr,
        *((tmp_path / name).read_text() for name in ("report.html", "report.md")),
    ):
        assert not set(shown) & set("\x00\x07\x1b\u202a\u202b\u202d\u202e\u2066\u2067")


def test_f27_input_that_is_no_utf8_is_refused_with_row_and_offset(
    bill: Path, write_task: Write, touchstone: Run, tmp_path: Path
) -> None:
    """Nothing is guessed and nothing is paid; a declared encoding reads it."""
    with in_thread(bill) as provider:
        path = write_task(provider.base_url, ["say:yes", "say:yes café"])
        cases = tmp_path / "cases.csv"
        cases.write_bytes(cases.read_text().encode("latin-1"))
        refused = touchstone("compare", "task.yaml")
        assert refused.returncode == 2
        assert f"offset {cases.read_bytes().index(0xE9)}" in refused.stderr
        assert "row 2" in refused.stderr
        assert requests(bill) == 0
        path.write_text(path.read_text() + "encoding: latin-1\n")
        assert touchstone("compare", "task.yaml").returncode == 0
    assert len(Store.of(tmp_path).attempts("café")) == 1


# F28

DIALECTS = {
    "bom": b"\xef\xbb\xbfid,input,target\r\nq1,say:yes,yes\r\n",
    "crlf inside": b'id,input,target\r\nq1,"say:yes\r\nsecond line",yes\r\n',
    "semicolon": b"id;input;target\nq1;say:yes, or so;yes\n",
    "tab": b"id\tinput\ttarget\nq1\tsay:yes\tyes\n",
    "quotes": b'"id","input","target"\n"q1","say:yes ""quoted""","yes"\n',
    "cr only": b"id,input,target\rq1,say:yes,yes\r",
}
INPUTS = {
    "bom": "say:yes",
    "crlf inside": "say:yes\r\nsecond line",
    "semicolon": "say:yes, or so",
    "tab": "say:yes",
    "quotes": 'say:yes "quoted"',
    "cr only": "say:yes",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_f28_tables_are_read_as_their_writers_meant_them(dialect: str, tmp_path: Path) -> None:
    """The byte order mark goes, line breaks inside cells stay as they are, the separator is found out."""
    path = tmp_path / "cases.csv"
    path.write_bytes(DIALECTS[dialect])
    [case] = read_cases(CaseSource(files={"": path}))
    assert (case.id, case.input, case.target) == ("q1", INPUTS[dialect], "yes")


def test_f28_the_dialect_is_shown_before_anybody_is_asked(
    bill: Path, write_task: Write, touchstone: Run, tmp_path: Path
) -> None:
    """In the plan, and in the notices of a real run before its first call."""
    with in_thread(bill) as provider:
        write_task(provider.base_url, [])
        (tmp_path / "cases.csv").write_bytes("\ufeffid;input;target\nq1;say:yes, or so;yes\n".encode())
        plan = touchstone("compare", "task.yaml", "--dry-run")
        assert requests(bill) == 0
        run = touchstone("compare", "task.yaml")
    assert run.returncode == plan.returncode == 0, run.stderr
    for shown in (plan.stdout, run.stderr):
        assert "';'" in shown or "semicolon" in shown, shown


def test_f28_what_cannot_be_read_names_its_row(tmp_path: Path) -> None:
    """A row with too many cells is refused, not shifted."""
    path = tmp_path / "cases.csv"
    path.write_text("id,input,target\nq1,say:yes,yes\nq2,say:yes, and more,yes\n")
    with pytest.raises(DataError, match="row 2"):
        list(read_cases(CaseSource(files={"": path})))


def test_f28_files_of_other_machines_are_the_same_cases(tmp_path: Path) -> None:
    """The line ends between rows and the mark at the start do not make other cases."""
    digests = []
    for name, raw in (("unix", b"id,input\nq1,a\nq2,b\n"), ("windows", b"\xef\xbb\xbfid,input\r\nq1,a\r\nq2,b\r\n")):
        path = tmp_path / f"{name}.csv"
        path.write_bytes(raw)
        digests.append([case.model_dump() for case in read_cases(CaseSource(files={"": path}))])
    assert digests[0] == digests[1]
