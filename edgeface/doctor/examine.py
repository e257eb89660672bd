"""All checks, in the order in which their causes meet."""

from __future__ import annotations

from pathlib import Path

from edgeface.board import Board
from edgeface.board_cpu import read_cpu_info
from edgeface.board_root import board_root
from edgeface.board_sensors import Sensors
from edgeface.cli_store import configured_gallery
from edgeface.doctor import machine, models, software
from edgeface.doctor.camera import check_cameras
from edgeface.doctor.finding import FAIL, OK, Finding
from edgeface.doctor.gallery import check_gallery
from edgeface.doctor.npu import check_npu
from edgeface.errors import BoardError


def examine(bundle: str | None = None, *, public_key: str | None = None) -> list[Finding]:
    """Run every check that can run, and return what each found.

    Parameters
    ----------
    bundle, public_key
        As `edgeface.Pipeline.open` takes them.
    """
    root = board_root()
    basics = [
        software.check_python(),
        software.check_packages(),
        software.check_native(),
        software.check_telemetry(),
        machine.check_disk(root),
        machine.check_clock(),
        *check_cameras(root),
        check_gallery(configured_gallery()),
    ]
    try:
        board = Board.detect()
    except BoardError as error:
        remedy = "without knowing the board, the other checks say nothing: correct this first"
        return [Finding("board", FAIL, str(error), remedy), *basics]
    return [_board(board), *_of_board(root, board, bundle, public_key), *basics]


def _board(board: Board) -> Finding:
    cores = ", ".join(f"{len(cluster.cpus)} x {cluster.name}" for cluster in board.clusters)
    model = f" ({board.model})" if board.model else ""
    return Finding("board", OK, f"{board.name}{model}: {cores}")


def _of_board(root: Path, board: Board, path: str | None, public_key: str | None) -> list[Finding]:
    bundle, state = models.check_bundle(path, public_key=public_key)
    sample = Sensors().sample()
    found = [
        machine.check_settings(board),
        *check_npu(root, board, bundle, arch=read_cpu_info(root).arch),
        machine.check_governors(sample),
        machine.check_heat(sample),
        machine.check_memory(root, board, bundle),
        state,
    ]
    if bundle is not None:
        found.append(models.check_choice(bundle, board))
        found.append(models.check_selftest(bundle, public_key=public_key))
        found += models.check_agreement(bundle, board)
    return found
