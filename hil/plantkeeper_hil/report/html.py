"""The HTML report: the four quantities over virtual time with each delivery marked, and the latency.

One file with plotly's script inside, so that it opens from disk without a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from plantkeeper_hil.report.model import DeviceLine, Point, RunReport, Truth, conclusion, summary

SECONDS_PER_HOUR = 3600
COLOURS = ("#2b7a4b", "#b5542b", "#3a5fa8", "#8a4fa3", "#a08a1c", "#2a8a93")


class Quantity(NamedTuple):
    """One of the plotted quantities and where its values are."""

    title: str
    attribute: str


QUANTITIES = (
    Quantity("temperature, °C", "temperature_c"),
    Quantity("air humidity, %", "air_humidity_percent"),
    Quantity("light, 0–2000", "light"),
    Quantity("soil moisture, %", "soil_percent"),
)


LATENCY_ROW, HAPPENED_ROW = len(QUANTITIES) + 1, len(QUANTITIES) + 2


def render(report: RunReport) -> str:
    """The whole page."""
    figure = make_subplots(
        rows=HAPPENED_ROW,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.035,
        subplot_titles=[quantity.title for quantity in QUANTITIES]
        + ["latency board → backend, ms (wall clock)", "what happened"],
    )
    for index, device in enumerate(report.devices):
        _add_device(figure, device, COLOURS[index % len(COLOURS)])
    figure.update_xaxes(dtick=tick_h(report.hours))
    figure.update_xaxes(title_text="virtual time, h", row=HAPPENED_ROW, col=1)
    figure.update_layout(
        height=1450,
        template="plotly_white",
        margin={"l": 60, "r": 20, "t": 40, "b": 50},
        hovermode="closest",
        legend={"orientation": "h", "y": 1.06},
    )
    plots = figure.to_html(include_plotlyjs=True, full_html=False, config={"displaylogo": False})
    return PAGE.format(
        title=title_of(report.hours),
        verdict=_verdict(report),
        rows=_rows(report),
        findings=_findings(report),
        plots=plots,
    )


def tick_h(hours: float) -> float:
    """Hours between two grid lines: about eight of them, at even times of the day."""
    return next((step for step in (0.25, 0.5, 1, 3, 6, 12, 24) if hours / step <= 9), 24.0 * max(1, round(hours / 216)))


def _add_device(figure: go.Figure, device: DeviceLine, colour: str) -> None:
    name = f"device {device.device_id}"
    delivered = [point for point in device.points if point.delivered]
    dropped = [point for point in device.points if not point.delivered and point.dropped]
    undelivered = [point for point in device.points if not point.delivered and not point.dropped]
    for row, quantity in enumerate(QUANTITIES, start=1):
        if device.truth:
            figure.add_trace(_truth_line(device.truth, quantity, colour, name), row=row, col=1)
        figure.add_trace(
            _markers(delivered, quantity, colour, f"{name}: delivered", "circle", show_legend=row == 1),
            row=row,
            col=1,
        )
        for points, shade, label, symbol in (
            (dropped, "#c77700", f"{name}: dropped by the board itself, named", "diamond-open"),
            (undelivered, "#d00000", f"{name}: not delivered", "x"),
        ):
            if points:
                figure.add_trace(_markers(points, quantity, shade, label, symbol, show_legend=row == 1), row=row, col=1)
    figure.add_trace(
        go.Scatter(
            x=[point.virtual_s / SECONDS_PER_HOUR for point in delivered],
            y=[1000 * point.latency_s for point in delivered if point.latency_s is not None],
            text=[point.key for point in delivered],
            mode="markers",
            marker={"color": colour, "size": 4},
            hovertemplate="reading %{text}<br>%{y:.1f} ms<extra></extra>",
            showlegend=False,
        ),
        row=LATENCY_ROW,
        col=1,
    )
    if device.events:
        figure.add_trace(_happenings(device.events, colour), row=HAPPENED_ROW, col=1)


def what_happened(text: str) -> str:
    """The kind of an event, by which it gets its line: `dropped key=3-42 reason=full` is a `dropped`."""
    head, given, _ = text.partition("=")
    return head.rpartition(" ")[0] if given else text


def _happenings(events: Sequence[tuple[float, str]], colour: str) -> go.Scatter:
    return go.Scatter(
        x=[at_s / SECONDS_PER_HOUR for at_s, _ in events],
        y=[what_happened(text) for _, text in events],
        text=[text for _, text in events],
        mode="markers",
        marker={"color": colour, "size": 7, "symbol": "line-ns-open"},
        showlegend=False,
        hovertemplate="%{x:.3f} h: %{text}<extra></extra>",
    )


def _truth_line(truth: Sequence[Truth], quantity: Quantity, colour: str, name: str) -> go.Scatter:
    return go.Scatter(
        x=[instant.virtual_s / SECONDS_PER_HOUR for instant in truth],
        y=[getattr(instant, quantity.attribute) for instant in truth],
        mode="lines",
        line={"color": colour, "width": 1},
        opacity=0.45,
        name=f"{name}: plant model",
        showlegend=quantity is QUANTITIES[0],
        hoverinfo="skip",
    )


def _markers(
    points: Sequence[Point], quantity: Quantity, colour: str, name: str, symbol: str, *, show_legend: bool
) -> go.Scatter:
    return go.Scatter(
        x=[point.virtual_s / SECONDS_PER_HOUR for point in points],
        y=[getattr(point, quantity.attribute) for point in points],
        text=[point.key for point in points],
        mode="markers",
        marker={"color": colour, "size": 5, "symbol": symbol},
        name=name,
        showlegend=show_legend,
        hovertemplate="reading %{text}<br>%{x:.3f} h: %{y}<extra></extra>",
    )


def _verdict(report: RunReport) -> str:
    grade = "good" if report.verdict.conserved else "bad"
    return f'<p class="{grade}">{escape(conclusion(report.verdict))}</p>'


def _rows(report: RunReport) -> str:
    facts = {name: value for name, value in summary(report).items() if not isinstance(value, list)}
    return "".join(
        f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in facts.items()
    )


def _findings(report: RunReport) -> str:
    dropped = [f"device {drop.device_id} reading {drop.key}: {drop.reason}" for drop in report.verdict.dropped]
    return _list("<h2>Findings</h2>{}", list(map(str, report.verdict.findings))) + _list(
        f"<details><summary>{len(dropped)} dropped by the board itself</summary>{{}}</details>", dropped
    )


def _list(frame: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return frame.format(f"<ol>{items}</ol>") if items else ""


def title_of(hours: float) -> str:
    """What a run of so many hours is called: whole days are virtual ones."""
    days = round(hours / 24)
    if days and hours == 24 * days:
        return "a virtual day" if days == 1 else f"{days} virtual days"
    return f"{hours:.3g} hours"


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>PlantKeeper: {title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; color: #222; }}
dl {{ columns: 17rem auto; column-gap: 2.5rem; margin: 0; }}
dl div {{ display: flex; justify-content: space-between; gap: 1rem; break-inside: avoid; }}
dl div {{ border-bottom: 1px solid #eee; }}
dt {{ color: #555; white-space: nowrap; }}
dd {{ margin: 0; font-variant-numeric: tabular-nums; overflow: hidden; text-overflow: ellipsis; }}
.good {{ color: #17693a; font-weight: 600; }}
.bad {{ color: #b00020; font-weight: 600; }}
</style>
</head>
<body>
<h1>PlantKeeper: {title}</h1>
{verdict}
<dl>{rows}</dl>
{findings}
<h2>Readings over virtual time</h2>
{plots}
</body>
</html>
"""
