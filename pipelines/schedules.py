"""What happens by the clock, in the exchange's time zone. Off until a person switches it on."""

from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg

from core.clock import Clock
from market.calendars.sessions import Sessions
from market.providers.status import HOURS_AFTER_CLOSE
from market.settings import MarketSettings
from pipelines.jobs import daily_job, training_job
from pipelines.partitions import all_partitions

RECENT = 10


def build_schedules(settings: MarketSettings, clock: Clock) -> list[dg.ScheduleDefinition]:
    """Return the schedules for the exchange of the settings, with the hours of these days."""
    sessions = Sessions(settings.exchange)
    hour = min(23, _closing_hour(sessions, clock.now()) + HOURS_AFTER_CLOSE)

    @dg.schedule(
        job=daily_job,
        cron_schedule=f"0 {hour} * * *",
        execution_timezone=sessions.timezone,
        description="Each session, two hours after the exchange's close.",
    )
    def after_close_schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        today = context.scheduled_execution_time.date()
        if not sessions.is_session(today):
            return dg.SkipReason(f"{today} is not a session of {settings.exchange}.")
        partitions = all_partitions(context.instance)
        if not partitions:
            return dg.SkipReason("No ticker is followed yet; switch `universe_sensor` on.")
        return dg.RunRequest(run_key=f"after-close-{today}", tags=partitions)

    weekly_retraining_schedule = dg.ScheduleDefinition(
        name="weekly_retraining_schedule",
        job=training_job,
        cron_schedule="0 6 * * 6",
        execution_timezone=sessions.timezone,
        description="Saturdays, when no exchange is open.",
    )
    return [after_close_schedule, weekly_retraining_schedule]


def _closing_hour(sessions: Sessions, now: datetime) -> int:
    """Return the hour, local to the exchange, of the usual close: early ones are passed over."""
    newest = sessions.last_closed(now)
    closes = [sessions.close_time(sessions.offset(newest, -n)) for n in range(RECENT)]
    return max(close.astimezone(ZoneInfo(sessions.timezone)).hour for close in closes)
