"""Run programs that take minutes, and say in plain words what they are doing."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from launcher.failure import explain

HEARTBEAT_SECONDS = 20.0
FETCHING = re.compile(
    r"\s*(Downloading|Using cached) (?:\S*/)?([^\s/-]+)-([^\s/-]+)[^\s/]*(?<!\.metadata) \(([\d.]+ \wB)\)"
)
UNPACKING = re.compile(r"Installing collected packages: (.+)")


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def run(step: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> list[str]:
    """Run a program, return the lines it printed, and append them to `log`.

    Failure when it cannot be started or ends with a status other than 0. Where it is silent for long, a line
    says that it is still at work.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    output: list[str] = []
    with log.open("a", encoding="utf-8", buffering=1) as file:
        file.write(f"$ {' '.join(command)}\n")
        try:
            process = start(command, environment)
        except OSError as error:
            raise explain(step, [str(error)], log) from error
        try:
            for line in follow(process, file):
                output.append(line)
            status = process.wait()
        finally:
            end(process)
    if status:
        raise explain(step, output, log)
    return output


def start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """A process without input whose output and errors come through one pipe."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        text=True,
        encoding="utf-8",
        errors="replace",
    )


def end(process: subprocess.Popen[str]) -> None:
    """Leave no process behind, whatever interrupted us."""
    if process.poll() is None:
        process.terminate()
        process.wait()
    if process.stdout:
        process.stdout.close()


def follow(process: subprocess.Popen[str], log: IO[str]) -> Iterator[str]:
    """The lines a process prints; progress is said on the way."""
    assert process.stdout is not None
    began = time.monotonic()
    for line in with_silences(process.stdout, HEARTBEAT_SECONDS):
        if line is None:
            say(f"    still working, {time.monotonic() - began:.0f} s so far")
            continue
        log.write(line)
        words = in_words(line)
        if words:
            say(f"    {words}")
        yield line.rstrip("\n")


def with_silences(stream: IO[str], seconds: float) -> Iterator[str | None]:
    """The lines of a stream, and None for every `seconds` in which there was none."""
    lines: queue.Queue[str | None] = queue.Queue()

    def pump() -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=pump, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=seconds)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        yield line


def in_words(line: str) -> str | None:
    """What a line of pip's means to someone who wants to know how far it is; None for the many others."""
    found = FETCHING.match(line)
    if found:
        verb = "downloading" if found[1] == "Downloading" else "taking from pip's cache"
        return f"{verb} {found[2]} {found[3].replace('%2B', '+')} ({found[4]})"
    found = UNPACKING.match(line)
    if found:
        count = len(found[1].split(","))
        return f"unpacking {count} package{'' if count == 1 else 's'}"
    return None
