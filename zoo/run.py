"""The command, run on an architecture in a process of its own, and what that took."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.memory import bytes_of
from docs.zoo_page import Run
from zoo.architecture import Architecture

MOST_SECONDS = 1800
"""A run that takes longer is ended."""

INTERVAL = 0.25
"""The seconds from one look at a run's memory to the next."""


def check(name: str, architecture: Architecture, exporter: str) -> Run:
    """What `onnxproof check` finds; a process that gives no results is one finding that says so."""
    command = [sys.executable, "-m", "onnxproof", "check", architecture.place, "--exporter", exporter, "--json"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        used, most = _waited_for(process)
        printed, said = (_text_of(file) for file in (out, err))
    return Run(
        name=name,
        package=architecture.package,
        exporter=exporter,
        findings=_findings(printed) or [_no_results(process.returncode, said)],
        seconds=round(used, 1),
        mebibytes=round(most / 2**20),
    )


def _waited_for(process: "subprocess.Popen[bytes]") -> tuple[float, int]:
    """Its processor seconds and the most bytes that it and its processes were seen to have at a time, once it ended."""
    end, most = time.monotonic() + MOST_SECONDS, 0
    while True:
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            process.returncode = os.waitstatus_to_exitcode(status)
            return used.ru_utime + used.ru_stime, most
        most = max(most, bytes_of(process.pid))
        if time.monotonic() > end:
            process.kill()
        time.sleep(INTERVAL)


def _text_of(file: Any) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _findings(printed: str) -> list[dict[str, str]]:
    """The findings of results.json; none if the command ended before it printed them."""
    if not printed:
        return []
    wanted = ("check", "verdict", "figure", "problem", "advice")
    printed = re.sub(r"/[^\s\"\\]*/(site-packages/|(?=onnxproof/))", "", printed)  # where they are says nothing
    return [{key: finding[key] for key in wanted} for finding in json.loads(printed)["findings"]]


def _no_results(status: int, said: str) -> dict[str, str]:
    problem = f"the command ended with status {status}: {said.strip()[-300:]}"
    return {"check": "", "verdict": "fails", "figure": "", "problem": problem, "advice": ""}
