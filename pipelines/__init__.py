"""When and in what order: Dagster assets, checks, jobs, schedules, sensors and the command line."""
