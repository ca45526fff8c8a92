"""What is promised about file systems: a store does not lie where two machines write, unless somebody says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone.errors import StoreOnNetwork
from touchstone.storage import filesystem
from touchstone.storage.database import open_database
from touchstone.storage.filesystem import filesystem_of, refuse_network

TABLE = """\
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
tank:/home /home nfs4 rw,vers=4.2 0 0
/dev/vdb /home/anna/local xfs rw 0 0
//tank/share /mnt/our\\040share cifs rw 0 0
anna@tank: /mnt/tank fuse.sshfs rw 0 0
systemd-1 /mnt/late autofs rw 0 0
tank:/late /mnt/late nfs rw 0 0
C:\\134 /mnt/c 9p rw 0 0
a line of nonsense
short
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/touchstone", "ext4"),
        ("/home/anna/.touchstone", "nfs4"),
        ("/home/anna/local/.touchstone", "xfs"),
        ("/home/anna/locally", "nfs4"),
        ("/homes/anna", "ext4"),
        ("/mnt/our share/x", "cifs"),
        ("/mnt/tank/x", "fuse.sshfs"),
        ("/mnt/late", "nfs"),
        ("/mnt/c/Users", "9p"),
    ],
)
def test_the_longest_mount_above_a_folder_counts(folder: str, kind: str) -> None:
    """By whole names, with the table's escapes read, and the later mount where two lie on one place."""
    assert filesystem_of(Path(folder), TABLE) == kind


@pytest.mark.parametrize(
    "kind",
    [
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "glusterfs", "ceph", "lustre"),
        *("fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.rclone", "NFS"),
    ],
)
def test_network_file_systems_are_refused(kind: str) -> None:
    """Why is said, and how to go on all the same."""
    with pytest.raises(StoreOnNetwork, match="TOUCHSTONE_ALLOW_NETWORK_STORE") as caught:
        refuse_network(Path("/data/x"), f"disk / ext4 rw 0 0\nserver /data {kind} rw 0 0\n")

    assert kind in str(caught.value)
    assert "two machines" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "f2fs", "fuseblk", "new"])
def test_local_and_unknown_file_systems_are_let_pass(kind: str) -> None:
    """A name that nobody has heard of is no reason to refuse."""
    refuse_network(Path("/data/x"), f"disk / ext4 rw 0 0\ndisk /data {kind} rw 0 0\n")


def test_no_table_means_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems have no such table; the store is opened there."""
    monkeypatch.setattr(filesystem, "MOUNTS", tmp_path / "absent")

    assert filesystem_of(tmp_path) is None
    refuse_network(tmp_path)


@pytest.mark.skipif(not filesystem.MOUNTS.exists(), reason="this system has no table of mounts")
def test_this_machine_knows_its_own(tmp_path: Path) -> None:
    """The kernel's own table is read when none is given."""
    assert filesystem_of(Path("/proc/self")) == "proc"
    assert filesystem_of(tmp_path) is not None


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_name_can_be_a_mount(name: str) -> None:
    """Spaces, tabs, line ends, backslashes and every script, as the kernel writes them down."""
    if name in (".", ".."):
        name = "dots"
    escaped = "".join(f"\\{ord(sign):03o}" if sign in " \t\n\\#" else sign for sign in name)
    assert filesystem_of(Path("/mnt") / name / "x", f"d / ext4 rw 0 0\ns /mnt/{escaped} nfs rw 0 0\n") == "nfs"


def test_a_link_into_the_network_is_seen_through(tmp_path: Path) -> None:
    """What counts is where the folder really is."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    table = f"d / ext4 rw 0 0\ns {tmp_path.resolve()}/real nfs rw 0 0\n"

    assert filesystem_of(tmp_path / "link" / "deep", table) == "nfs"
    assert filesystem_of(tmp_path / "other", table) == "ext4"


def test_a_store_on_the_network_is_refused_and_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the folder nor the file; with `allow_network` both."""
    table = tmp_path / "mounts"
    table.write_text(f"d / ext4 rw 0 0\nserver {tmp_path.resolve()}/far nfs4 rw 0 0\n")
    monkeypatch.setattr(filesystem, "MOUNTS", table)
    file = tmp_path / "far" / "touchstone.sqlite"
    for read_only in (False, True):
        with pytest.raises(StoreOnNetwork):
            open_database(file, read_only=read_only)
    assert not (tmp_path / "far").exists()

    open_database(file, allow_network=True).dispose()
    assert file.exists()
