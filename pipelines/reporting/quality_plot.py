"""Plot of a quality report: findings by ticker and time.

The worst tickers have one row each; a second panel counts the affected tickers over time. The size
of the plot does not depend on the number of tickers. matplotlib is imported inside functions.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from market.quality.findings import KINDS
from market.quality.report import QualityReport
from pipelines.reporting.plots import to_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 40
COLUMNS = 260
COLOURS = {
    "level_change": "#d93025",
    "unlisted_split": "#e8710a",
    "outlier": "#202124",
    "missing": "#f9ab00",
    "stuck": "#9334e6",
    "zero_volume": "#12858d",
}
PRESENT = "#d2e3fc"
# Painted in this order, so the most severe kind covers the others.
PAINTED = ("zero_volume", "stuck", "missing")
# Kinds of single sessions: marker and size.
MARKED = {"outlier": ("o", 18), "level_change": ("X", 55), "unlisted_split": ("P", 55)}
# A single session in a column of many sessions must remain visible.
FAINTEST = 0.5
SESSIONS_A_DAY = 252 / 365.25
DAY = np.timedelta64(1, "D")


def quality_map(report: QualityReport) -> bytes:
    """Draw bars and findings of the worst tickers over time, and the number of affected tickers."""
    worst = worst_first(report.tickers).head(SHOWN)
    axis = _TimeAxis(report.tickers)
    cells = _cells(report.findings, axis)
    figure, upper, lower = _figure(worst.height)
    upper.imshow(
        _painted(worst, cells, axis),
        extent=(axis.start, axis.end, worst.height - 0.5, -0.5),
        aspect="auto",
        interpolation="nearest",
    )
    _mark(upper, report.findings, worst["ticker"].to_list())
    _label(upper, worst, report.tickers)
    _count(lower, cells, axis, report.tickers.height)
    return to_png(figure)


def worst_first(tickers: pl.DataFrame) -> pl.DataFrame:
    """Sort the rows of `QualityReport.tickers` by the severity of their findings."""
    return tickers.sort(
        pl.sum_horizontal("level_change", "unlisted_split"),
        pl.sum_horizontal("missing", "stuck", "outlier"),
        "zero_volume",
        "sessions_behind",
        "ticker",
        descending=[True, True, True, True, False],
        nulls_last=True,
    )


class _TimeAxis:
    """The time from the first to the last bar, divided into columns of equal length."""

    def __init__(self, tickers: pl.DataFrame) -> None:
        first, last = tickers.select(pl.min("first_session"), pl.max("last_session")).row(0)
        # matplotlib counts days since 1970.
        self.start = float(np.datetime64(first, "D").astype(int))
        self.end = float(np.datetime64(last, "D").astype(int) + 1)

    @property
    def edges(self) -> npt.NDArray[np.float64]:
        return np.linspace(self.start, self.end, COLUMNS + 1)

    @property
    def sessions_per_column(self) -> float:
        return max(1.0, (self.end - self.start) / COLUMNS * SESSIONS_A_DAY)

    def column(self, session: str) -> pl.Expr:
        """Return the column, 0 to `COLUMNS` - 1, of the dates in the column `session`."""
        elapsed = pl.col(session).to_physical() - self.start
        return (elapsed * COLUMNS / (self.end - self.start)).floor().cast(pl.Int64)


def _cells(findings: pl.DataFrame, axis: _TimeAxis) -> pl.DataFrame:
    """Return `kind`, `ticker`, `column`, and the number of `sessions` with findings there."""
    first, last = axis.column("first_session"), axis.column("last_session")
    return (
        findings.select(
            "kind",
            "ticker",
            pl.int_ranges(first, last + 1).alias("column"),
            pl.col("sessions") / (last + 1 - first),
        )
        .explode("column")
        .group_by("kind", "ticker", "column")
        .agg(pl.sum("sessions"))
    )


def _painted(worst: pl.DataFrame, cells: pl.DataFrame, axis: _TimeAxis) -> npt.NDArray[np.float64]:
    """Return the colour of every row and column: white before the first bar and after the last."""
    from matplotlib.colors import to_rgb  # noqa: PLC0415

    picture = np.ones((worst.height, COLUMNS, 3))
    spans = worst.select(axis.column("first_session"), axis.column("last_session")).rows()
    for row, (first, last) in enumerate(spans):
        picture[row, first : last + 1] = to_rgb(PRESENT)
    rows = worst.select("ticker", row=pl.int_range(pl.len()))
    for kind in PAINTED:
        of_kind = cells.filter(kind=kind).join(rows, on="ticker")
        at = of_kind["row"].to_numpy(), of_kind["column"].to_numpy()
        share = of_kind["sessions"].to_numpy() / axis.sessions_per_column
        strength = np.clip(FAINTEST + (1 - FAINTEST) * share, 0, 1)[:, None]
        picture[at] = strength * np.array(to_rgb(COLOURS[kind])) + (1 - strength) * picture[at]
    return picture


def _mark(axes: Any, findings: pl.DataFrame, tickers: list[str]) -> None:  # noqa: ANN401
    """Mark the findings of single sessions."""
    rows = pl.DataFrame({"ticker": tickers, "row": range(len(tickers))})
    for kind, (marker, size) in MARKED.items():
        of_kind = findings.filter(kind=kind).join(rows, on="ticker")
        axes.scatter(
            of_kind["first_session"].to_numpy(),
            of_kind["row"].to_numpy(),
            marker=marker,
            s=size,
            color=COLOURS[kind],
            edgecolors="white",
            linewidths=0.6,
            zorder=3,
        )


def _label(axes: Any, worst: pl.DataFrame, tickers: pl.DataFrame) -> None:  # noqa: ANN401
    """Label the rows with tickers on the left and sessions behind on the right."""
    count, bars = tickers.height, tickers["bars"].sum()
    shown = "" if worst.height == count else f"; the {worst.height} with the most severe findings"
    axes.set_title(
        f"{bars:,} daily bars of {count:,} tickers{shown}", loc="left", fontsize=11, pad=24
    )
    axes.set_yticks(range(worst.height), worst["ticker"].to_list(), fontsize=8)
    axes.set_yticks(np.arange(0.5, worst.height - 1), minor=True)
    axes.grid(which="minor", axis="y", color="white", linewidth=2)
    axes.tick_params(which="both", length=0, labelbottom=False)
    axes.spines[:].set_visible(False)
    right = axes.secondary_yaxis("right")
    behind = [_behind(sessions) for sessions in worst["sessions_behind"]]
    right.set_yticks(range(worst.height), behind, fontsize=8, color="#5f6368")
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    axes.text(
        1.01,
        1.0,
        "sessions behind",
        transform=axes.transAxes,
        fontsize=7,
        va="bottom",
        color="#5f6368",
    )
    axes.legend(
        handles=_legend(),
        ncols=6,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        frameon=False,
        fontsize=8,
        handlelength=1.2,
        handletextpad=0.4,
        columnspacing=1.4,
        borderpad=0.2,
    )


def _behind(sessions: int | None) -> str:
    return "-" if sessions is None else f"{sessions:,}"


def _legend() -> list[Any]:
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    painted = [Patch(color=COLOURS[kind], label=kind.replace("_", " ")) for kind in PAINTED]
    marked = [
        Line2D(
            [], [], linestyle="", marker=marker, color=COLOURS[kind], label=kind.replace("_", " ")
        )
        for kind, (marker, _) in MARKED.items()
    ]
    return [Patch(color=PRESENT, label="no finding"), *reversed(painted), *marked]


def _count(axes: Any, cells: pl.DataFrame, axis: _TimeAxis, tickers: int) -> None:  # noqa: ANN401
    """Draw the number of tickers with each kind of finding, by column."""
    edges = axis.edges
    bottom = np.zeros(COLUMNS)
    for kind in reversed(KINDS):
        affected = np.zeros(COLUMNS)
        counts = cells.filter(kind=kind).group_by("column").len()
        affected[counts["column"].to_numpy()] = counts["len"].to_numpy()
        # One polygon; a bar for each column takes a hundred times longer.
        axes.stairs(bottom + affected, edges, baseline=bottom, fill=True, color=COLOURS[kind])
        bottom += affected
    axes.set(ylim=(0, max(1.0, 1.15 * bottom.max())), xlim=(axis.start, axis.end))
    axes.set_title(
        f"number of tickers with each finding, of {tickers:,}",
        loc="left",
        fontsize=8,
        color="#5f6368",
    )
    axes.xaxis_date()
    axes.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _figure(rows: int) -> "tuple[Figure, Any, Any]":
    from matplotlib.figure import Figure  # noqa: PLC0415  takes a second

    upper = rows * (0.34 if rows <= SHOWN // 2 else 0.19)
    figure = Figure(figsize=(9.5, upper + 2.0), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True, height_ratios=(upper, 0.8))
    return figure, axes[0], axes[1]
