"""Server-sent events are read as the specification says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from touchstone.models.event_stream import events

lines = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=20).map(str.encode)
datas = st.lists(lines, min_size=1, max_size=3).map(b"\n".join)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@settings(deadline=None)
@given(st.lists(datas, max_size=8), ends, st.booleans(), st.booleans())
def test_what_was_written_is_read(written: list[bytes], end: bytes, space: bool, comments: bool) -> None:
    """Any data, of one line or several, under each of the three line ends, with or without the space and comments."""
    body = b""
    for data in written:
        body += (b": keep-alive" + end) if comments else b""
        body += end.join(b"data:" + (b" " if space or line[:1] == b" " else b"") + line for line in data.split(b"\n"))
        body += end + end
    assert [event.data for event in events(body)] == written


@settings(deadline=None)
@given(st.lists(datas, min_size=1, max_size=8))
def test_ends_are_offsets_in_the_bytes(written: list[bytes]) -> None:
    """Cut at an event's end, the stream still holds that event and all before it."""
    body = b"".join(b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n" for data in written)
    for position, event in enumerate(events(body)):
        assert [found.data for found in events(body[: event.end])] == written[: position + 1]


def test_other_fields_are_passed_over() -> None:
    """Comments, ids, retry times and a byte order mark are no data; the event's name is kept."""
    body = b"\xef\xbb\xbf: hello\n\nid: 7\nretry: 10\nevent: error\ndata: {}\n\ndata: last"
    first, last = events(body)
    assert (first.data, first.name, first.closed) == (b"{}", b"error", True)
    assert (last.data, last.closed) == (b"last", False)


def test_an_empty_stream_has_no_events() -> None:
    """Nothing in, nothing out."""
    assert list(events(b"")) == list(events(b"\n\n: ping\n\n")) == []
