from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdapi_compat.errors import ApiError, Fault
from sdapi_compat.jobs.record import Encoded, Result, StoredError
from sdapi_compat.jobs.retention import Retention
from sdapi_compat.jobs.store import JobStore

Open = Callable[..., JobStore]
Make = Callable[..., Any]


def test_a_job_is_there_from_its_admission_to_its_result(
    open_store: Open, new_job: Make, result: Any
) -> None:
    store = open_store()
    row = store.add(new_job(id="one"))
    assert row is not None
    found = store.find("one", None)
    assert found is not None
    assert (found.state, found.open, found.attempts, found.started) == ("queued", True, 0, None)
    assert store.document(row) == b"how to do it"
    store.begin(row)
    found = store.find("one", None)
    assert found is not None
    assert (found.state, found.open, found.attempts) == ("running", True, 1)
    assert store.result(row) is None
    store.finish(row, "finished", result)
    found = store.find("one", None)
    assert found is not None
    assert (found.state, found.open, found.pictures) == ("finished", False, 1)
    assert store.result(row) == result
    assert store.document(row) is None


def test_all_is_there_after_the_process_has_died(open_store: Open, new_job: Make, result: Any) -> None:
    store = open_store()
    rows = [store.add(new_job(id=name)) for name in ("done", "running", "waiting", "failed")]
    done, running, _, failed = (row or 0 for row in rows)
    store.finish(done, "finished", result)
    store.begin(running)
    store.fail(failed, "failed", Fault("KeyError", "'x'"))
    store = open_store()
    assert [(record.id, record.state) for record in store.unfinished()] == [
        ("running", "running"),
        ("waiting", "queued"),
    ]
    assert store.result(done) == result
    found = store.find("failed", None)
    assert found is not None
    assert found.error is not None
    error = StoredError.unpack(found.error)
    assert (error.status, error.body()) == (500, Fault("KeyError", "'x'").body())


def test_a_job_has_one_end(open_store: Open, new_job: Make, result: Any) -> None:
    store = open_store()
    row = store.add(new_job(id="one")) or 0
    store.fail(row, "cancelled", ApiError(409, "cancelled"))
    store.finish(row, "finished", result)
    store.begin(row)
    store.put_back(row)
    found = store.find("one", None)
    assert found is not None
    assert (found.state, found.attempts, found.pictures) == ("cancelled", 0, 0)
    assert store.result(row) is None


def test_a_job_put_back_counts_as_not_begun(open_store: Open, new_job: Make) -> None:
    store = open_store()
    row = store.add(new_job()) or 0
    store.begin(row)
    store.put_back(row)
    (found,) = store.unfinished()
    assert (found.state, found.attempts, found.started) == ("queued", 0, None)


def test_of_several_jobs_with_one_id_the_newest_is_found(open_store: Open, new_job: Make) -> None:
    store = open_store()
    rows = [store.add(new_job(id="same", owner=owner)) for owner in ("ann", "ann", "bob")]
    assert [getattr(store.find("same", owner), "row", None) for owner in ("ann", "bob", None, "eve")] == [
        rows[1],
        rows[2],
        rows[2],
        None,
    ]


def test_a_key_belongs_to_one_job_of_its_owner(open_store: Open, new_job: Make) -> None:
    store = open_store()
    row = store.add(new_job(owner="ann", key="k", fingerprint="f"))
    assert store.add(new_job(owner="bob", key="k", fingerprint="f")) != row
    assert store.add(new_job(owner="ann", key="k", fingerprint="f")) is None
    found = store.find_key("ann", "k")
    assert found is not None
    assert (found.row, found.fingerprint) == (row, "f")
    store.delete(found.row)
    assert store.find_key("ann", "k") is None
    assert store.add(new_job(owner="ann", key="k")) is not None


def test_pages_go_from_the_newest_to_the_oldest(open_store: Open, new_job: Make, result: Any) -> None:
    store = open_store()
    rows = [store.add(new_job(owner="ann" if number % 2 else "bob")) or 0 for number in range(6)]
    store.finish(rows[1], "finished", result)
    assert [one.row for one in store.page(None, None, None, 4)] == rows[:1:-1]
    assert [one.row for one in store.page(None, None, rows[2], 4)] == [rows[1], rows[0]]
    assert [one.row for one in store.page("ann", None, None, 9)] == [rows[5], rows[3], rows[1]]
    assert [one.row for one in store.page("ann", "finished", None, 9)] == [rows[1]]


def test_rows_are_never_given_again(open_store: Open, new_job: Make) -> None:
    store = open_store()
    row = store.add(new_job()) or 0
    store.delete(row)
    assert (open_store().add(new_job()) or 0) > row


def test_the_oldest_results_make_room(open_store: Open, new_job: Make, tmp_path: Path) -> None:
    store = open_store(max_bytes=200_000)
    rows = []
    for _ in range(10):
        rows.append(store.add(new_job()) or 0)
        store.finish(rows[-1], "finished", Result([Encoded("PNG", bytes(40_000))], b"{}", "{}"))
    kept = [row for row in rows if store.result(row) is not None]
    assert kept == rows[-len(kept) :]
    assert 2 <= len(kept) <= 4
    files = list((tmp_path / "jobs/results").rglob("*.result"))
    assert len(files) == len(kept)
    assert [one.row for one in store.page(None, None, None, 99)] == kept[::-1]


def test_old_jobs_go_and_open_ones_stay(open_store: Open, new_job: Make, result: Any) -> None:
    store = open_store(max_age=0.05)
    old, waiting = store.add(new_job()) or 0, store.add(new_job()) or 0
    store.finish(old, "finished", result)
    time.sleep(0.1)
    store.prune()
    assert [one.row for one in store.page(None, None, None, 9)] == [waiting]
    assert store.result(old) is None


def test_remains_of_a_killed_process_are_swept(
    open_store: Open, new_job: Make, result: Any, tmp_path: Path
) -> None:
    store = open_store()
    row, cut = store.add(new_job()) or 0, store.add(new_job()) or 0
    store.finish(row, "finished", result)
    folder = tmp_path / "jobs/results/000000"
    (folder / f"{cut}.result").write_bytes(b"written, but its job was never said to be finished")
    (folder / f"{cut}.tmp").write_bytes(b"half")
    store.sweep()
    assert [path.name for path in folder.iterdir()] == [f"{row}.result"]
    assert store.result(row) == result


def test_a_result_that_was_damaged_is_no_result(
    open_store: Open, new_job: Make, result: Any, tmp_path: Path
) -> None:
    store = open_store()
    row = store.add(new_job()) or 0
    store.finish(row, "finished", result)
    (path,) = (tmp_path / "jobs/results").rglob("*.result")
    path.write_bytes(path.read_bytes()[:-5])
    assert store.result(row) is None


def test_a_result_that_cannot_be_written_fails_the_stored_job_only(
    open_store: Open, new_job: Make, result: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store()
    row = store.add(new_job(id="one")) or 0
    (tmp_path / "jobs/results").write_text("a file where the folder should be")
    store.finish(row, "finished", result)
    found = store.find("one", None)
    assert found is not None
    assert (found.state, found.error is None) == ("failed", False)
    assert "a result is not kept" in caplog.text


def test_after_the_disk_is_gone_jobs_are_not_kept_and_nothing_is_raised(
    new_job: Make, result: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = JobStore(tmp_path / "jobs", Retention(10, 2**30))
    row = store.add(new_job()) or 0
    store.close()
    assert store.add(new_job()) is None
    store.begin(row)
    store.finish(row, "finished", result)
    store.fail(row, "failed", ApiError(500, "x"))
    store.delete(row)
    store.prune()
    assert (store.find("x", None), store.page(None, None, None, 9), store.unfinished()) == (None, [], [])
    assert len([one for one in caplog.records if one.levelname == "WARNING"]) == 1


def test_a_second_server_on_the_same_folder_is_told_at_its_start(open_store: Open, tmp_path: Path) -> None:
    open_store()
    with pytest.raises(sqlite3.OperationalError):
        JobStore(tmp_path / "jobs", Retention(10, 2**30))


def test_a_file_that_is_no_database_is_moved_aside(
    open_store: Open, new_job: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "jobs").mkdir()
    for name in ("jobs.sqlite.corrupt", "jobs.sqlite.corrupt-2"):
        (tmp_path / "jobs/jobs.sqlite").write_bytes(b"these are no jobs" * 1000)
        assert open_store().add(new_job()) is not None
        assert (tmp_path / "jobs" / name).read_bytes().startswith(b"these are no jobs")
        open_store().close()
        (tmp_path / "jobs/jobs.sqlite").unlink()
    assert "is no table of jobs" in caplog.text
