"""Bytes of stored files: beneath their folder, never through a link, shared while two rows name the same ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.deployment.govern.books import a_key

from touchstone.deployment.govern.file_bytes import FileBytes, Kept
from touchstone.deployment.govern.files import Files, Tenant
from touchstone.errors import StoreDamaged, StoreError

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""SHA-256 of `abc`."""


def names(folder: Path) -> set[str]:
    """What lies in a folder."""
    return {place.name for place in folder.iterdir()}


def put(place: FileBytes, data: bytes = b"abc") -> Kept:
    """Bytes in their place."""
    draft = place.begin()
    draft.write(data)
    return draft.keep()


def test_bytes_are_named_by_their_digest(tmp_path: Path) -> None:
    """Read back as they were, by nobody else on this machine, and gone when they are removed."""
    place = FileBytes(tmp_path / "files")
    assert put(place) == Kept(ABC, 3)
    with place.read(ABC) as file:
        assert file.read() == b"abc"
    assert (tmp_path / "files" / ABC).stat().st_mode & 0o077 == 0
    assert (tmp_path / "files").stat().st_mode & 0o077 == 0
    place.remove(ABC)
    place.remove(ABC)
    with pytest.raises(StoreDamaged):
        place.read(ABC)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "", ".", "A" * 64, ABC + "\n", ABC + "/x", "work-" + ABC])
def test_no_other_name_reaches_the_file_system(tmp_path: Path, name: str) -> None:
    """R15: what is opened is a digest of ours, whoever asks."""
    place = FileBytes(tmp_path / "files")
    with pytest.raises((ValueError, StoreDamaged)):
        place.read(name)
    if name != "work-" + ABC:  # whose shape is ours: it finds nothing
        with pytest.raises(ValueError, match="names no stored bytes"):
            place.remove(name)


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    """R16: neither as a file, nor as the folder, nor where a draft or a work file would be written."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"abc")
    place = FileBytes(tmp_path / "files")
    (tmp_path / "files" / ABC).symlink_to(secret)
    with pytest.raises(StoreDamaged):
        place.read(ABC)
    (tmp_path / "files" / f"work-{ABC}").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic"):
        place.work(ABC)
    (tmp_path / "link").symlink_to(tmp_path / "files")
    with pytest.raises(StoreError, match="cannot hold stored files"):
        FileBytes(tmp_path / "link")
    assert secret.read_bytes() == b"abc"


def test_a_folder_that_is_swapped_for_a_link_changes_nothing(tmp_path: Path) -> None:
    """It is held open: whoever moves it away and puts a link there gets nothing written or read through it."""
    place = FileBytes(tmp_path / "files")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ABC).write_bytes(b"not ours")
    (tmp_path / "files").rename(tmp_path / "moved")
    (tmp_path / "files").symlink_to(tmp_path / "elsewhere")
    put(place)
    with place.read(ABC) as file:
        assert file.read() == b"abc"
    assert names(tmp_path / "elsewhere") == {ABC}


def test_what_no_row_names_is_swept(tmp_path: Path) -> None:
    """Drafts of a killed gateway, bytes and work files that nobody knows; what is none of ours stays."""
    place = FileBytes(tmp_path / "files")
    put(place)
    put(place, b"known")
    known = names(tmp_path / "files") - {ABC}
    draft = place.begin()
    place.work("1" * 64).close()
    place.work("2" * 64).close()
    (tmp_path / "files" / "README").write_text("mine")
    assert place.sweep(known, {"2" * 64}) == 3
    assert names(tmp_path / "files") == {*known, "work-" + "2" * 64, "README"}
    draft.discard()


def test_bytes_stay_while_a_row_names_them(engine: sa.Engine, tmp_path: Path) -> None:
    """Two tenants may have the same bytes; neither takes the other's away, nor learns that they are there."""
    files = Files(engine, FileBytes(tmp_path / "files"))
    ann, bob = a_key(1, project="red"), a_key(2, project="blue")
    first = files.add(ann, put(files.place), purpose="batch", filename="a")
    second = files.add(bob, put(files.place), purpose="batch", filename="b")
    files.remove(Tenant.of(ann), first.id)
    with files.place.read(second.digest) as file:
        assert file.read() == b"abc"
    files.remove(Tenant.of(bob), second.id)
    assert names(tmp_path / "files") == set()


def test_pages_of_a_list_neither_repeat_nor_leave_out(engine: sa.Engine, tmp_path: Path) -> None:
    """Also where many were made in the same second."""
    files = Files(engine, FileBytes(tmp_path / "files"), clock=lambda: 1000.0)
    key = a_key(1)
    made = {files.add(key, put(files.place), purpose="batch", filename=str(n)).id for n in range(7)}
    for newest_first in (True, False):
        seen: list[str] = []
        more = True
        while more:
            after = seen[-1] if seen else None
            rows, more = files.list(Tenant.of(key), after=after, limit=3, newest_first=newest_first)
            seen += [row.id for row in rows]
        assert len(seen) == 7
        assert set(seen) == made
