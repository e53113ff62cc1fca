"""Jobs by their ids, while other callers use the same server."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from sdapi_compat.metadata import images

NUMBERS = itertools.count()
TXT2IMG = "/sdapi/v1/txt2img"
SMALL = {"prompt": "x", "steps": 2, "width": 64, "height": 64, "sampler_name": "Euler"}
ASYNC = {"Prefer": "respond-async"}
FINAL = ("finished", "failed", "cancelled")


def path(name: str, rest: str = "") -> str:
    return f"/sdapi/v1/jobs/{quote(name, safe='')}{rest}"


@pytest.fixture
def begin(server: Any) -> Callable[..., str]:
    """`begin(**fields)`: a job that nobody waits for; its id."""

    def start(**fields: Any) -> str:
        name = f"job-{next(NUMBERS)}"
        reply = server.post(TXT2IMG, SMALL | {"force_task_id": name} | fields, headers=ASYNC)
        assert reply.status_code == 202, reply.text
        return name

    return start


@pytest.fixture
def ended(server: Any, until: Any) -> Callable[[str], dict[str, Any]]:
    """`ended(id)`: the job, once it is in a final state."""

    def wait(name: str) -> dict[str, Any]:
        def look() -> Any:
            job = server.get(path(name)).json()
            return job["state"] in FINAL and job

        return dict(until(look))

    return wait


def test_an_async_request_is_answered_with_where_its_job_is(server: Any, ended: Any) -> None:
    asked = SMALL | {"force_task_id": "first (one)", "seed": 5, "unknown": 1}
    reply = server.post(TXT2IMG, asked, headers=ASYNC)
    assert reply.status_code == 202
    where = reply.headers["location"]
    assert where == path("first (one)")
    assert reply.headers["preference-applied"] == "respond-async"
    assert reply.headers["x-sdapi-task-id"] == "first (one)"
    assert reply.headers["x-sdapi-ignored-fields"] == "unknown"
    assert reply.json() == {"id": "first (one)", "state": reply.json()["state"], "location": where}
    job = ended("first (one)")
    assert (job["state"], job["kind"], job["status"], job["error"]) == ("finished", "txt2img", 200, None)
    assert (job["progress"], job["position"], job["eta_relative"]) == (1.0, None, None)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert all(
        re.fullmatch(r"2\d{3}-..-..T..:..:..\.\d{3}Z", job[f"{name}_at"]) for name in ("created", "finished")
    )
    assert server.get(where, params={"result": "false"}).json() == job | {"result": None}
    direct = server.post(TXT2IMG, asked).json()
    assert job["result"]["images"] == direct["images"]
    assert job["result"]["parameters"] == direct["parameters"]
    assert list(job["result"]) == ["images", "parameters", "info"]


def test_img2img_too(server: Any, photo: Image.Image, pictures: Any, ended: Any) -> None:
    asked = SMALL | {"init_images": [pictures.encode(photo)], "force_task_id": "painted"}
    reply = server.post("/sdapi/v1/img2img", asked, headers=ASYNC)
    assert reply.status_code == 202
    job = ended("painted")
    assert (job["state"], job["kind"]) == ("finished", "img2img")
    assert job["result"]["parameters"]["init_images"] is None
    assert len(job["images"]) == 1


def test_a_preference_to_wait_gives_the_pictures_when_they_are_there_in_time(server: Any) -> None:
    quick = server.post(TXT2IMG, SMALL | {"steps": 1}, headers={"Prefer": "respond-async, wait=100"})
    assert quick.status_code == 200
    assert len(quick.json()["images"]) == 1
    slow = server.post(TXT2IMG, SMALL | {"steps": 5000}, headers={"Prefer": "wait=1; respond-async"})
    assert slow.status_code == 202
    assert server.http.delete(slow.headers["location"]).json()["state"] == "cancelled"


def test_a_sync_call_is_a_job_too(server: Any) -> None:
    name = f"task(sync-{next(NUMBERS)})"
    reply = server.post(TXT2IMG, SMALL | {"force_task_id": name})
    job = server.get(path(name)).json()
    assert job["state"] == "finished"
    assert job["result"] == reply.json()


def test_pictures_that_were_not_sent_are_kept(server: Any, begin: Any, ended: Any) -> None:
    job = ended(begin(send_images=False, batch_size=2))
    assert job["result"]["images"] == []
    assert len(job["images"]) == 2
    assert all(server.get(where).content.startswith(b"\x89PNG") for where in job["images"])


def test_a_picture_comes_in_the_format_the_client_prefers(server: Any, begin: Any, ended: Any) -> None:
    job = ended(begin())
    (where,) = job["images"]
    own = server.get(where)
    assert own.headers["content-type"] == "image/png"
    assert "accept" in own.headers["vary"].lower()
    assert base64.b64encode(own.content).decode() == job["result"]["images"][0]
    infotext = json.loads(job["result"]["info"])["infotexts"][0]
    for accept, form in (
        ("image/webp", "WEBP"),
        ("text/html, image/jpeg;q=0.5, image/webp;q=0.4", "JPEG"),
        ("image/*", "PNG"),
        ("*/*;q=0.1, image/avif", "AVIF"),
    ):
        reply = server.get(where, headers={"Accept": accept})
        picture = Image.open(io.BytesIO(reply.content))
        assert picture.format == form
        assert reply.headers["content-type"] == f"image/{form.lower()}"
        assert images.read(picture).info == infotext
    refused = server.get(where, headers={"Accept": "text/html, image/png;q=0"})
    assert refused.status_code == 406
    for number in ("1", "99999999999999999999", "-1", "x"):
        assert server.get(f"{where[:-1]}{number}").status_code == 404


def test_a_failed_job_keeps_its_error(server: Any, begin: Any, ended: Any) -> None:
    job = ended(begin(prompt="(a:1.2.3)"))
    sync = server.post(TXT2IMG, SMALL | {"prompt": "(a:1.2.3)"})
    assert (job["state"], job["status"], job["error"]) == ("failed", sync.status_code, sync.json())
    assert (job["result"], job["images"]) == (None, [])
    assert server.get(path(job["id"], "/images/0")).status_code == 404


def test_a_request_that_is_refused_makes_no_job(server: Any) -> None:
    name = f"refused-{next(NUMBERS)}"
    assert server.post(TXT2IMG, SMALL | {"force_task_id": name, "steps": 0}, headers=ASYNC).status_code == 422
    assert server.get(path(name)).status_code == 404


@pytest.mark.parametrize(
    "name", ["a/b", "../../etc/passwd", "ä ö?#%", "x" * 2000, "1.result", "'; DROP TABLE jobs"]
)
def test_any_id_will_do(server: Any, ended: Any, name: str) -> None:
    reply = server.post(TXT2IMG, SMALL | {"force_task_id": name}, headers=ASYNC)
    assert reply.status_code == 202
    job = ended(name)
    assert (job["id"], job["state"]) == (name, "finished")
    assert server.get(reply.headers["location"]).json() == job
    assert server.get(job["images"][0]).status_code == 200
    assert not list((server.data_dir / "jobs").rglob("*passwd*"))


def test_the_list_has_everybody_and_can_be_filtered_and_paged(server: Any, begin: Any, ended: Any) -> None:
    long = begin(steps=5000)
    names = [begin(), begin()]
    for name in names:
        ended(name)
    listed = server.get("/sdapi/v1/jobs", params={"limit": 3}).json()
    assert [job["id"] for job in listed["jobs"]] == [*names[::-1], long]
    assert [job["state"] for job in listed["jobs"]] == ["finished", "finished", "running"]
    assert "result" not in listed["jobs"][0]
    running = server.get("/sdapi/v1/jobs?state=running").json()
    assert [job["id"] for job in running["jobs"]] == [long]
    first = server.get("/sdapi/v1/jobs?state=finished&limit=1").json()
    second = server.get(f"/sdapi/v1/jobs?state=finished&limit=1&before={first['next']}").json()
    assert [first["jobs"][0]["id"], second["jobs"][0]["id"]] == names[::-1]
    server.http.delete(path(long))
    for query in ("state=done", "limit=0", "limit=501", "limit=x", "before=-1"):
        assert server.get(f"/sdapi/v1/jobs?{query}").status_code == 422


def test_delete_cancels_one_running_job_within_a_step(
    server: Any, begin: Any, ended: Any, until: Any
) -> None:
    other = begin(steps=20)
    name = begin(steps=5000, save_images=True)
    until(lambda: server.get(path(name)).json()["sampling_step"] >= 1)
    job = server.http.delete(path(name)).json()
    assert (job["state"], job["status"], job["images"]) == ("cancelled", 409, [])
    assert job["error"]["detail"] == "The job was cancelled"
    assert server.get(path(name)).json()["result"] is None
    assert ended(other)["state"] == "finished"
    assert not list(server.data_dir.glob("outputs/txt2img-images/**/*.png"))


def test_delete_takes_one_waiting_job_out_of_the_queue(server: Any, begin: Any, until: Any) -> None:
    running = [begin(steps=5000, batch_size=8), begin(steps=4, seed=3), begin(steps=4)]
    until(lambda: server.get(path(running[0])).json()["state"] == "running")
    told = [server.get(path(name)).json() for name in running]
    assert [(job["state"], job["position"]) for job in told] == [
        ("running", None),
        ("queued", 1),
        ("queued", 2),
    ]
    job = server.http.delete(path(running[1])).json()
    assert (job["state"], job["started_at"]) == ("cancelled", None)
    assert server.get(path(running[2])).json()["position"] == 1
    assert server.http.delete(path(running[0])).json()["state"] == "cancelled"
    until(lambda: server.get(path(running[2])).json()["state"] == "finished")


def test_a_waiting_caller_of_a_cancelled_job_is_told(
    server: Any, pool: ThreadPoolExecutor, until: Any
) -> None:
    name = f"cancelled-{next(NUMBERS)}"
    waiting = pool.submit(server.post, TXT2IMG, SMALL | {"force_task_id": name, "steps": 5000})
    until(lambda: server.get(path(name)).json().get("state") == "running")
    server.http.delete(path(name))
    reply = waiting.result(timeout=30)
    assert reply.status_code == 409
    assert reply.json() == {
        "error": "HTTPException",
        "detail": "The job was cancelled",
        "body": "",
        "errors": "",
    }


def test_an_interrupted_job_has_what_was_made(server: Any, begin: Any, ended: Any, until: Any) -> None:
    name = begin(steps=5000)
    until(lambda: server.get(path(name)).json()["sampling_step"] >= 1)
    server.post(f"/sdapi/v1/interrupt?id_task={name}")
    job = ended(name)
    assert (job["state"], job["status"], len(job["result"]["images"])) == ("cancelled", 200, 1)


def test_delete_of_a_finished_job_forgets_it(server: Any, begin: Any, ended: Any) -> None:
    name = begin()
    ended(name)
    count = len(list((server.data_dir / "jobs/results").rglob("*.result")))
    assert server.http.delete(path(name)).json()["state"] == "finished"
    assert server.get(path(name)).status_code == 404
    assert server.http.delete(path(name)).status_code == 404
    assert len(list((server.data_dir / "jobs/results").rglob("*.result"))) == count - 1


def test_the_same_key_is_the_same_job(server: Any, pool: ThreadPoolExecutor) -> None:
    key = {"Idempotency-Key": f"key-{next(NUMBERS)}"}
    before = len(server.get("/sdapi/v1/jobs?limit=500").json()["jobs"])
    asked = SMALL | {"steps": 6, "seed": -1}
    together = [pool.submit(server.post, TXT2IMG, asked, headers=key) for _ in range(4)]
    replies = [one.result(timeout=60) for one in together] + [server.post(TXT2IMG, asked, headers=key)]
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.text for reply in replies}) == 1
    assert len({reply.headers["x-sdapi-task-id"] for reply in replies}) == 1
    assert len(server.get("/sdapi/v1/jobs?limit=500").json()["jobs"]) == before + 1
    other = server.post(TXT2IMG, asked | {"steps": 7}, headers=key)
    assert other.status_code == 422
    assert other.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]
    assert server.post(TXT2IMG, asked).text != replies[0].text


def test_a_failure_is_the_same_again_too(server: Any) -> None:
    key = {"Idempotency-Key": f"key-{next(NUMBERS)}"}
    replies = [server.post(TXT2IMG, SMALL | {"prompt": "(a:1.2.3)"}, headers=key) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [500, 500]
    assert replies[0].json() == replies[1].json()


@pytest.mark.parametrize(
    "headers", [{"Idempotency-Key": ""}, {"Idempotency-Key": "k" * 256}, {"X-On-Disconnect": "explode"}]
)
def test_headers_that_say_nothing_are_refused(server: Any, headers: dict[str, str]) -> None:
    reply = server.post(TXT2IMG, SMALL, headers=headers)
    assert reply.status_code == 422
    assert reply.json()["detail"][0]["loc"] == ["header", next(iter(headers))]


def events(lines: Any) -> Any:
    """(event, data, id) of a stream, as the standard reads it."""
    name, data, mark = "", "", None
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = value
        elif field == "id":
            mark = value
        elif not line and data:
            yield name, json.loads(data), mark
            name, data, mark = "", "", None


def test_events_tell_a_job_to_its_end(server: Any, begin: Any) -> None:
    name = begin(steps=20, override_settings={"show_progress_every_n_steps": 5})
    with server.http.stream("GET", path(name, "/events")) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.headers["cache-control"] == "no-cache"
        told = list(events(reply.iter_lines()))
    assert told[0][0] == "state"
    steps = [data["sampling_step"] for name, data, _ in told if name == "progress"]
    assert steps == sorted(steps)
    assert len(steps) >= 3
    previews = [data for name, data, _ in told if name == "preview"]
    assert previews
    assert all(one["image"].startswith("data:image/png;base64,iVBOR") for one in previews)
    kind, last, mark = told[-1]
    assert (kind, last["state"], mark) == ("state", "finished", "end")
    assert all(one is None for _, _, one in told[:-1])
    assert server.get(last["images"][0]).status_code == 200


def test_events_of_a_job_that_has_ended(server: Any, begin: Any, ended: Any) -> None:
    name = begin()
    ended(name)
    reply = server.get(path(name, "/events"))
    ((kind, data, mark),) = events(reply.text.split("\n"))
    assert (kind, data["state"], mark) == ("state", "finished", "end")
    assert server.get(path(name, "/events"), headers={"Last-Event-ID": "end"}).status_code == 204
    assert server.http.head(path(name, "/events")).status_code == 200
    assert server.get(path("nobody", "/events")).status_code == 404


def test_many_followers_hold_nobody_up(server: Any, begin: Any, pool: ThreadPoolExecutor) -> None:
    name = begin(steps=5000)

    def follow() -> str:
        with server.http.stream("GET", path(name, "/events?previews=false")) as reply:
            return str(list(events(reply.iter_lines()))[-1][1]["state"])

    followers = [pool.submit(follow) for _ in range(30)]
    time.sleep(1)
    server.http.delete(path(name))
    assert {follower.result(timeout=30) for follower in followers} == {"cancelled"}
