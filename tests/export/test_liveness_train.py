"""The liveness network learns, resumes, stays small, and survives export and INT8."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export import liveness_measure as measure
from export import liveness_train
from export.liveness_data import fresh
from export.liveness_frame import Frame
from export.liveness_quantise import FUSION, export_float, network_inputs
from export.liveness_teacher import Pair
from export.liveness_train import Recipe, Stream, Trainer, load_network, train
from export.nets.liveness import LUMA, LivenessNet, cosine_filters, multiply_adds
from export.quantise import quantise
from tests.export.test_liveness_simulator import photos  # noqa: F401  (a fixture)

LARGEST = 15.5e6
OPERATORS = {
    "Conv",
    "Relu",
    "Add",
    "Concat",
    "Softmax",
    "Slice",
    "Mul",
    "Flatten",
    "Constant",
    "Identity",
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(steps=20, batch=8, frames=2, pool=24)


@pytest.fixture(scope="module")
def samples(photos):  # noqa: F811
    return fresh(photos, np.random.default_rng(1), frames=8)


def _trainer(recipe: Recipe) -> Trainer:
    torch.manual_seed(0)
    return Trainer(recipe, opinions=np.ones(6, np.float32))


def test_network_is_small_and_has_only_operators_that_int8_runs_fast(tmp_path) -> None:
    net = LivenessNet().eval()
    assert multiply_adds(net) <= LARGEST
    export_float(net, tmp_path / "float.onnx")
    graph = onnx.load(str(tmp_path / "float.onnx")).graph
    assert {node.op_type for node in graph.node} <= OPERATORS


def test_attention_weights_sum_to_one_and_mix_the_branches() -> None:
    torch.manual_seed(1)
    fusion = LivenessNet().eval().fusion
    vectors = [torch.randn(5, 96, 1, 1) for _ in range(3)]
    with torch.no_grad():
        weights = fusion.weights(vectors)
        fused = fusion(vectors)
        mixed = (weights.flatten(1)[:, :, None] * torch.stack(vectors, 1).flatten(2)).sum(1)
        residual = mixed + torch.relu(mixed @ fusion.mix.weight.flatten(1).T + fusion.mix.bias)
    assert torch.allclose(weights.sum(1), torch.ones(5, 1, 1))
    assert torch.allclose(fused.flatten(1), residual, atol=1e-5)


def test_cosine_filters_are_orthonormal_and_blind_to_flat_colour() -> None:
    filters = cosine_filters(14)
    rows = filters[:14].reshape(14, 64)
    assert np.allclose(rows @ rows.T, np.eye(14), atol=1e-5)
    assert np.array_equal(filters[14:], -filters[:14])
    assert np.abs(rows.sum(1)).max() < 1e-5


def test_frozen_filters_stay_and_the_loss_falls(recipe, samples) -> None:
    trainer = _trainer(recipe)
    losses = [trainer.train_step(samples) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]
    texture = trainer.net.texture
    assert torch.equal(texture.luma.weight.flatten(), torch.tensor(LUMA))
    assert np.array_equal(texture.transform.weight.detach().numpy(), cosine_filters(14))


def test_teachers_doubt_lowers_the_target_of_live_photos_only(recipe, samples) -> None:
    sure = _trainer(recipe)
    unsure = Trainer(recipe, opinions=np.zeros(6, np.float32))
    live = samples.live > 0
    assert (unsure.targets(samples)[live] < sure.targets(samples)[live]).all()
    assert torch.equal(unsure.targets(samples)[~live], sure.targets(samples)[~live])


def test_resumed_run_goes_on_with_its_weights_and_step(photos, recipe, tmp_path) -> None:  # noqa: F811
    path = tmp_path / "run.pt"
    first = _trainer(recipe)
    train(first, Stream(photos, recipe), until=3, checkpoint=path, save_every=2)
    again = _trainer(replace(recipe))
    again.load(path)
    assert again.step == 3
    for name, value in first.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name]), name
    train(again, Stream(photos, recipe), until=4, checkpoint=path, save_every=2)
    assert load_network(path).training is False


def test_batches_of_a_step_are_the_same_in_every_run(photos, recipe) -> None:  # noqa: F811
    first, second = (Stream(photos, recipe) for _ in range(2))
    for step in range(3):
        assert np.array_equal(first.batch(step).tight, second.batch(step).tight)


def test_recipe_with_an_unknown_key_is_refused(tmp_path) -> None:
    (tmp_path / "r.json").write_text(json.dumps({"steps": 3, "speed": 1}))
    with pytest.raises(ValueError, match="unknown keys .*speed"):
        Recipe.read(tmp_path / "r.json")


def test_shipped_recipe_can_be_read(repository) -> None:
    assert Recipe.read(repository / "export/recipes/liveness.json").steps > 1000


def test_files_give_what_the_network_gives(samples, tmp_path) -> None:
    torch.manual_seed(2)
    net, inputs = LivenessNet().train(), network_inputs(samples)
    tight, wide = (torch.from_numpy(inputs[name]) for name in ("tight", "wide"))
    for _ in range(30):  # BatchNorm's statistics, without which ranges explode
        net(tight, wide)
    net.eval()
    with torch.no_grad():
        expected = net(tight, wide).numpy()
    export_float(net, tmp_path / "float.onnx")
    batches = [{name: rows[i : i + 4] for name, rows in inputs.items()} for i in range(0, 16, 4)]
    quantise(
        tmp_path / "float.onnx", target=tmp_path / "int8.onnx", batches=batches, keep_float=FUSION
    )
    found = {
        name: onnxruntime.InferenceSession(
            str(tmp_path / f"{name}.onnx"), providers=["CPUExecutionProvider"]
        ).run(None, inputs)[0]
        for name in ("float", "int8")
    }
    assert np.allclose(found["float"], expected, atol=1e-4)
    assert np.abs(found["int8"] - expected).mean() < 0.3 * np.ptp(expected)
    kinds = [n.op_type for n in onnx.load(str(tmp_path / "int8.onnx")).graph.node]
    assert kinds.count("QuantizeLinear") > 30 and "Sum" in kinds


def test_error_rates_are_those_of_iso_30107() -> None:
    live, attacks = np.array([0.2, 0.6, 0.8, 0.9]), np.array([0.1, 0.3, 0.7])
    assert measure.bpcer(live, 0.6) == 0.25
    assert measure.apcer(attacks, 0.6) == pytest.approx(1 / 3)
    assert measure.threshold_at(live, 0.25) == 0.6
    assert measure.bpcer(live, measure.threshold_at(live, 0.25)) <= 0.25
    assert measure.equal_error(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == 0
    assert measure.equal_error(np.array([0.1, 0.9]), np.array([0.1, 0.9])) == pytest.approx(0.5)


@pytest.mark.parametrize("scores", [[], [np.nan, 0.5]])
def test_rates_of_nothing_or_nan_are_refused(scores) -> None:
    with pytest.raises(ValueError, match="expected one or more, all finite"):
        measure.apcer(np.array(scores), 0.5)


def test_teachers_state_dict_is_read_as_its_makers_meant_it(data_folder, pipeline) -> None:
    """Their own sample photos, the only ones with a known answer."""
    pair, frames = Pair(data_folder / "teachers"), []
    for name in ("image_T1.jpg", "image_F1.jpg", "image_F2.jpg"):
        image = cv2.imread(str(data_folder / "liveness" / name))
        face = pipeline.largest_face(image)
        frames.append(Frame(image, np.float32(face.box), face.landmarks))
    live, print_, phone = pair.scores(frames)
    assert live > 0.9
    assert max(print_, phone) < 0.5


def test_command_trains_a_few_steps_and_writes_a_checkpoint(data_folder, tmp_path) -> None:
    import argparse

    parser = argparse.ArgumentParser()
    liveness_train.add_arguments(parser)
    path = tmp_path / "net.pt"
    words = ["--data", str(data_folder), "--checkpoint", str(path), "--photos", "20"]
    assert liveness_train.run(parser.parse_args([*words, "--stop-after", "1"])) == 0
    assert multiply_adds(load_network(path)) <= LARGEST
