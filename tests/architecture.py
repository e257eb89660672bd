"""The layout as tables, which tests/test_architecture.py holds; ARCHITECTURE.md has the reasons."""

from __future__ import annotations

# Lowest first. A module imports from its own layer and from those below it.
LAYERS = [
    [
        "errors",
        "schema",
        "settings_file",
        "secret_file",
        "stop_signal",
        "toml",
        "_imageheader",
        "kit_archive",
        "_reference",
        "_reference_head",
        "_native",
    ],
    ["image", "container", "manifest", "npz", "signature", "bundle_*", "backends", "backends.*"],
    ["board", "board_*"],
    ["bundle"],
    ["configured"],
    ["index_arrays", "kernels", "artefact"],
    ["index", "index_*"],
    [
        "detect",
        "detect_*",
        "align",
        "quality",
        "embed",
        "liveness*",
        "gallery",
        "gallery_*",
        "selftest",
    ],
    ["split", "face", "model"],
    ["pipeline"],
    ["door.event"],
    ["door.actuator", "door.clock"],
    # One part of the door each; they meet in the layer above.
    [
        "door",
        "door.*_*",
        "door.camera",
        "door.track",
        "door.gate",
        "door.challenge",
        "door.feed",
        "door.rules",
        "door.engine",
        "door.threshold",
        "door.audit",
        "door.notify",
        "door.window",
        "door.health",
        "door.relay",
        "door.wiegand",
        "door.osdp",
        "door.mqtt",
        "door.webhook",
        "door.callback",
    ],
    ["door.config", "door.perceive", "door.new", "door.journal"],
    ["door.report"],
    ["door.run"],
    ["door.assemble"],
    ["door.replay"],
    ["site.wire", "site.wire_*"],  # what doors and the site say to each other; both sides import it
    ["client", "client_*"],  # of the site's API; imported by nobody here
    ["site", "site.*", "agent", "agent.*"],
    ["console", "console.*"],
    ["cli", "cli_*", "demo", "draw", "evaluate", "pairs", "roc", "roc_*", "bench*", "doctor*"],
    ["__main__"],
]
# Narrower than their layer: these meet the rest of edgeface here and nowhere else.
ONLY = {
    "backends*": ["errors", "_native", "backends", "backends.*"],
    "board*": ["errors", "manifest", "toml", "backends.npu", "board_*"],
    "bundle*": ["errors", "container", "manifest", "npz", "signature", "board", "bundle_*"],
    "signature": ["errors"],
    "gallery*": ["errors", "schema", "secret_file", "container", "_native", "index", "gallery_*"],
    "index*": ["errors", "schema", "container", "_native", "index_*"],
    "site.wire*": ["errors", "schema"],
    "client*": ["errors", "client_*"],  # for programs of others: nothing but the standard library
    # On a board: no database, no web server.
    "agent*": [
        *("errors", "schema", "secret_file", "settings_file", "container", "board", "board_*"),
        *("configured", "bundle"),
        *("gallery", "gallery_*", "face", "pipeline", "door.*", "agent", "agent.*", "site.wire"),
        *("site.wire_*", "kit_archive"),
    ],
}
# What a module of edgeface may import at its top, besides the standard library.
RUNTIME_PACKAGES = {"edgeface", "numpy", "cv2"}
# These alone may import more there: nothing on a door imports them.
SERVER_PACKAGES = {
    "console*": {"anyio", "fastapi", "starlette", "pydantic", "jinja2", "uvicorn", "sse_starlette"},
    "site.*": {"psycopg", "psycopg_pool", "pgvector"},
}
# Inside a function, where only those pay for it who use it.
LAZY_PACKAGES = {
    "backends.*": {"onnxruntime", "ai_edge_litert", "tflite_runtime"},
    "cli*": {"onnxruntime"},
    "configured": {"tomlkit"},
    "toml": {"tomli"},
    **dict.fromkeys(("signature", "gallery_cipher", "door.audit*"), {"cryptography"}),
    "door.relay*": {"gpiod"},
    "door.mqtt*": {"paho"},
    "door.osdp*": {"osdp", "osdp_sys"},
    "agent*": {"paho", "tomlkit"},
    "site.*": {"argon2", "cryptography", "paho", "psycopg", "psycopg_pool", "pyotp", "scipy"},
    "console*": {"segno"},
    "cli_site": {"segno"},
    "demo": {"skimage", "matplotlib"},
}
FORBIDDEN = {"torch", "onnx", "export", "boards", "timm", "tests"}
VENDOR_RUNTIMES = ("onnxruntime", "tflite_runtime", "ai_edge_litert", "rknnlite")
# Beside edgeface.bundle: what the training side measures with, which must be what doors run.
EXPORT_MAY_IMPORT = {"edgeface.bundle", "edgeface.align", "edgeface.liveness_view", "edgeface.roc"}
# Of these modules only: `run` of a target goes through the backend that doors have, and a split
# artefact through their head; what is signed and how a key is named has one owner; the command
# prints a bundle's errors in one line.
EXPORT_ALSO = {
    "litert.convert": {"edgeface.backends.tflite"},
    "nbg.header": {"edgeface.backends.nbg_file"},  # what a board accepts is what is checked here
    "nbg.kit": {"edgeface.backends.nbg_file"},
    "tflite.convert": {"edgeface.backends.tflite"},
    "rknn.header": {"edgeface.backends.rknn_file"},
    **dict.fromkeys(("onnx_target", "verify.embed"), {"edgeface._native"}),
    "verify.door": {
        "edgeface.artefact",
        "edgeface.backends.Backend",
        "edgeface.backends.open_backend",
        "edgeface.embed",
        "edgeface.errors",
        "edgeface.split",
    },
    "verify.arm_worker": {"edgeface.backends.open_backend"},
    "verify.latency": {"edgeface.bench.figures"},
    "liveness_quantise": {"edgeface.backends.open_backend", "edgeface.liveness"},
    "liveness_sets": {"edgeface.backends.open_backend", "edgeface.detect"},
    "signing": {"edgeface.signature"},
    "__main__": {"edgeface.errors"},
}
