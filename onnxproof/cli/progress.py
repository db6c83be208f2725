"""What a terminal shows while a case is checked: the check, its step, and the seconds so far of those to expect."""

from collections.abc import Sequence

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from onnxproof.probing.conversion import Conversion


class Shown:
    """A line on stderr. Each conversion counts anew."""

    def __init__(self, checks: Sequence[str]) -> None:
        self._checks = checks
        self._conversion: Conversion | None = None
        self._is_first = True
        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), MofNCompleteColumn(), _Seconds()
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=len(checks), expected=0.0)

    def __enter__(self) -> "Shown":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, conversion: Conversion, check: str, step: str) -> None:
        """Shows what runs now."""
        if self._conversion is None or conversion.file is not self._conversion.file:
            self._is_first = self._conversion is None
            self._conversion = conversion
            self._progress.reset(self._task, total=len(self._checks))
        self._progress.update(
            self._task,
            description=f"{conversion!r}: {check}{conversion.elsewhere}{', ' * bool(step)}{step}",
            completed=self._checks.index(check),
            expected=conversion.check_seconds(self._is_first),
        )


class _Seconds(ProgressColumn):
    """Those since the conversion began, of those to expect once that is known."""

    def render(self, task: Task) -> Text:
        elapsed, expected = task.elapsed or 0.0, task.fields["expected"]
        of = f" of about {max(expected, elapsed):.0f}" if expected else ""
        return Text(f"{elapsed:.0f}{of} s")
