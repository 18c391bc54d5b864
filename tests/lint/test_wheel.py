"""What is installed is what is here: the packages, and the SQL that they carry into a database."""

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
CARRIED = {
    "orchestrator": "orchestrator",
    "worker_shim": "worker_shim",
    "sql": "orchestrator/_sql",
    "migrations": "orchestrator/_migrations",
}
"""Folder here, folder in the wheel."""


def test_the_wheel_holds_both_packages_and_all_sql_and_nothing_else(tmp_path: Path) -> None:
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])

    with zipfile.ZipFile(wheel) as archive:
        installed = {name for name in archive.namelist() if ".dist-info/" not in name}

    here = {
        f"{target}/{path.relative_to(ROOT / folder)}"
        for folder, target in CARRIED.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert installed == here
