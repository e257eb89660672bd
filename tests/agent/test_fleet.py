"""A door takes a roll-out's step, or has what it had before: kits by the real edgeface-slot."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.agent import fleet_fetch
from edgeface.errors import SiteError
from tests.agent.fleet_board import (
    ILL,
    Board,
    FileServer,
    finished,
    installed,
    kill,
    kill_programs,
    take,
)
from tests.boards.slot.kits import FAIL, PASS, folder_in_memory, make_kit, status
from tests.boards.slot.test_signed import key_pair, sign
from tests.door.doors import eventually
from tests.site.kit_archives import pack

DONE = {"rollout": 1, "action": "take", "state": "done", "text": "done"}
SLOW = "open(os.environ['HOME'] + '/testing', 'w').close(); time.sleep(0.4); "


@pytest.fixture(scope="module")
def kits(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kits")
    made = {
        "1.0": make_kit(folder, version="1.0"),
        "2.0": make_kit(folder, version="2.0"),
        "slow": make_kit(folder, version="2.5", selftest=SLOW + PASS),
        "bad": make_kit(folder, version="3.0", selftest=FAIL),
        "ill": make_kit(folder, version=ILL),
    }
    made["slots"] = installed(made["1.0"], folder / "slots")
    return {
        **made,
        **{f"{n}.tar": pack(kit, folder / f"{n}.tar") for n, kit in made.items() if n != "slots"},
    }


@pytest.fixture
def board(kits, monkeypatch) -> Iterator[Board]:
    with folder_in_memory() as folder:
        made = Board(folder / "door", slots=kits["slots"])
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def serve() -> Iterator[object]:
    servers: list[FileServer] = []

    def start(file: Path) -> FileServer:
        servers.append(FileServer(file))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_kit_is_installed_and_the_door_runs_it(board, kits, serve):
    server = serve(kits["2.0.tar"])
    report = take(board, server, server.task())
    assert report == DONE
    assert (board.current, board.running) == ("2.0", "2.0")
    assert status(board.root)["confirmed"] == "b"
    assert sorted(os.listdir(board.folder / "fleet")) == ["state.json"]


def test_the_site_may_have_a_door_go_back_later_and_only_once(board, kits, serve):
    server = serve(kits["2.0.tar"])
    take(board, server, server.task())
    report = take(board, server, server.task(action="back"))
    assert (report["state"], report["text"]) == ("done", "went back")
    assert (board.current, board.running) == ("1.0", "1.0")
    again = take(board, server, server.task(action="back"))
    assert again == report and board.current == "1.0"


def test_number_that_a_site_gives_again_is_another_roll_out(board, kits, serve):
    server = serve(kits["bad.tar"])
    assert take(board, server, server.task())["state"] == "failed"
    server = serve(kits["2.0.tar"])
    fleet = board.fleet(server.url)
    fleet.start()
    fleet.ask(server.task())
    assert eventually(lambda: fleet.report() == DONE, within_s=60)
    fleet.close()
    assert board.current == "2.0"


def test_kit_that_fails_its_self_test_leaves_the_old_version(board, kits, serve):
    server = serve(kits["bad.tar"])
    report = take(board, server, server.task())
    assert report["state"] == "failed" and "cosine 0.5, expected 0.99" in report["text"]
    assert (board.current, board.running) == ("1.0", "1.0")


def test_kit_with_which_the_door_is_unhealthy_is_rolled_back(board, kits, serve):
    server = serve(kits["ill.tar"])
    report = take(board, server, server.task())
    assert report["state"] == "failed"
    assert report["text"] == "new fault: model: it computes nonsense"
    assert (board.current, board.running) == ("1.0", "1.0")


def test_kit_whose_agent_does_not_start_is_rolled_back(board, kits, serve):
    server = serve(kits["2.0.tar"])
    report = take(board, server, server.task(), restart_agent=["/bin/false"])
    assert report["state"] == "failed" and "/bin/false ended with 1" in report["text"]
    assert "its agent does not come up" in report["text"]  # in the old version neither
    assert (board.current, board.running) == ("1.0", "1.0")


def test_download_goes_on_where_it_was_cut_off(board, kits, serve, monkeypatch):
    monkeypatch.setattr("edgeface.agent.fleet._ASK_S", 0.01)
    server = serve(kits["2.0.tar"])
    server.cuts = [1000, 20_000]
    assert take(board, server, server.task())["state"] == "done"
    assert server.asked == [0, 1000, 21_000]


def test_step_that_is_not_asked_for_any_more_ends(board, kits, serve, monkeypatch):
    monkeypatch.setattr("edgeface.agent.fleet._ASK_S", 0.01)
    server = serve(kits["2.0.tar"])
    server.cuts = [10] * 10_000
    fleet = board.fleet(server.url)
    fleet.start()
    fleet.ask(server.task())
    assert eventually(lambda: len(server.asked) >= 3) and fleet.works()
    (part,) = (board.folder / "fleet").glob("*.part")
    assert part.stat().st_mode & 0o777 == 0o600
    fleet.ask(None)
    report = finished(fleet, server.task())
    fleet.close()
    assert not fleet.works()
    assert report["state"] == "failed" and "does not ask for it any more" in report["text"]
    assert board.current == "1.0"


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"bytes": 1000}])
def test_file_that_is_not_the_one_that_was_said_is_refused(board, kits, serve, change):
    server = serve(kits["2.0.tar"])
    report = take(board, server, server.task(**change))
    assert report["state"] == "failed" and "damaged on the way" in report["text"]
    assert board.current == "1.0" and os.listdir(board.folder / "fleet") == ["state.json"]


def test_disk_without_room_is_said_and_nothing_is_fetched(board, kits, serve):
    server = serve(kits["2.0.tar"])
    report = take(board, server, server.task(bytes=1 << 50))
    assert report["state"] == "failed" and "make room first; nothing was changed" in report["text"]
    assert server.asked == [] and board.current == "1.0"


def test_archive_that_leads_out_of_its_folder_is_refused(board, kits, serve, tmp_path):
    archive = tmp_path / "kit.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(kits["2.0"], "kit")
        tar.add(kits["2.0"] / "kit.json", "kit/../../../evil")
    server = serve(archive)
    report = take(board, server, server.task())
    assert report["state"] == "failed" and "expected plain files and folders" in report["text"]


def test_kit_that_was_changed_after_packing_is_refused_by_edgeface_slot(
    board, kits, serve, tmp_path
):
    kit = Path(shutil.copytree(kits["2.0"], tmp_path / "kit"))
    (kit / "bundle.efb").write_bytes(b"another bundle")
    server = serve(pack(kit, tmp_path / "kit.tar"))
    report = take(board, server, server.task())
    assert report["state"] == "failed" and "bundle.efb is damaged" in report["text"]
    assert board.current == "1.0"


def test_board_with_keys_takes_signed_kits_only(board, kits, serve, tmp_path):
    key = key_pair(board.root / "etc/edgeface/keys", "ours")
    server = serve(kits["2.0.tar"])
    report = take(board, server, server.task())
    assert report["state"] == "failed" and "takes signed kits only" in report["text"]
    kit = Path(shutil.copytree(kits["2.0"], tmp_path / kits["2.0"].name))
    sign(kit, key)
    server = serve(pack(kit, tmp_path / "signed.tar"))
    assert take(board, server, server.task(rollout=2))["state"] == "done"
    assert board.running == "2.0"


def test_door_takes_only_the_kinds_that_its_owner_allows(board, kits, serve):
    server = serve(kits["2.0.tar"])
    report = take(board, server, server.task(), kinds=["config"])
    assert report["state"] == "failed" and "takes no kit" in report["text"]
    assert server.asked == []


def test_door_that_does_not_answer_is_not_begun_with(board, kits, serve, monkeypatch):
    monkeypatch.setattr("edgeface.agent.fleet._ASK_S", 0.01)
    server = serve(kits["2.0.tar"])
    (board.folder / "running").unlink()
    report = take(board, server, server.task())
    assert report["state"] == "failed" and "the door does not answer" in report["text"]
    assert board.current == "1.0"


def test_going_back_from_what_was_never_taken_is_refused(board, kits, serve):
    server = serve(kits["2.0.tar"])
    report = take(board, server, server.task(action="back", rollout=7))
    assert report["state"] == "failed" and "nothing of this roll-out" in report["text"]
    assert board.current == "1.0"


@pytest.mark.parametrize("phase", ["fetch", "apply", "settle", "renew"])
def test_agent_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(board, kits, serve, phase):
    server = serve(kits["slow.tar"])
    server.cuts = [5000] if phase == "fetch" else []
    held = {"settle": {"settle_s": 60.0}, "renew": {"restart_self": ["/bin/sleep", "60"]}}
    process = board.agent(server.url, server.task(), **held.get(phase, {}))
    assert eventually(lambda: board.phase() == phase, within_s=60)
    kill(process)
    assert board.current in ("1.0", "2.5")
    report = board.report_of(board.agent(server.url, server.task()))
    assert (report, board.current, board.running) == (DONE, "2.5", "2.5")
    assert status(board.root)["slots"]["a"]["version"] == "1.0"  # the way back is there


def test_program_that_is_killed_alone_is_run_again(board, kits, serve):
    server = serve(kits["slow.tar"])
    process = board.agent(server.url, server.task())
    assert eventually((board.folder / "testing").exists, within_s=60)
    kill_programs(process)
    assert board.report_of(process) == DONE
    assert (board.current, board.running) == ("2.5", "2.5")


def test_agent_that_is_killed_while_going_back_goes_on_with_it(board, kits, serve):
    server = serve(kits["ill.tar"])
    restart = board.folder / "restart"
    text = restart.read_text()
    held = "grep -q '\"back\"' fleet/state.json && sleep 60\n"
    restart.write_text(text.replace("exit 1\n", f"exit 1\n{held}", 1))  # after its "cd"
    process = board.agent(server.url, server.task())
    assert eventually(lambda: board.phase() == "back" and board.current == "1.0", within_s=60)
    kill(process)
    assert board.running == ILL
    restart.write_text(text)
    report = board.report_of(board.agent(server.url, server.task()))
    assert (report["state"], board.current, board.running) == ("failed", "1.0", "1.0")
    assert report["text"] == "new fault: model: it computes nonsense"


def test_agent_that_is_killed_alone_waits_for_the_edgeface_slot_it_left_behind(board, kits, serve):
    server = serve(kits["slow.tar"])
    process = board.agent(server.url, server.task())
    assert eventually((board.folder / "testing").exists, within_s=60)
    process.kill()
    process.join()
    report = board.report_of(board.agent(server.url, server.task()))
    assert (report, board.current, board.running) == (DONE, "2.5", "2.5")
    assert status(board.root)["slots"]["a"]["version"] == "1.0"


def test_step_that_is_cut_off_again_and_again_is_given_up(board, kits, serve):
    server = serve(kits["slow.tar"])
    for _ in range(3):
        process = board.agent(server.url, server.task())
        assert eventually((board.folder / "testing").exists, within_s=60)
        kill(process)
        (board.folder / "testing").unlink()
    report = board.report_of(board.agent(server.url, server.task()))
    assert (report["state"], report["text"]) == ("failed", "cut off 3 times")
    assert (board.current, board.running) == ("1.0", "1.0")


def test_file_is_not_fetched_onto_the_last_of_the_disk(tmp_path):
    with pytest.raises(SiteError, match="make room first"):
        fleet_fetch.refuse_full(tmp_path, need=1 << 60)
