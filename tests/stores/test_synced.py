"""Folders that another program syncs are known by the names they really have, by what lies in them, and through links.

A queue in one is refused, and so is a cache; what only sounds like one is taken.
"""

from pathlib import Path

import pytest

from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run
from qcqueue.errors import SettingInvalid
from qcqueue.stores import synced
from qcqueue.stores.registry import parse_url

NAMED = (
    ("/content/drive/MyDrive/queue", "Google Drive"),
    ("/content/drive", "Google Drive"),
    ("/content/gdrive/My Drive/queue", "Google Drive"),
    ("/home/ada/Google Drive/queue", "Google Drive"),
    ("/Volumes/GoogleDrive/My Drive/queue", "Google Drive"),
    ("/home/ada/GoogleDrive-ada@example.org/queue", "Google Drive"),
    ("/home/ada/My Drive (ada@example.org)/queue", "Google Drive"),
    ("/home/ada/OneDrive/a/b", "OneDrive"),
    ("/home/ada/OneDrive - Contoso/queue", "OneDrive"),
    ("/home/ada/onedrive/queue", "OneDrive"),
    ("/home/ada/Dropbox/queue", "Dropbox"),
    ("/home/ada/Dropbox (Personal)/queue", "Dropbox"),
    ("/home/ada/Contoso Dropbox/Ada/queue", "Dropbox"),
    ("/Users/ada/Library/Mobile Documents/com~apple~CloudDocs/queue", "iCloud"),
    ("/Users/ada/iCloud Drive (Archive)/queue", "iCloud"),
    ("/Users/ada/Library/CloudStorage/OneDrive-SharedLibraries-Contoso/queue", "macOS"),
    ("/Users/ada/Library/CloudStorage/Box-Box/queue", "macOS"),
    ("/Users/ada/Box/queue", "Box"),
    ("/home/ada/Nextcloud2/queue", "Nextcloud"),
    ("/home/ada/ownCloud/queue", "ownCloud"),
    ("/home/ada/pCloudDrive/queue", "pCloud"),
    ("/home/ada/pCloud Drive/queue", "pCloud"),
    ("/home/ada/MEGA/queue", "MEGA"),
    ("/home/ada/MEGAsync/queue", "MEGA"),
    ("/home/ada/SynologyDrive/queue", "Synology Drive"),
    ("/home/ada/Yandex.Disk/queue", "Yandex Disk"),
    ("/home/ada/Insync/ada@example.org/queue", "Insync"),
)
ONLY_SOUND_SO = (
    "/content/queue",
    "/home/ada/drive/queue",
    "/home/ada/my-dropbox/queue",
    "/mnt/mydrive/queue",
    "/data/Box/queue",
    "/data/MEGA/queue",
    "/home/ada/OneDriver/queue",
    "/home/ada/Dropbox/../queue",
    "/home/ada/Google Drives/queue",
)


@pytest.mark.parametrize("scheme", ["folder", "shared"])
@pytest.mark.parametrize(("path", "service"), NAMED)
def test_a_queue_is_refused_by_the_name_of_a_synced_folder(path: str, service: str, scheme: str) -> None:
    with pytest.raises(SettingInvalid, match=f"which is synced by {service} behind qcqueue's back") as refused:
        parse_url(f"{scheme}:{path}", source="--store")
    assert path in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize("path", ONLY_SOUND_SO)
def test_what_only_sounds_so_is_taken(path: str) -> None:
    assert parse_url(f"folder:{path}", source="--store").address == path


@pytest.mark.parametrize(
    ("marker", "service"),
    [
        (".stfolder/", "Syncthing"),
        (".dropbox.cache/", "Dropbox"),
        (".dropbox", "Dropbox"),
        (".owncloudsync.log", "ownCloud"),
        (".sync/ID", "Resilio Sync"),
        (".megaignore", "MEGA"),
        (".SynologyWorkingDirectory/", "Synology Drive"),
    ],
)
def test_a_folder_of_any_name_is_known_by_what_lies_in_it(marker: str, service: str, tmp_path: Path) -> None:
    kept = tmp_path / "work" / marker
    kept.parent.mkdir(parents=True)
    kept.mkdir() if marker.endswith("/") else kept.touch()
    for place in ("work", "work/a/b/queue"):
        with pytest.raises(SettingInvalid, match=f"{tmp_path / 'work'}, which is synced by {service}"):
            parse_url(f"folder:{tmp_path / place}", source="--store")
    parse_url(f"folder:{tmp_path / 'other'}", source="--store")


def test_the_settings_that_dropbox_keeps_in_a_home_make_it_no_synced_folder(tmp_path: Path) -> None:
    (tmp_path / ".dropbox").mkdir()
    parse_url(f"folder:{tmp_path / 'queue'}", source="--store")


@pytest.mark.parametrize("name", ["Google Drive", "Dropbox (Personal)", "OneDrive - Contoso"])
def test_a_link_hides_no_synced_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / "short").symlink_to(tmp_path / name)
    (tmp_path / "shorter").symlink_to("short")
    with pytest.raises(SettingInvalid) as refused:
        parse_url(f"folder:{tmp_path / 'shorter' / 'q'}", source="--store")
    assert f"{tmp_path / 'shorter' / 'q'}, which leads to {tmp_path / name / 'q'}, lies in {name}" in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "service"),
    [("fuse.drive", "Google Drive"), ("fuse.rclone", "rclone"), ("fuse.onedriver", "OneDrive"), ("ext4", None)],
)
def test_a_mounted_drive_is_known_whatever_its_folder_is_called(
    kind: str, service: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"/dev/sda / ext4 rw 0 0\nremote /mnt/my\\040cloud {kind} rw 0 0\n/dev/sdb /mnt/my\\040cloud/in ext4\n"
    )
    monkeypatch.setattr(synced, "MOUNTS", mounts)
    parse_url("folder:/mnt/other", source="--store")
    parse_url("folder:/mnt/my cloud/in/queue", source="--store")  # another disk again
    if service is None:
        parse_url("folder:/mnt/my cloud/queue", source="--store")
        return
    with pytest.raises(SettingInvalid, match=f"/mnt/my cloud, which is synced by {service}"):
        parse_url("folder:/mnt/my cloud/queue", source="--store")


def test_a_cache_in_a_synced_folder_is_refused_with_what_to_set(tmp_path: Path) -> None:
    for environment in ({"QCQUEUE_CACHE": "/home/ada/Dropbox/cache"}, {"XDG_CACHE_HOME": "/home/ada/OneDrive - X"}):
        with pytest.raises(SettingInvalid, match="synced by") as refused:
            load_settings(folder=tmp_path, environment=environment)
        assert refused.value.hint == "set QCQUEUE_CACHE to a folder that is only on this machine"


@pytest.mark.parametrize("name", ["OneDrive - Contoso", "Dropbox (Personal)", "Google Drive"])
def test_init_makes_nothing_in_a_synced_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / name / "work"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    assert run(["init"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), list(here.iterdir())) == ("", 2, [])
    assert f"lies in {name}, which is synced by" in err


def test_a_queue_that_lies_there_already_is_to_be_moved(tmp_path: Path) -> None:
    queue = tmp_path / "Dropbox" / "queue"
    queue.mkdir(parents=True)
    (queue / "queue.sqlite").touch()
    with pytest.raises(SettingInvalid) as refused:
        parse_url(f"folder:{queue}", source="qcqueue.toml")
    assert str(refused.value.hint).startswith(f"mv {queue} ~/qcqueue")
