"""The command, run on an architecture in a process of its own, and what that took."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from typing import Any

from docs.zoo_page import Run
from zoo.architecture import Architecture

MOST_SECONDS = 1800
"""A run that takes longer is ended."""


def check(name: str, architecture: Architecture, exporter: str) -> Run:
    """What `onnxproof check` finds; a process that gives no results is one finding that says so."""
    command = [sys.executable, "-m", "onnxproof", "check", architecture.place, "--exporter", exporter, "--json"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        timer = threading.Timer(MOST_SECONDS, process.kill)
        timer.start()
        _, status, used = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        printed, said = (_text_of(file) for file in (out, err))
    return Run(
        name=name,
        package=architecture.package,
        exporter=exporter,
        findings=_findings(printed) or [_no_results(process.returncode, said)],
        seconds=round(used.ru_utime + used.ru_stime, 1),
        mebibytes=round(used.ru_maxrss / 2**10),
    )


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
