"""
What kind of file system a store lies on.

SQLite's write-ahead log lets processes talk through a file that they map into memory. Two machines do not share that
memory: on a network file system each would overwrite what the other wrote, and the locks that should keep the second
one out are often not honoured there either.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from touchstone.errors import StoreOnNetwork

MOUNTS = Path("/proc/self/mounts")
"""The kernel's table of mounts; there is none outside Linux."""

NETWORK = frozenset(
    {
        *("9p", "acfs", "afp", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "cvmfs", "davfs", "davfs2", "gfs2"),
        *("glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2"),
        *("smb", "smb2", "smb3", "smbfs", "webdav", "wekafs"),
        # Folders of another machine's or of a host's disk, as virtual machines and containers see them.
        *("drvfs", "fakeowner", "osxfs", "prl_fs", "vboxsf", "vmhgfs"),
        # What FUSE calls by its program's name.
        *("alluxio", "blobfuse", "blobfuse2", "davfs2", "gcsfuse", "goofys", "grpcfuse", "juicefs", "moosefs"),
        *("mount-s3", "mountpoint-s3", "rclone", "s3fs", "seaweedfs", "sshfs", "vmhgfs-fuse"),
    }
)
"""Names that the kernel gives to file systems that other machines write to as well; `fuse.` in front is left out."""


def filesystem_of(folder: Path, mounts: str | None = None) -> str | None:
    """
    The type of the file system that a folder lies on, such as `ext4` or `nfs4`; None when nobody says.

    Args:
        folder: May be absent: then the nearest folder above it that is there counts.
        mounts: A table as in `/proc/mounts`; the kernel's own by default.
    """
    if isinstance(folder, PurePath) and folder.drive.startswith("\\\\"):
        return "smb"
    if mounts is None:
        try:
            mounts = MOUNTS.read_bytes().decode(errors="surrogateescape")
        except OSError:
            return None
    place = folder.resolve()
    best, found = -1, None
    for line in mounts.split("\n"):  # not by other signs of a line's end, which a name may hold
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_plain(fields[1]))
        # The later of two mounts on one place hides the earlier.
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), _plain(fields[2])
    return found


def refuse_network(folder: Path, mounts: str | None = None) -> None:
    """
    Raises:
        StoreOnNetwork: the folder lies on a network file system. An unknown file system is let pass.
    """
    kind = filesystem_of(folder, mounts)
    if kind is not None and kind.removeprefix("fuse.").lower() in NETWORK:
        raise StoreOnNetwork(
            "{folder} lies on a network file system ({kind}), where two machines would spoil the store: its "
            "write-ahead log needs memory that all who use it share; name a workspace on a disk of this machine, or "
            "set TOUCHSTONE_ALLOW_NETWORK_STORE=1 when no other machine ever uses this one",
            folder=str(folder),
            kind=kind,
        )


def _plain(field: str) -> str:
    """A field of the table without its escapes: a space in a path stands there as a backslash and 040."""
    raw = re.sub(rb"\\([0-3][0-7]{2})", lambda found: bytes([int(found[1], 8)]), field.encode(errors="surrogateescape"))
    return raw.decode(errors="surrogateescape")
