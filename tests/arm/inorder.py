"""Estimated cycles of straight-line code on the in-order Cortex-A53 and A55.

A scoreboard of two instructions a cycle, for code as llvm-mc prints it. llvm-mca's models of
these cores are of no use here: a 128-bit load costs them 1 cycle (2 in fact), a 128-bit fmla
half a cycle (1 in fact), and they put onnxruntime's A55-tuned INT8 kernel 26 % behind the generic
one that it beats.

An ESTIMATE, to be taken as ±30 %: never measured against a board, every access hits the first
level cache, every branch is predicted. Sources:

- NEON is two units of 64 bits, so that a 128-bit instruction takes both; a 128-bit load blocks
  issue for 2 cycles, a 64-bit load pairs with arithmetic on the A55 and goes alone on the A53:
  onnxruntime's pull request 10754, ncnn's arm-a53-a55-dual-issue.md.
- latencies: LLVM's AArch64SchedA53.td and AArch64SchedA55.td (fmla on the A53: 8, its accumulator
  is forwarded after 4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Core:
    """Cycles from an instruction's issue to that of one which needs its result."""

    neon: int
    neon_float: int
    short_vector_load_alone: bool
    load: int = 3
    vector_load: int = 4
    multiply: int = 3
    neon_multiply: int = 4
    accumulator: int = 4
    lane: int = 3


CORES = {
    "cortex-a53": Core(neon=3, neon_float=8, short_vector_load_alone=True),
    "cortex-a55": Core(neon=2, neon_float=4, short_vector_load_alone=False),
}
ISSUE_WIDTH = 2
UNITS = {"integer": 2, "neon": 2, "branch": 1, "multiply": 1}  # a cycle, of pipelined units
SERIAL = {"memory", "divide"}  # occupied for the instruction's whole time

REGISTER = re.compile(r"\b([xwvqdshb])(\d+)\b|\b(sp)\b")
FULL_VECTOR = re.compile(r"\bq\d+|\.(?:16b|8h|4s|2d)\b")
ANY_VECTOR = re.compile(r"\b[vqdshb]\d+")
# Read their target too.
ACCUMULATING = re.compile(
    r"(fml[as]|ml[as]|[su]dot|[su]ml[as]l2?|[su]adalp|[su]aba|bs[l]|bi[tf]|ins|movk|bfi|bfxil|s[lr]i)$"
)
BRANCH = re.compile(r"(b|b\..*|cbn?z|tbn?z|blr?|br|ret)$")
COMPARE = re.compile(r"(cmp|cmn|tst|ccmp|fcmp|fccmp)$")
NO_WORK = re.compile(r"(nop|prfm|hint|dmb|isb|svc)$")
NEON_MULTIPLY = re.compile(
    r"(mul|ml[as]|[su]mull2?|[su]ml[as]l2?|[su]dot|[su]adalp|[su]addlp|sq(r?)dmul\w+|[su]?addl?v)$"
)


@dataclass(frozen=True)
class Step:
    """What one instruction needs and gives."""

    unit: str = ""
    amount: int = 1  # units in the cycle of issue; cycles, if the unit is serial
    alone: bool = False  # nothing else issues with it, or while it holds the unit
    sources: tuple[str, ...] = ()
    results: dict[str, int] = field(default_factory=dict)  # register -> latency
    accumulator: str = ""  # forwarded to the next accumulation early


def decode(text: str, core: Core) -> Step:
    """One line of llvm-mc's output, as a step of ``core``."""
    operation, _, operands = text.strip().partition("\t")
    names = registers(operands)
    if NO_WORK.match(operation):
        return Step()
    if BRANCH.match(operation):
        flags = ("flags",) if operation.startswith("b.") else ()
        return Step("branch", sources=(*names, *flags))
    if COMPARE.match(operation):
        vector = ANY_VECTOR.search(operands) is not None
        latency = core.neon if vector else 1
        return Step("neon" if vector else "integer", sources=names, results={"flags": latency})
    if "[" in operands and operation.startswith(("ld", "st")):
        return _memory(operation, operands, core)
    return _arithmetic(operation, operands, core)


def registers(operands: str) -> tuple[str, ...]:
    """Names of the registers in order; v3, q3, d3 and s3 are one, as are x3 and w3."""
    found = REGISTER.finditer(operands)
    return tuple(m[3] or ("v" if m[1] in "vqdshb" else "x") + m[2] for m in found)


def _memory(operation: str, operands: str, core: Core) -> Step:
    before = operands.partition("[")[0]
    data, address = registers(before), registers(operands)[len(registers(before)) :]
    written_back = {name: 1 for name in address[:1] if re.search(r"!|\],", operands)}
    vector = ANY_VECTOR.search(before) is not None
    wide = 0 if operation == "ld1r" else len(FULL_VECTOR.findall(before))
    double = operation in ("ldp", "stp") and re.search(r"\b[xd]\d", before)
    cycles = 2 * wide or (2 if double else 1)
    if operation.startswith("st"):
        return Step("memory", cycles, wide > 0, (*data, *address), written_back)
    lane = data if re.search(r"\}\[\d", operands) else ()
    latency = (core.vector_load if vector else core.load) + cycles - 1
    alone = wide > 0 or (vector and core.short_vector_load_alone)
    results = {**dict.fromkeys(data, latency), **written_back}
    return Step("memory", cycles, alone, (*lane, *address), results)


def _arithmetic(operation: str, operands: str, core: Core) -> Step:
    target, *sources = registers(operands) or ("",)
    accumulating = ACCUMULATING.match(operation) is not None or "]," in operands
    if accumulating:
        sources.append(target)
    if operation in ("csel", "csinc", "csneg", "csinv", "cset", "cinc", "csetm", "adc", "sbc"):
        sources.append("flags")
    unit, amount, latency = _cost(operation, operands, core)
    results = {target: latency}
    if operation in ("adds", "subs", "ands", "bics"):
        results["flags"] = 1
    multiplies = NEON_MULTIPLY.match(operation) or operation.startswith("fml")
    forwarded = target if accumulating and multiplies else ""
    return Step(unit, amount, False, tuple(sources), results, forwarded)


def _cost(operation: str, operands: str, core: Core) -> tuple[str, int, int]:
    """Unit, how much of it, latency."""
    if not ANY_VECTOR.search(operands):
        if re.match(r"[su]div", operation):
            return "divide", 8, 12
        if re.search(r"mul|madd|msub|mneg|maddl", operation):
            return "multiply", 1, core.multiply
        return "integer", 1, 1
    units = 2 if FULL_VECTOR.search(operands) else 1
    if operation in ("fdiv", "fsqrt"):
        return "divide", 10, 13
    if operation in ("ins", "mov", "dup", "fmov", "umov", "smov") and re.search(
        r"\b[xw]\d", operands
    ):
        return "neon", units if operation == "dup" else 1, core.lane
    if operation.startswith(("f", "scvtf", "ucvtf")) and operation not in ("fmov", "fneg", "fabs"):
        return "neon", units, core.neon_float
    return "neon", units, core.neon_multiply if NEON_MULTIPLY.match(operation) else core.neon


class Scoreboard:
    """Issues steps in order, each as early as its sources and its unit allow."""

    def __init__(self, core: Core):
        self.core = core
        self.cycle = 0
        self.issued: list[Step] = []  # in this cycle
        self.free_at: dict[str, int] = {}  # serial unit -> cycle
        self.ready_at: dict[str, int] = {}  # register -> cycle
        self.accumulator_at: dict[str, int] = {}
        self.blocked_until = 0

    def issue(self, step: Step) -> None:
        """Advance to the cycle in which ``step`` issues, and issue it."""
        self._advance(max([self.blocked_until, *map(self._ready(step), step.sources)]))
        while not self._fits(step):
            self._advance(self.cycle + 1)
        self.issued.append(step)
        if step.unit in SERIAL:
            self.free_at[step.unit] = self.cycle + step.amount
        if step.alone:
            self.blocked_until = self.cycle + step.amount
        for name, latency in step.results.items():
            self.ready_at[name] = self.cycle + latency
            self.accumulator_at.pop(name, None)
        if step.accumulator:
            self.accumulator_at[step.accumulator] = self.cycle + self.core.accumulator

    def _ready(self, step: Step):
        def cycle_of(name: str) -> int:
            early = self.accumulator_at if name == step.accumulator else {}
            return early.get(name, self.ready_at.get(name, 0))

        return cycle_of

    def _advance(self, cycle: int) -> None:
        if cycle > self.cycle:
            self.cycle, self.issued = cycle, []

    def _fits(self, step: Step) -> bool:
        if not step.unit:
            return True
        if len(self.issued) == ISSUE_WIDTH or (step.alone and self.issued):
            return False
        if step.unit in SERIAL:
            return self.free_at.get(step.unit, 0) <= self.cycle
        used = sum(each.amount for each in self.issued if each.unit == step.unit)
        return used + step.amount <= UNITS[step.unit]


def cycles(block: list[str], core: str) -> float:
    """Cycles of one pass through a block that runs over and over.

    Parameters
    ----------
    block
        Instructions, as llvm-mc prints them.
    core
        A key of ``CORES``.
    """
    warm, measured = 10, 10  # passes
    board = Scoreboard(CORES[core])
    steps = [decode(text, CORES[core]) for text in block]
    starts = []
    for _ in range(warm + measured + 1):
        for i, step in enumerate(steps):
            board.issue(step)
            if i == 0:
                starts.append(max(board.cycle, 0))
    return (starts[-1] - starts[warm]) / measured
