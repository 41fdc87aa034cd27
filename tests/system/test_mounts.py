"""Which file system holds a path, from Linux's table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from framework.system.mounts import LOCAL, kind_of

TABLE = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 22 0:28 / /home rw master:2 - nfs4 server:/home rw,vers=4.2
32 31 0:29 / /home/ann/my\040disk rw - xfs /dev/vdb rw
33 22 0:30 / /home2 rw - fuse.sshfs host:/ rw
34 22 0:31 / /over rw - ext4 /dev/vdc rw
35 34 0:32 / /over rw - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/tmp/x", "ext4", id="root"),  # noqa: S108 - not used
        pytest.param("/home/ann/runs", "nfs4", id="network"),
        pytest.param("/home/ann/my disk/runs", "xfs", id="space"),
        pytest.param("/home22/x", "ext4", id="prefix"),
        pytest.param("/home2", "fuse.sshfs", id="place"),
        pytest.param("/over/x", "cifs", id="covered"),
    ],
)
def test_the_innermost_mount_counts(path: str, kind: str) -> None:
    assert kind_of(Path(path), TABLE) == kind
    assert (kind in LOCAL) == (kind in ("ext4", "xfs"))


def test_a_path_outside_of_the_table_has_no_kind() -> None:
    assert kind_of(Path("/data"), TABLE.splitlines()[1]) == ""
