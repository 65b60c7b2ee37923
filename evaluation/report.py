"""The numbers of many subjects as a table, a CSV and a JSON file."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from evaluation.bootstrap import Interval, bootstrap_mean
from evaluation.measurement import Measurement
from utils.errors import one_line
from utils.files import write_text


@dataclass
class Results:
    """All that one run of evaluate.py found out."""

    settings: dict[str, object]  # protocol, folders, frame, seed, versions
    subject_of: dict[str, str]  # name -> person; several views of one person share it
    measured: dict[str, Measurement] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # name -> reason, one line

    @property
    def columns(self) -> list[str]:
        """All "block/column" names, in the order of the first subject that has them."""
        return list(dict.fromkeys(key for one in self.measured.values() for key in one.values))

    @property
    def exit_code(self) -> int:
        """0 only when everything was measured and nothing looks wrong."""
        return 1 if self.failures or any(one.warnings for one in self.measured.values()) else 0

    def summary(self, seed: int) -> dict[str, Interval]:
        """Column -> mean over all views, with an interval over people."""
        people = [self.subject_of[name] for name in self.measured]
        return {
            column: bootstrap_mean([one.values.get(column, math.nan) for one in self.measured.values()], people, seed)
            for column in self.columns
        }


def _digits(column: str) -> int:
    return 2 if column.endswith(("_%", "_mm", "_deg")) else 4


def _cell(value: float | None, column: str) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{_digits(column)}f}"


def table(results: Results, summary: dict[str, Interval]) -> str:
    """One block of columns after another: a row per subject, then the mean and its 95 % interval."""
    blocks: dict[str, list[str]] = {}
    for column in results.columns:
        blocks.setdefault(column.split("/")[0], []).append(column)
    texts = []
    for block, columns in blocks.items():
        rows = [[block, *(column.split("/")[1] for column in columns)]]
        for name, one in results.measured.items():
            rows.append([one_line(name), *(_cell(one.values.get(column), column) for column in columns)])
        rows.append(["mean", *(_cell(summary[column].mean, column) for column in columns)])
        for label, bound in (("95 % low", "low"), ("95 % high", "high")):
            rows.append([label, *(_cell(getattr(summary[column], bound), column) for column in columns)])
        texts.append(_aligned(rows, rules=(1, len(rows) - 3)))
    return "\n\n".join(texts)


def _aligned(rows: list[list[str]], rules: tuple[int, ...]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    for position in sorted(set(rules), reverse=True):
        lines.insert(position, "-" * len(lines[0]))
    return "\n".join(lines)


def write_csv(path: Path, results: Results, summary: dict[str, Interval]) -> None:
    """One line per subject, failures included, then the mean and its interval."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "subject", "status", *results.columns])
    for name in sorted(set(results.measured) | set(results.failures)):
        subject = results.subject_of.get(name, name)
        if name in results.failures:
            writer.writerow([name, subject, f"failed: {results.failures[name]}", *([""] * len(results.columns))])
            continue
        one = results.measured[name]
        status = "; ".join(["ok"] if not one.warnings else [f"warning: {warning}" for warning in one.warnings])
        writer.writerow([name, subject, status, *(_csv_cell(one.values.get(column)) for column in results.columns)])
    for label in ("mean", "low", "high"):
        row = [_csv_cell(getattr(summary[column], label)) for column in results.columns]
        writer.writerow([label if label == "mean" else f"95 % {label}", "", "", *row])
    write_text(path, text.getvalue())


def _csv_cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.9g}"


def _plain(value: object) -> object:
    """NaN as null: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, results: Results, summary: dict[str, Interval]) -> None:
    """Settings, summary, every subject and every failure."""
    content = {
        "settings": results.settings,
        "counts": {"measured": len(results.measured), "failed": len(results.failures)},
        "summary": {column: asdict(interval) for column, interval in summary.items()},
        "subjects": {
            name: {"subject": results.subject_of[name], "values": one.values, "warnings": one.warnings}
            for name, one in results.measured.items()
        },
        "failures": results.failures,
    }
    write_text(path, json.dumps(_plain(content), indent=1, allow_nan=False) + "\n")
