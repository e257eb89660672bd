"""Losses against their formulas written out in NumPy, and against finite differences."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from export.losses import ArcFace, BatchHardTriplet, Distillation, Softmax, Staged, angles
from export.objectives import SCHEDULES, Objective, ObjectiveConfig

LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def embeddings(count: int = 6, dim: int = 5) -> torch.Tensor:
    return torch.randn(count, dim, dtype=torch.float64, requires_grad=True)


def arcface(*, classes: int = 3, dim: int = 5, **options) -> ArcFace:
    return ArcFace(classes, dim, **options).double()


def unit(x: torch.Tensor) -> np.ndarray:
    rows = x.detach().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_arcface_is_its_formula() -> None:
    x, loss = embeddings(), arcface(scale=16.0, margin=0.4)
    theta = np.arccos(unit(x) @ unit(loss.weight).T)
    assert (theta + 0.4 < math.pi).all()  # elsewhere the formula goes on differently
    expected = []
    for row, label in zip(theta, LABELS.numpy()):
        own = math.exp(16 * math.cos(row[label] + 0.4))
        others = sum(math.exp(16 * math.cos(t)) for j, t in enumerate(row) if j != label)
        expected.append(-math.log(own / (own + others)))
    assert loss(x, LABELS).item() == pytest.approx(np.mean(expected), rel=1e-9)


def test_arcface_without_margin_is_softmax_over_scaled_cosines() -> None:
    x, loss = embeddings(), arcface(scale=30.0, margin=0.0)
    logits = 30 * F.normalize(x) @ F.normalize(loss.weight).T
    torch.testing.assert_close(loss(x, LABELS), F.cross_entropy(logits, LABELS))


def test_arcface_keeps_falling_beyond_pi_and_easy_margin_leaves_obtuse_angles_alone() -> None:
    angle = torch.linspace(0.01, math.pi - 0.01, 500, dtype=torch.float64)
    hard = arcface(margin=0.5).with_margin(angle.cos())
    assert (hard.diff() < 0).all()
    early = angle < math.pi - 0.5
    torch.testing.assert_close(hard[early], (angle[early] + 0.5).cos())
    easy = arcface(margin=0.5, easy_margin=True).with_margin(angle.cos())
    obtuse = angle > math.pi / 2
    torch.testing.assert_close(easy[obtuse], angle[obtuse].cos())
    torch.testing.assert_close(easy[~obtuse], (angle[~obtuse] + 0.5).cos())


@pytest.mark.parametrize("easy_margin", [False, True])
def test_arcface_gradient_is_that_of_finite_differences(easy_margin) -> None:
    loss = arcface(scale=8.0, margin=0.5, easy_margin=easy_margin)
    assert gradcheck(lambda x, w: _with_weight(loss, x, w), (embeddings(), loss.weight))


def _with_weight(loss: ArcFace, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.func.functional_call(loss, {"weight": weight}, (x, LABELS))


def test_arcface_gradient_is_finite_where_the_angle_is_zero_or_pi() -> None:
    loss = arcface(margin=0.5)
    for sign in (1, -1):
        x = (sign * loss.weight[LABELS]).detach().requires_grad_()
        loss(x, LABELS).backward()
        assert torch.isfinite(x.grad).all()


def test_softmax_is_cross_entropy_of_a_linear_layer() -> None:
    x, loss = embeddings(), Softmax(3, 5).double()
    logits = x @ loss.classify.weight.T + loss.classify.bias
    expected = -logits.log_softmax(1)[torch.arange(6), LABELS].mean()
    torch.testing.assert_close(loss(x, LABELS), expected)


def brute_force_gaps(rows: np.ndarray, labels: list[int]) -> list[float]:
    gaps = []
    for a in range(len(rows)):
        distance = [1 - float(rows[a] @ row) for row in rows]
        positives = [d for j, d in enumerate(distance) if labels[j] == labels[a] and j != a]
        negatives = [d for j, d in enumerate(distance) if labels[j] != labels[a]]
        if positives and negatives:
            gaps.append(max(positives) - min(negatives))
    return gaps


@pytest.mark.parametrize("labels", [[0, 0, 0, 1, 1, 2, 3, 3], [5, 5, 5, 5, 9, 9, 9, 9]])
def test_triplet_takes_the_hardest_by_brute_force_and_ignores_singletons(labels) -> None:
    x = embeddings(8)
    gaps = np.array(brute_force_gaps(unit(x), labels))
    assert len(gaps) == 7 + (2 not in labels)
    targets = torch.tensor(labels)
    hard, soft = BatchHardTriplet(margin=0.3), BatchHardTriplet(margin=None, sharpness=6.0)
    assert hard(x, targets).item() == pytest.approx(np.maximum(gaps + 0.3, 0).mean())
    assert soft(x, targets).item() == pytest.approx(np.log1p(np.exp(6 * gaps)).mean() / 6)


@pytest.mark.parametrize("margin", [0.7, None])
def test_triplet_gradient_is_that_of_finite_differences(margin) -> None:
    loss = BatchHardTriplet(margin=margin)
    assert gradcheck(lambda x: loss(x, LABELS), (embeddings(),))


@pytest.mark.parametrize("labels", [[4], [1, 1, 1], [1, 2, 3]])
def test_triplet_of_a_batch_without_triplets_is_zero_and_can_be_differentiated(labels) -> None:
    x = embeddings(len(labels))
    loss = BatchHardTriplet()(x, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0 and (x.grad == 0).all()


def brute_force_relations(student: np.ndarray, teacher: np.ndarray) -> tuple[float, float]:
    def huber(a: float, b: float) -> float:
        error = abs(a - b)
        return 0.5 * error**2 if error <= 1 else error - 0.5

    def relative(rows: np.ndarray) -> dict:
        found = {
            (i, j): np.linalg.norm(rows[i] - rows[j])
            for i, j in itertools.permutations(range(len(rows)), 2)
        }
        mean = np.mean(list(found.values()))
        return {pair: value / mean for pair, value in found.items()}

    def corner(rows: np.ndarray, i: int, j: int, k: int) -> float:
        a, b = rows[j] - rows[i], rows[k] - rows[i]
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    ours, theirs = relative(student), relative(teacher)
    triples = list(itertools.permutations(range(len(student)), 3))
    return (
        float(np.mean([huber(ours[p], theirs[p]) for p in ours])),
        float(np.mean([huber(corner(student, *t), corner(teacher, *t)) for t in triples])),
    )


def test_distillation_is_cosine_plus_distances_plus_angles() -> None:
    student, teacher = embeddings(), torch.randn(6, 5, dtype=torch.float64)
    a, b = unit(student), unit(teacher)
    distance, angle = brute_force_relations(a, b)
    parts = {
        "cosine": 1 - (a * b).sum(1).mean(),
        "distance": distance,
        "angle": angle,
    }
    nothing = dict.fromkeys(parts, 0.0)
    for name, expected in parts.items():
        loss = Distillation(**{**nothing, name: 3.0})
        assert loss(student, teacher).item() == pytest.approx(3 * expected, rel=1e-6), name
    assert gradcheck(lambda x: Distillation()(x, teacher), (student,))


def test_relations_do_not_ask_for_equal_lengths_but_the_cosine_does() -> None:
    student, teacher = embeddings(6, 4), torch.randn(6, 9, dtype=torch.float64)
    assert Distillation(cosine=0)(student, teacher).item() > 0
    with pytest.raises(ValueError, match=r"\(6, 4\).*\(6, 9\).*with cosine=0"):
        Distillation()(student, teacher)


def test_distillation_of_degenerate_batches_is_finite() -> None:
    alike = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    for student in (alike, embeddings(1, 3)):
        loss = Distillation()(student, torch.randn(len(student), 3, dtype=torch.float64))
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(student.grad).all()
        assert student.grad.abs().max() < 100
    assert torch.equal(angles(alike), torch.zeros(4, 4, 4, dtype=torch.float64))


def test_a_perfect_student_loses_nothing() -> None:
    teacher = torch.randn(6, 5, dtype=torch.float64)
    assert Distillation()(teacher * 7, teacher).item() == pytest.approx(0, abs=1e-12)


def test_stages_follow_one_another_and_fade() -> None:
    staged = Staged()
    assert staged.weights(0.0) == {"arcface": 1.0, "triplet": 0.0}
    assert staged.weights(0.49) == {"arcface": 1.0, "triplet": 0.0}
    assert staged.weights(0.525)["triplet"] == pytest.approx(2.0)  # half of the ramp
    assert staged.weights(0.7) == {"arcface": 1.0, "triplet": 4.0}
    assert staged.weights(1.0) == {"arcface": 0.0, "triplet": 4.0}
    steps = np.array([list(staged.weights(p).values()) for p in np.linspace(0, 1, 2001)])
    assert np.abs(np.diff(steps, axis=0)).max() < 0.05


@pytest.mark.parametrize("starts", [[], [0.1], [0, 0.5, 0.5], [0, 0.6, 0.3], [0, 1.0]])
def test_stages_in_no_order_are_refused(starts) -> None:
    with pytest.raises(ValueError, match="0 first, then rising"):
        Staged(tuple((start, {"arcface": 1.0}) for start in starts))


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("progress", [0.0, 0.6, 0.99])
def test_every_objective_is_the_weighted_sum_of_its_losses(name, progress) -> None:
    objective = Objective(ObjectiveConfig(name), classes=3, dim=5).double()
    x, teacher = embeddings(), torch.randn(6, 5, dtype=torch.float64)
    terms = objective(x, LABELS, progress=progress, teacher=teacher)
    weights = objective.schedule.weights(progress)
    expected = sum(weights[n] * value for n, value in terms.items() if n != "loss")
    torch.testing.assert_close(terms["loss"], expected)
    terms["loss"].backward()
    assert x.grad.abs().sum() > 0
    assert objective.needs_teacher == name.startswith("distil")


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"embeddings \(6, 5\) and labels \(5,\)"):
        ArcFace(3, 5)(torch.zeros(6, 5), torch.zeros(5, dtype=torch.long))
    with pytest.raises(ValueError, match="scale -1 and margin 0.5"):
        ArcFace(3, 5, scale=-1)
    with pytest.raises(ValueError, match="margin 1.6"):
        ArcFace(3, 5, margin=1.6)
    with pytest.raises(ValueError, match="margin 0,"):
        BatchHardTriplet(margin=0)
    with pytest.raises(ValueError, match="none below 0"):
        Distillation(angle=-1)
    with pytest.raises(ValueError, match="'centre'.*arcface, distil"):
        Objective(ObjectiveConfig("centre"), classes=3, dim=5)
