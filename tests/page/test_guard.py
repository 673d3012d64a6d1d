"""What stands before the page: hosts, routes, sizes and headers, over HTTP against the page as it is served.

python -m pytest tests/page/test_guard.py
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from medreasoner.page.guard import MAX_BODY, MAX_FIELD, is_served
from medreasoner.page.uploads import sweep


@pytest.fixture
def web(address) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=600) as client:
        yield client


def uploads() -> list[Path]:
    return [path for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*") if path.is_file()]


@pytest.mark.parametrize("path", ["", "config", "gradio_api/info", "gradio_api/file=/etc/passwd"])
def test_every_answer_tells_browsers_what_the_page_may_do(web, path):
    headers = web.get(path).headers
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'self'" in policy and "http" not in policy


def test_a_host_that_is_not_this_one_is_refused(web):
    assert web.get("config", headers={"host": "localhost:7860"}).status_code == 200
    refused = web.get("config", headers={"host": "attacker.example:7860"})
    assert refused.status_code == 400 and "MEDREASONER_HOSTS" in refused.text
    names = frozenset({"gpu.clinic.example"})
    assert all(is_served(host, names) for host in ("127.0.0.1:7860", "[::1]:80", "10.0.0.3", "gpu.clinic.example:1"))
    assert not any(is_served(host, names) for host in ("", "clinic.example", "127.0.0.1.attacker.example", "[::1"))
    assert is_served("anything", None)


@pytest.mark.parametrize("route", ["deep_link?session_hash=abc", "process_recording"])
def test_routes_that_write_a_visit_to_disk_are_closed(web, route):
    before = uploads()
    assert web.get(f"gradio_api/{route}").status_code == 404
    assert uploads() == before


def test_a_body_is_limited_whatever_length_it_announces(web):
    large = b'{"data": ["' + b"a" * MAX_BODY + b'"]}'
    pieces = iter([large[: len(large) // 2], large[len(large) // 2 :]])
    for body in (large, pieces):
        answer = web.post("gradio_api/queue/join", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 413 and "1 MiB" in answer.text


def test_a_field_of_a_form_is_limited_and_a_file_is_taken(web):
    answer = web.post("gradio_api/upload", files={"files": ("a.png", b"picture")}, data={"x": "a" * (MAX_FIELD + 1)})
    assert answer.status_code == 413
    answer = web.post("gradio_api/upload", files={"files": ("a.png", b"picture")}, data={"x": "a"})
    assert Path(answer.json()[0]).read_bytes() == b"picture"
    Path(answer.json()[0]).unlink()


def test_what_a_broken_off_upload_leaves_is_swept(address):
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="DOE.dcm"\r\n\r\n' + b"DOE" * 50_000
    head = b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    url = urlsplit(address)
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(head + b"Content-Length: 9000000\r\n\r\n" + part)
        assert soon(uploads), "the server writes what it has got"
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    assert soon(lambda: sweep(folder, age=-1) or not uploads())
    assert folder.is_dir()


def soon(holds: Callable[[], object]) -> bool:
    """Whether it holds after a while; the server works in threads of its own."""
    for _ in range(600):
        if holds():
            return True
        time.sleep(0.05)
    return False
