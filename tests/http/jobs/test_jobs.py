"""Jobs by their ids, while other callers use the same server."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
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


def path(name: str, rest: str = "") -> str:
    return f"/sdapi/v1/jobs/{quote(name, safe='')}{rest}"


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
    before = set(server.data_dir.glob("outputs/**/*.png"))
    other = begin(steps=20)
    name = begin(steps=5000, save_images=True)
    until(lambda: server.get(path(name)).json()["sampling_step"] >= 1)
    job = server.http.delete(path(name)).json()
    assert (job["state"], job["status"], job["images"]) == ("cancelled", 409, [])
    assert job["error"]["detail"] == "The job was cancelled"
    assert server.get(path(name)).json()["result"] is None
    assert ended(other)["state"] == "finished"
    assert set(server.data_dir.glob("outputs/**/*.png")) == before


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
