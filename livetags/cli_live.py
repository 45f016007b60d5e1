"""The command that tries everything at once: a job that runs for ever, over a city that lives now."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import redis
import typer
from rich.console import Console

from livetags.console import SetOption, SettingsFile, app, err, load_settings, out
from livetags.live import Live, live
from livetags.progress import ConsoleProgress
from livetags.runner import run_profile_update
from schemas.redis_keys import trigger_stream_key

_EXAMPLES = Path(__file__).parents[1] / "examples"
_REAL_TIME = "in real time"


@app.command(name="live")
def live_(
    people: Annotated[int, typer.Option(min=10, help="of the simulated city; a thousand make two records a second")] = (
        1_000
    ),
    seed: Annotated[int, typer.Option(help="the same seed makes the same city")] = 1,
    settings: SettingsFile = None,
    set_: SetOption = None,
) -> None:
    """Try a live job: starts stores, a broker and the job, publishes the scenes, streams a city in real time.

    Everything lies in the folder `live` of the data folder, which begins empty each time. Ctrl-C ends all of it.

    \b
    Examples:
      livetags live
      livetags live --people 5000
    """
    chosen = load_settings(settings, set_)
    asked: list[int] = []
    with _Watched(err) as progress, live(chosen, people, seed, progress.step) as started:
        _tell(started, people)
        progress.watch(started)
        started.city.start()
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, lambda number, _: asked.append(number))
        try:
            finished = run_profile_update(
                started.settings,
                started.inputs,
                progress,
                bounded=False,
                interrupted=lambda _: bool(asked or started.city.sent.failed),
            )
        finally:
            progress.step("stopping the city, the broker and the stores")
            started.city.stop()
    totals = finished.totals
    out.print(
        f"{totals.events_in:,} records in = {totals.folded:,} folded + {totals.duplicates:,} duplicates + "
        f"{sum(totals.rejected.values()):,} rejected; everything has stopped, what was stored stays in "
        f"{started.settings.data_dir} until the next `livetags live`"
    )


class _Watched(ConsoleProgress):
    """Progress that says when the job has caught up with the city, and from then on how many triggers there are."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._watched: Live | None = None
        self._ready = self._told_over = self._stopping = False

    def watch(self, started: Live) -> None:
        """From now on what the events are of."""
        self._watched = started
        self._hot = redis.Redis.from_url(started.settings.redis_url.get_secret_value())
        self._stream = trigger_stream_key(started.settings.redis_key_prefix)

    def step(self, text: str) -> None:
        """Begin a step; once in real time, it can only be the last."""
        self._stopping = self._ready and text != _REAL_TIME
        super().step(text)

    def events(self, done: int, total: int | None) -> None:
        """Records done; of those of before the start, as long as these are not done."""
        if self._watched is None or self._stopping:
            return
        sent = self._watched.city.sent
        if not self._ready and sent.caught_up and done >= sent.of_before:
            self._ready = True
            _tell_next(self._watched)
            self.step(_REAL_TIME)
        if self._ready:
            with suppress(redis.RedisError):  # the job rides out its absence, so does this
                self.rename(f"{_REAL_TIME}, {self._hot.xlen(self._stream):,} triggers so far; records")
        if sent.over and not self._told_over:
            self._told_over = True
            self.warn("the city's two days are over, no more records come; Ctrl-C, and `livetags live` begins anew")
        super().events(done, None if self._ready or not done or not sent.caught_up else sent.of_before)


def _tell(started: Live, people: int) -> None:
    chosen = started.settings
    there = datetime.now(UTC) + timedelta(hours=chosen.utc_offset_hours)
    out.print(
        f"Redis       {chosen.redis_url.get_secret_value()}\n"
        f"ClickHouse  {chosen.clickhouse_url.get_secret_value()}\n"
        f"broker      {started.brokers}\n"
        f"city        {people:,} people; it is {there:%H:%M} there (UTC{chosen.utc_offset_hours:+.0f}). What they did "
        f"since 8 o'clock comes at once, the rest in real time\n"
        f"rules       {started.scenes} scenes",
        highlight=False,
    )


def _tell_next(started: Live) -> None:
    chosen = started.settings
    programs = Path(sys.executable).parent
    export = f"  export LIVETAGS_SETTINGS={_short(started.settings_file)}\n"
    consumer = f"{_short(programs / 'python')} {_short(_EXAMPLES / 'trigger_consumer.py')}"
    livetags = _short(programs / "livetags")
    out.print(
        f"\n{started.city.sent.of_before:,} records of the day so far are in; from now on each comes when it happens. "
        "In another terminal, in this folder:\n\n"
        f"  {consumer} --url {chosen.redis_url.get_secret_value()}\n\n"
        "shows triggers as they come. In a third, publish a rule of your own, and see what it has fired:\n\n"
        f"{export}"
        f"  {livetags} rules publish {_short(_EXAMPLES / 'first_rule.yaml')}\n"
        f"  {livetags} triggers --rule my-first-rule\n\n"
        "Ctrl-C ends all that was started here\n",
        highlight=False,
        soft_wrap=True,
    )


def _short(path: Path) -> str:
    """The path as seen from here, if it is below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
