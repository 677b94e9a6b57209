"""The order of the tests, and their distribution over pytest-xdist's workers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

# A deadline for each example fails on a busy machine; pytest-timeout ends tests that hang.
settings.register_profile("stockcast", deadline=None)
settings.load_profile("stockcast")

TESTS = Path(__file__).parent
# Workers finish together only if the last files are short. `--durations 60` shows what is long.
EXPENSIVE_FIRST = (
    "integration/test_main_job_reports.py",  # before the next one, which repeats the run
    "integration/test_main_job.py",
    "integration/test_seven_days.py",
    "integration/test_registry_stores.py",
    "integration/test_compose_services.py",
    "integration/test_up.py",
    "integration/test_killed_ingest.py",
    "unit/stockcast/cli/test_ingest_command.py",
    "unit/stockcast/cli/output/test_terminal_output.py",
    "unit/stockcast/cli/test_preflight.py",
    "integration/test_refresh.py",
    "integration/test_bento.py",
    "integration/test_serving_streams.py",
    "integration/test_run_refusals.py",
    "unit/market/ingest/test_ingest_faults.py",
    "unit/forecasting/export/test_fusion.py",
    "unit/forecasting/models/test_lstm_model.py",
    "unit/pipelines/checks/test_asset_checks_quality.py",
    "unit/pipelines/test_one_faulty_ticker.py",
    "unit/pipelines/test_catch_up_local_data.py",
    "integration/test_registry_repair.py",
    "integration/test_serving_swap.py",
    "integration/test_serving_full_disk.py",
    "integration/test_registry_first_opening.py",
)
# These files share servers or a run, which one worker then starts once.
SHARED = {
    f"tests/integration/{name}.py": "servers"
    for name in (
        "test_registry_stores",
        "test_pages",
        "test_serving_routes",
        "test_serving_openapi",
        "test_serving_spellings",
        "test_serving_batch",
        "test_serving_history",
        "test_serving_process",
        "test_serving_providers",
        "test_serving_streams",
        "test_web_page",
        "test_serving_client",
    )
} | {f"tests/integration/test_main_job{part}.py": "main job" for part in ("", "_reports")}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put expensive files first, and undo the shuffling of files marked `in_order`."""
    cost = {TESTS / name: place for place, name in enumerate(EXPENSIVE_FIRST)}
    first: dict[Path, int] = {}
    places: dict[str, tuple[int, int, int]] = {}
    for place, item in enumerate(items):
        _, line, _ = item.location
        in_order = item.get_closest_marker("in_order") is not None
        places[item.nodeid] = (
            cost.get(item.path, len(cost)),
            first.setdefault(item.path, place),
            line or 0 if in_order else place,
        )
    items.sort(key=lambda item: places[item.nodeid])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give each worker whole files in the order above, and files that share servers together."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415  without `-n` not needed

    class WholeFiles(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return SHARED.get(file, file)

    config.option.loadscopereorder = False
    return WholeFiles(config, log)
