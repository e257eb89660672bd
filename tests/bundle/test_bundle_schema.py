"""`bundle_schema.json` and the validator that boards run agree, and name the field at fault."""

from __future__ import annotations

import copy
import json

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeface.errors import BundleFormatError
from edgeface.manifest import check_manifest, manifest_schema
from edgeface.schema import KEYWORDS, first_problem

ENTRY = {"sha256": "0" * 64, "bytes": 1}
FILES = (
    "detector.onnx", "embedder.onnx", "backbone.onnx", "head.npz", "selftest.npz", "MODEL_CARD.md",
    "liveness.onnx",
)  # fmt: skip
SPLIT = {
    "file": "backbone.onnx", "format": "onnx", "precision": "int8", "outputs": ["feature"],
    "head": {"file": "head.npz", "precision": "int8", "heads": 4, "channels": 100, "tokens": 49},
}  # fmt: skip


LIVENESS = {
    "file": "liveness.onnx", "format": "onnx", "precision": "int8",
    "views": [{"name": "tight", "scale": 1.1, "size": 112, "anchor": "landmarks"}],
    "input": {"layout": "NCHW", "dtype": "float32", "colour": "BGR",
              "mean": [127.5] * 3, "std": [127.5] * 3},
    "outputs": ["logit"], "threshold": 0.5, "bpcer": 0.05, "source": "synthetic",
}  # fmt: skip


@pytest.fixture
def complete(manifest):
    """A correct manifest with its "members", liveness and both variants of the embedder."""
    manifest["stages"]["embedder"].update(split=copy.deepcopy(SPLIT), default_variant="split")
    manifest["stages"]["liveness"] = copy.deepcopy(LIVENESS)
    return {**manifest, "members": {name: dict(ENTRY) for name in FILES}}


@pytest.fixture(scope="session")
def judge():
    """The reference implementation, told our one strictness: 1.0 is not an integer."""
    checker = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=checker)
    return validator(manifest_schema())


def subschemas(node):
    """Every schema inside a schema, itself first."""
    if isinstance(node, dict):
        yield node
        for name, inner in node.items():
            for child in inner.values() if name in ("properties", "$defs") else [inner]:
                yield from subschemas(child)


def test_schema_is_valid_and_uses_only_what_the_board_understands():
    jsonschema.Draft202012Validator.check_schema(manifest_schema())
    used = {keyword for schema in subschemas(manifest_schema()) for keyword in schema}
    assert used <= KEYWORDS


def test_correct_manifest_is_accepted_by_both(complete, judge):
    check_manifest(complete, source="test")
    judge.validate(complete)


@pytest.mark.parametrize("lacking", [["default_variant"], ["split", "default_variant"]])
def test_manifest_with_the_whole_embedder_only_is_accepted_by_both(complete, judge, lacking):
    for field in lacking:
        del complete["stages"]["embedder"][field]
    check_manifest(complete, source="test")
    judge.validate(complete)


def change(document, path, value):
    """Set, or with ``...`` delete, the field at a dotted path."""
    *parents, last = path.split(".")
    for name in parents:
        document = document[int(name) if name.isdigit() else name]
    if value is ...:
        del document[last]
    else:
        document[int(last) if last.isdigit() else last] = value


REFUSED = [
    ("name", "Has Spaces", 'name: found "Has Spaces", expected text like'),
    ("version", "1", "version: found \"1\", expected .*three numbers"),
    ("version", 1, "version: found 1, expected string"),
    ("compatible", [], "compatible: found .., expected a count of at least 1"),
    ("compatible", ["any", "any"], "compatible: .*expected no item twice"),
    ("compatible", "any", 'compatible: found "any", expected array'),
    ("members", {}, r"members: found \{\}, expected the field\(s\) selftest.npz, MODEL_CARD.md"),
    ("members.a/b", ENTRY, "members: .*expected no field named 'a/b'"),
    ("members.x", {"sha256": "0", "bytes": 1}, 'members.x.sha256: found "0", expected text like'),
    ("members.x", {"sha256": "0" * 64, "bytes": 0}, "members.x.bytes: found 0, expected at least"),
    ("members.x", {"sha256": "0" * 64, "bytes": 1 << 40}, "expected at most 536870912"),
    ("stages.detector", ..., r"stages: found .*expected the field\(s\) detector"),
    ("stages.mask", {}, "stages.mask: there is no such field: remove it or correct"),
    ("stages.liveness.threshold", 1, "liveness.threshold: found 1, expected less than 1"),
    ("stages.liveness.threshold", 0, "liveness.threshold: found 0, expected more than 0"),
    ("stages.liveness.views", [], "liveness.views: .*expected a count of at least 1"),
    ("stages.liveness.views.0.anchor", "nose", "anchor: found \"nose\", expected one of"),
    ("stages.liveness.views.0.scale", 0.1, "scale: found 0.1, expected at least 0.5"),
    ("stages.liveness.format", "rknn", "format: found \"rknn\", expected one of"),
    ("stages.liveness.outputs", ["a", "b"], "liveness.outputs: .*expected a count of at most 1"),
    ("stages.embedder.input.mean", [127.5], "stages.embedder.input.mean: found .127.5., expected"),
    ("stages.embedder.input.mean.1", "x", r'input.mean\[1\]: found "x", expected number'),
    ("stages.embedder.input.mean.1", True, r"input.mean\[1\]: found true, expected number"),
    ("stages.embedder.input.std.0", 0, r"input.std\[0\]: found 0, expected more than 0"),
    ("stages.embedder.input.height", None, "input.height: found null, expected integer"),
    ("stages.embedder.input.max_side", 320, "input.max_side: there is no such field"),
    ("stages.detector.input.height", 0, "input.height: found 0, expected at least 1 .pixels"),
    ("stages.detector.input.height", 1.0, "expected integer or null"),
    ("stages.detector.input.multiple", ..., r"expected the field\(s\) multiple"),
    ("stages.embedder.input.colour", "GRB", "colour: found \"GRB\", expected one of .'BGR', 'RGB'"),
    ("stages.embedder.precision", "int4", "precision: found \"int4\", expected one of"),
    ("stages.embedder.dim", 512.0, "dim: found 512.0, expected integer"),
    ("stages.embedder.outputs", ["a", "a"], "outputs: .*expected no item twice"),
    ("stages.embedder.default_variant", "both", r"default_variant: found .both., expected one"),
    ("stages.embedder.split.head", ..., r"stages.embedder.split: .*expected the field\(s\) head"),
    ("stages.embedder.split.input", {}, "stages.embedder.split.input: there is no such field"),
    ("stages.embedder.split.head.precision", "float16", "head.precision: found \"float16\", exp"),
    ("stages.embedder.split.head.heads", 0, "head.heads: found 0, expected at least 1"),
    ("stages.detector.split", SPLIT, "stages.detector.split: there is no such field"),
    ("stages.detector.score_threshold", 1, "score_threshold: found 1, expected less than 1"),
    ("quality.min_sharpness", ..., r"quality: .*expected the field\(s\) min_sharpness"),
    ("quality.sharpness", 1, "quality: .*expected no field named 'sharpness'"),
    ("quality.max_yaw", "45", 'quality.max_yaw: found "45", expected number'),
    ("thresholds.by_far", [], "thresholds.by_far: found .., expected a count of at least 1"),
    ("thresholds.default_far", 0, "thresholds.default_far: found 0, expected more than 0"),
    ("thresholds.margin", -0.1, "thresholds.margin: found -0.1, expected at least 0"),
    ("licences.data.0.licence", ..., r"licences.data\[0\]: .*expected the field\(s\) licence"),
    ("tools.torch", 2.13, "tools.torch: found 2.13, expected string"),
    ("surprise", 1, "surprise: there is no such field: remove it or correct its name"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "text"), REFUSED, ids=lambda value: str(value)[:40])
def test_wrong_field_is_refused_by_both_and_named(complete, judge, path, value, text):
    change(complete, path, value)
    with pytest.raises(BundleFormatError, match=text):
        check_manifest(complete, source="test")
    assert not judge.is_valid(complete)


@pytest.mark.parametrize(
    "field", ["format", "members", "stages", "thresholds", "licences", "tools"]
)
def test_missing_field_is_refused_by_both(complete, judge, field):
    del complete[field]
    with pytest.raises(BundleFormatError, match=rf"the whole document: .*field\(s\) {field} "):
        check_manifest(complete, source="test")
    assert not judge.is_valid(complete)


@pytest.mark.parametrize("value", [None, [], "manifest", 1, True])
def test_manifest_that_is_no_object_is_refused(value):
    with pytest.raises(BundleFormatError, match="the whole document: found .*, expected object"):
        check_manifest(value, source="test")


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("stages.embedder.file", "x.onnx", "stages.embedder.file: found 'x.onnx', expected one of"),
        (
            "stages.embedder.split.file",
            "x",
            "stages.embedder.split.file: found 'x', expected one of",
        ),
        ("stages.embedder.split.head.file", "x", "stages.embedder.split.head.file: found 'x', exp"),
        ("stages.embedder.split", ..., "default_variant: found 'split', but there is no field"),
        ("members.manifest.json", ENTRY, "members: manifest.json cannot be listed"),
        ("members.signature", ENTRY, "members: signature cannot be listed"),
        ("thresholds.default_far", 0.5, r"default_far: found 0.5, expected one of \[0.001, 0.01\]"),
        ("thresholds.by_far.0.far", 0.001, "thresholds.by_far: found a rate twice"),
        ("thresholds.by_far.0.cosine", 0.9, "a lower rate needs a cosine at least as high"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(complete, path, value, text):
    if path == "members.manifest.json":
        complete["members"]["manifest.json"] = value
    else:
        change(complete, path, value)
    with pytest.raises(BundleFormatError, match=text):
        check_manifest(complete, source="test")


def paths_of(node, prefix=()):
    yield prefix
    pairs = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node if isinstance(node, list) else [])
    )
    for key, inner in pairs:
        yield from paths_of(inner, (*prefix, key))


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-10, 10_000), st.floats(-1e6, 1e6),
        st.sampled_from(["any", "onnx", "BGR", "int8", "whole", "", "0" * 64]),
        st.text("aZ0.-/ é", max_size=8),
    ),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text("axyz_", max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_both_agree_on_any_change(complete, judge, data):
    document = copy.deepcopy(complete)
    *parents, last = data.draw(st.sampled_from([path for path in paths_of(document) if path]))
    node = document
    for key in parents:
        node = node[key]
    action = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if action == "remove":
        del node[last]
    elif action == "add" and isinstance(node, dict):
        node[data.draw(st.text("abc_./", min_size=1, max_size=6))] = data.draw(JSON)
    else:
        node[last] = data.draw(JSON)
    ours = first_problem(document, manifest_schema())
    assert (ours is None) == judge.is_valid(document), ours
    json.dumps(ours)


@pytest.mark.parametrize("value", [True, False, 0, 1, "true", None])
def test_boolean_is_true_or_false_and_nothing_else(value):
    schema = {"type": "boolean"}
    assert (first_problem(value, schema) is None) == jsonschema.Draft202012Validator(
        schema
    ).is_valid(value)
