"""Show a run's progress on stderr: one live line on a terminal, else one plain line per finished trial.

The live line is redrawn on events only, never on a timer, so that it costs nothing while a window is measured.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from aigc_bench.cli.terminal import say
from aigc_bench.core.messages import message
from aigc_bench.core.units import clock
from aigc_bench.core.visible import visible
from aigc_bench.measure.progress import Progress, RunFinished, RunStarted, StageStarted, TrialFinished, TrialsAdded, TrialStarted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

Listener = Callable[[Progress], None]


@contextlib.contextmanager
def progress_display(*, is_terminal: bool) -> Iterator[Listener]:
    """Yield a listener for a run's events, live if stderr is a terminal."""
    if not is_terminal:
        yield WhileShown(PlainLines())
        return
    from rich.console import Console

    bar = live_bar(Console(stderr=True))
    with contextlib.suppress(OSError):
        bar.start()
    try:
        yield WhileShown(LiveLine(bar))
    finally:
        with contextlib.suppress(OSError):
            bar.stop()


class WhileShown:
    """Pass events on until stderr fails (its reader has ended, the terminal is gone); the run continues without a display."""

    def __init__(self, listener: Listener) -> None:
        self._listener: Listener | None = listener

    def __call__(self, event: Progress) -> None:
        if self._listener is None:
            return
        try:
            self._listener(event)
        # The display is a convenience: hours of measuring must not end with it.
        except OSError:
            self._listener = None


class PlainLines:
    """Print one line when the run starts and one per finished trial."""

    def __init__(self, echo: Callable[[str], None] | None = None) -> None:
        self._echo = echo or (lambda line: say(line, err=True))
        self._tally = Tally()

    def __call__(self, event: Progress) -> None:
        self._tally.take(event)
        if isinstance(event, RunStarted):
            self._echo(opening_line(event))
        elif isinstance(event, TrialFinished):
            self._echo(f"{self._tally.position} {finished_line(event)}{_left(event.remaining_s)}")
        elif isinstance(event, RunFinished) and event.interrupted:
            self._echo(message("interrupted; finished trials are saved"))


class Tally:
    """Count finished trials."""

    def __init__(self) -> None:
        self.num_done = 0
        self.num_trials = 0

    def take(self, event: Progress) -> None:
        """Count an event."""
        if isinstance(event, RunStarted):
            self.num_done, self.num_trials = event.num_done, event.num_trials
        elif isinstance(event, TrialsAdded):
            self.num_trials = event.num_trials
        elif isinstance(event, TrialFinished):
            self.num_done += 1

    @property
    def position(self) -> str:
        """Return ``[ 7/36]``."""
        return f"[{self.num_done:{len(str(self.num_trials))}}/{self.num_trials}]"


class LiveLine:
    """Show case, trial, stage and remaining time on the last line of the terminal; finished trials scroll above it."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        # Without a total until RunStarted brings it.
        self._task = bar.add_task("starting", total=None, left="")
        self._tally = Tally()
        self._trial = ""

    def __call__(self, event: Progress) -> None:
        self._tally.take(event)
        if isinstance(event, RunStarted):
            self._say(opening_line(event))
            self._bar.update(self._task, total=event.num_trials, completed=event.num_done, left=_left(event.expected_s))
        elif isinstance(event, TrialsAdded):
            self._bar.update(self._task, total=event.num_trials)
        elif isinstance(event, TrialStarted):
            again = "" if event.attempt == 1 else message(", attempt {attempt}", attempt=event.attempt)
            self._trial = message(
                "{case}  trial {trial}/{of}{again}", case=event.case, trial=event.trial + 1, of=event.of, again=again
            )
            self._bar.update(self._task, description=visible(self._trial), left=_left(event.remaining_s))
        elif isinstance(event, StageStarted):
            self._bar.update(self._task, description=visible(f"{self._trial}  {event.name}".strip()))
        elif isinstance(event, TrialFinished):
            self._say(finished_line(event))
            self._bar.update(self._task, completed=self._tally.num_done, left=_left(event.remaining_s))
        # auto_refresh is off: a redrawing thread would take time from the measured window.
        self._bar.refresh()

    def _say(self, line: str) -> None:
        """Print a line above the bar verbatim: no markup, no emoji names."""
        self._bar.console.print(visible(line), highlight=False, markup=False, emoji=False)


def live_bar(console: object) -> Bar:
    """Return a rich progress bar of one line, redrawn on request only; it disappears at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    assert isinstance(console, Console), "a rich console draws the bar"
    # markup=False: a case's name may hold square brackets, which rich would read as styles.
    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.description}{task.fields[left]}", markup=False))
    return Bar(*columns, console=console, auto_refresh=False, transient=True)


def opening_line(event: RunStarted) -> str:
    """Return the number of trials, the expected time and the run directory."""
    done = message(", {num_done} of them already finished", num_done=event.num_done) if event.num_done else ""
    expected = message(", about {expected}", expected=clock(event.expected_s)) if event.expected_s is not None else ""
    return message(
        "{num_trials} trials{done}{expected}, into {path}",
        num_trials=event.num_trials,
        done=done,
        expected=expected,
        path=event.path,
    )


def finished_line(event: TrialFinished) -> str:
    """Return ``gpt/gpt2-124m/infer/fp32/b1  trial 2/3  ok  412 token/s  4 s``."""
    return message(
        "{case}  trial {trial}/{of}  {status}  {summary}  {duration}",
        case=event.case,
        trial=event.trial + 1,
        of=event.of,
        status=event.status,
        summary=event.summary,
        duration=clock(event.duration_s),
    )


def _left(remaining_s: float | None) -> str:
    if remaining_s is None:
        return ""
    # In the user's own time zone, unlike reports, which are in UTC.
    at = time.strftime("%H:%M", time.localtime(time.time() + remaining_s))
    return message("  ({remaining} left, until {at})", remaining=clock(remaining_s), at=at)
