"""A folder of files: cut as blocks are, whole or not there."""

import errno
import os

import pytest

from stream.errors import HistoryError
from stream.history import export as exporting
from stream.history.export import export, prepare

HOUR_MS = 3_600_000


def hours(series, *at):
    return [(hour * HOUR_MS, [(series(), str(hour))]) for hour in at]


def test_a_file_begins_where_a_block_of_prometheus_does(series, tmp_path):
    done = export(hours(series, 1, 2, 3, 4), tmp_path)
    assert [file.name for file in done.files] == [
        "funnel-19700101T010000Z.om",
        "funnel-19700101T020000Z.om",
        "funnel-19700101T040000Z.om",
    ]
    assert sorted(tmp_path.iterdir()) == done.files
    assert done.samples == 4
    assert done.files[1].read_text().count(" 7200\n") == done.files[1].read_text().count(" 10800\n") == 1


def test_a_file_holds_no_more_than_fits_into_memory(series, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "MAX_SAMPLES", 1)
    assert len(export(hours(series, 2, 3), tmp_path).files) == 2


@pytest.mark.parametrize("fails", [errno.ENOSPC, errno.EIO])
def test_a_file_that_was_not_written_whole_is_not_there(series, tmp_path, monkeypatch, fails):
    synced = []

    def fsync(number):
        synced.append(number)
        if len(synced) == 2:
            raise OSError(fails, os.strerror(fails))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(HistoryError, match=os.strerror(fails)):
        export(hours(series, 0, 2, 4), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["funnel-19700101T000000Z.om"]


def test_the_folder_is_made_and_must_be_empty(tmp_path):
    prepare(tmp_path / "a" / "past")
    prepare(tmp_path / "a" / "past")
    (tmp_path / "a" / "past" / "old.om").touch()
    with pytest.raises(HistoryError, match=r"not empty \(old\.om is there\)"):
        prepare(tmp_path / "a" / "past")
    (tmp_path / "file").touch()
    with pytest.raises(HistoryError, match="file: cannot be written"):
        prepare(tmp_path / "file")
