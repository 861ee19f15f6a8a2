"""What the studies under benchmarks/ share: the tool, tables and CSV files."""

import csv
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMPILER = "riscv64-unknown-elf-gcc"
SKIPPED = 77  # exit status


def stop(message):
    sys.exit(f"{pathlib.Path(sys.argv[0]).resolve().parent.name}: {message}")


def need_compiler():
    if shutil.which(COMPILER) is None:
        print(f"skipped, there is no {COMPILER}")
        sys.exit(SKIPPED)


def heddle():
    named = os.environ.get("HEDDLE")
    for candidate in [named] if named else [ROOT / "build/src/main/heddle", shutil.which("heddle")]:
        if candidate and os.access(candidate, os.X_OK):
            return str(pathlib.Path(candidate).resolve())
    stop("there is no heddle: build it, or give its path in HEDDLE")


def call(tool, *arguments, accept=None):
    """Standard output, or None where the tool fails with the text `accept`; the study ends where it fails otherwise."""
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode == 1 and accept and accept in done.stderr:
        return None
    if done.returncode != 0:
        stop(f"{pathlib.Path(tool).name} {' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def table(header, rows):
    cells = [header] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))).rstrip())
    print()


def write_csv(path, header, rows):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
