"""Schedules in the time zone of the exchange. They are stopped until they are switched on."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import dagster as dg

from core.clock import Clock
from market.calendars.sessions import Sessions
from market.providers.status import HOURS_AFTER_CLOSE
from market.settings import MarketSettings
from pipelines.jobs import daily_job, training_job
from pipelines.partitions import NO_TICKERS, all_partitions

RECENT_SESSIONS = 10


def build_schedules(settings: MarketSettings, clock: Clock) -> list[dg.ScheduleDefinition]:
    """Return the schedules for the exchange of `settings`, with its current closing hour."""
    sessions = Sessions(settings.exchange)
    hour = min(23, _closing_hour(sessions, clock.now()) + HOURS_AFTER_CLOSE)

    @dg.schedule(
        job=daily_job,
        cron_schedule=f"0 {hour} * * *",
        execution_timezone=sessions.timezone,
        description=f"Starts {HOURS_AFTER_CLOSE} hours after the close of every session.",
    )
    def after_close_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        today = context.scheduled_execution_time.date()
        # A calendar that has ended must not stop the tickers of other exchanges.
        if today <= sessions.last and not sessions.is_session(today):
            return dg.SkipReason(f"{today} is not a session of {settings.exchange}.")
        partitions = all_partitions(context.instance)
        if not partitions:
            return dg.SkipReason(NO_TICKERS)
        return dg.RunRequest(run_key=f"after-close-{today}", tags=partitions)

    weekly_retraining_schedule = dg.ScheduleDefinition(
        name="weekly_retraining_schedule",
        job=training_job,
        cron_schedule="0 6 * * 6",
        execution_timezone=sessions.timezone,
        description="Starts on Saturdays, when no exchange is open.",
    )
    return [after_close_schedule, weekly_retraining_schedule]


def _closing_hour(sessions: Sessions, now: datetime) -> int:
    """Return the usual closing hour in the time zone of the exchange, ignoring early closes."""
    end = datetime.combine(sessions.last, time.max, UTC)
    newest = sessions.last_closed(min(now, end))
    closes = [sessions.close_time(sessions.offset(newest, -n)) for n in range(RECENT_SESSIONS)]
    return max(close.astimezone(ZoneInfo(sessions.timezone)).hour for close in closes)
