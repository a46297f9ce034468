"""Whether Python reads the reports that an app has written: ``python read_reports.py FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.output.run import run_summary, run_tables
from mobilevit_edge.formats.report import read_report


def main() -> None:
    """Read, show and summarize all, or say which is wrong."""
    files = sorted(Path(sys.argv[1]).glob("*.json"))
    if not files:
        raise SystemExit("the app wrote no report")
    for file in files:
        for run in read_report(file).runs:
            if not run_tables(run) or not run_summary(run):
                raise SystemExit(f"{file.name} shows nothing")
    print(f"{len(files)} reports are valid")


if __name__ == "__main__":
    main()
