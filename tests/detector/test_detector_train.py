"""The detector learns, resumes where it stopped, stays small and survives export."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export import detector_train
from export.detector_data import photos_from_arrays
from export.detector_losses import decode_boxes, distance_iou, grid
from export.detector_net import OUTPUT_NAMES, DetectorConfig, DetectorNet, parameter_count
from export.detector_quantise import export_float
from export.detector_stream import batches, scheduled_batch
from export.detector_targets import make_batch
from export.detector_train import Trainer, learning_rate, load_network, train

LARGEST = 150_000
SMALL_STEP = 8  # of seed 1: its canvases are the smallest


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 224, 224, 3), dtype=np.uint8)
    points = [75, 80, 150, 82, 112, 120, 80, 160, 146, 158]
    return photos_from_arrays(images, np.array([[30, 20, 165, 190, *points]] * 6, np.float32))


def new_trainer(*, part: str = "cells") -> Trainer:
    torch.manual_seed(0)
    return Trainer(steps=40, peak=4e-3, device="cpu", config=DetectorConfig(), part=part)


def test_the_network_and_its_file_have_at_most_150_thousand_parameters(tmp_path) -> None:
    net = DetectorNet().eval()
    assert parameter_count(net) <= LARGEST
    export_float(net, tmp_path / "detector.onnx")
    stored = onnx.load(str(tmp_path / "detector.onnx")).graph.initializer
    assert sum(int(np.prod(tensor.dims)) for tensor in stored) <= LARGEST


def test_outputs_cover_three_grids_at_any_multiple_of_32() -> None:
    net = DetectorNet().eval()
    with torch.no_grad():
        outputs = dict(zip(OUTPUT_NAMES, net(torch.zeros(1, 3, 96, 160))))
    for name, channels in (("score", 1), ("box", 4), ("landmark", 10)):
        for stride in (8, 16, 32):
            shape = (1, channels, 96 // stride, 160 // stride)
            assert tuple(outputs[f"{name}_{stride}"].shape) == shape


def test_a_few_training_steps_on_one_batch_lower_box_and_landmark_loss(photos) -> None:
    trainer = new_trainer()
    batch = make_batch(photos, seed=1, step=SMALL_STEP, size=2)
    assert batch.images.shape == (2, 128, 160, 3)
    first = trainer.train_step(batch)
    for _ in range(7):
        last = trainer.train_step(batch)
    for part in ("box", "landmark"):  # the score's target moves: it is the box's own IoU
        assert last[part] < 0.95 * first[part], part


def test_training_the_close_up_branch_lowers_its_loss_and_leaves_the_rest_alone(photos) -> None:
    trainer = new_trainer(part="shape")
    before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    batch = make_batch(photos, seed=1, step=0, size=2, kind="close")
    losses = [trainer.train_step(batch)["shape"] for _ in range(10)]
    assert losses[-1] < 0.9 * losses[0]
    for name, value in trainer.net.state_dict().items():
        if not name.startswith("shape."):
            assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("part", ["cells", "shape"])
def test_a_resumed_run_continues_bit_for_bit(photos, tmp_path, part) -> None:
    make = partial(scheduled_batch, photos, part=part, seed=1, size=1, steps=40)

    def steps(trainer, *, until):
        stream = batches(make, first=trainer.step, workers=0)
        train(trainer, stream, until=until, checkpoint=tmp_path / "run.pt", save_every=2)
        return trainer

    whole = steps(new_trainer(part=part), until=4)
    steps(new_trainer(part=part), until=2)
    resumed = new_trainer(part=part)
    resumed.load(tmp_path / "run.pt")
    assert resumed.step == 2
    steps(resumed, until=4)
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, resumed.net.state_dict()[name]), name
        assert torch.equal(whole.average[name], resumed.average[name]), name


def test_worker_processes_give_the_same_batches_in_the_same_order(photos) -> None:
    make = partial(make_batch, photos, seed=4, size=2)
    alone = batches(make, first=3, workers=0)
    helped = batches(make, first=3, workers=2)
    for _ in range(3):
        np.testing.assert_array_equal(next(alone).images, next(helped).images)
    helped.close()


def test_the_command_line_trains_and_goes_on(data_folder, tmp_path, capsys) -> None:
    parser = argparse.ArgumentParser()
    detector_train.add_arguments(parser)
    checkpoint = tmp_path / "detector.pt"
    base = ["--data", str(data_folder / "fairface224"), "--checkpoint", str(checkpoint)]
    base += ["--photos", "30", "--batch", "2", "--samples", "4", "--workers", "0"]
    assert detector_train.run(parser.parse_args([*base, "--stop-after", "1"])) == 0
    assert detector_train.run(parser.parse_args(base)) == 0
    printed = capsys.readouterr().out
    assert "step 1/2" in printed
    assert "step 2/2" in printed
    assert load_network(checkpoint).config == DetectorConfig()
    shape = tmp_path / "shape.pt"
    more = [*base, "--part", "shape", "--start", str(checkpoint), "--checkpoint", str(shape)]
    assert detector_train.run(parser.parse_args(more)) == 0
    cells, both = (load_network(path).state_dict() for path in (checkpoint, shape))
    assert torch.equal(cells["heads.0.score.weight"], both["heads.0.score.weight"])
    assert not torch.equal(cells["shape.read.weight"], both["shape.read.weight"])


def test_the_learning_rate_warms_up_peaks_and_falls_to_a_hundredth() -> None:
    rates = [learning_rate(step, steps=1000, peak=1.0) for step in range(1000)]
    assert rates[0] < 0.02
    assert max(rates) == pytest.approx(1.0, abs=1e-3)
    assert rates[-1] == pytest.approx(0.01, abs=1e-3)


def test_box_overlap_is_one_for_equal_boxes_and_falls_with_distance() -> None:
    box = torch.tensor([[10.0, 10, 50, 60]])
    iou, diou = distance_iou(box, box)
    assert iou.item() == pytest.approx(1)
    assert diou.item() == pytest.approx(1)
    apart = distance_iou(box, box + 100)
    assert apart[0].item() == 0
    assert apart[1].item() < 0


def test_a_raw_box_of_zeros_is_one_stride_around_its_cell() -> None:
    centres, strides = grid(32, 64, device="cpu")
    boxes = decode_boxes(torch.zeros(len(centres), 4), centres, strides)
    np.testing.assert_allclose(boxes[0].numpy(), [0, 0, 8, 8])
    np.testing.assert_allclose(boxes[-1].numpy(), [32, 0, 64, 32])


def test_the_float_onnx_file_gives_the_networks_outputs_at_another_size(tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = DetectorNet().eval()
    export_float(net, tmp_path / "detector.onnx")
    image = torch.rand(1, 3, 96, 128)
    session = onnxruntime.InferenceSession(str(tmp_path / "detector.onnx"))
    found = session.run(None, {"image": image.numpy()})
    with torch.no_grad():
        expected = net(image)
    assert [o.name for o in session.get_outputs()] == list(OUTPUT_NAMES)
    for name, a, b in zip(OUTPUT_NAMES, found, expected):
        np.testing.assert_allclose(a, b.numpy(), atol=1e-4, err_msg=name)
