"""The emulator's node table as GenApi XML, and a device of registers behind it."""

from __future__ import annotations

import ast
import struct
from collections.abc import Mapping
from xml.sax.saxutils import escape

from genicam.genapi import AbstractPort, EAccessMode

from drivers.spinnaker_emulator.nodemap import NodeState
from drivers.spinnaker_emulator.specs import Access, Kind, NodeSpec

Specs = Mapping[str, NodeSpec]

_STRIDE = 0x1000
_TEXT_BYTES = 64
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "/",
    ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.And: "&&", ast.Or: "||",
}  # fmt: skip


def swiss_knife(formula: str) -> tuple[str, list[str]]:
    """A table formula in GenApi's syntax, and the nodes it reads."""
    names: list[str] = []

    def walk(node: ast.expr) -> str:
        match node:
            case ast.Constant(value=value):
                return repr(value)
            case ast.Name(id=name):
                names.append(name)
                return name.upper()
            case ast.BinOp(left=left, op=op, right=right):
                return f"({walk(left)} {_OPERATORS[type(op)]} {walk(right)})"
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return f"({walk(left)} {_OPERATORS[type(op)]} {walk(right)})"
            case ast.BoolOp(op=op, values=values):
                return "(" + f" {_OPERATORS[type(op)]} ".join(walk(v) for v in values) + ")"
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return f"({walk(test)} ? {walk(body)} : {walk(orelse)})"
            case ast.Call(func=ast.Name(id="min"), args=[a, b]):
                return f"(({walk(a)} < {walk(b)}) ? {walk(a)} : {walk(b)})"
        raise AssertionError(ast.dump(node))

    text = walk(ast.parse(formula, mode="eval").body)
    return text, sorted(set(names))


def _knife(specs: Specs, tag: str, name: str, formula: str) -> str:
    text, names = swiss_knife(formula)
    # Registers rather than features: limits may refer to each other, and GenApi refuses cycles.
    sources = {n: n if specs[n].computed else f"{n}_Reg" for n in names}
    variables = "".join(f'<pVariable Name="{n.upper()}">{s}</pVariable>' for n, s in sources.items())
    return f'<{tag} Name="{name}">{variables}<Formula>{escape(text)}</Formula></{tag}>'


_LIVE = frozenset({"Timestamp", "TimestampLatchValue"})


class Registers(AbstractPort):
    """A device whose registers are the raw values of a `NodeState`; it checks nothing."""

    def __init__(self, state: NodeState) -> None:
        super().__init__()
        self.state = state
        self.names = list(state.specs)

    def address(self, name: str) -> int:
        return (self.names.index(name) + 1) * _STRIDE

    def get_access_mode(self) -> int:
        return EAccessMode.RW

    def _spec(self, address: int) -> NodeSpec:
        return self.state.specs[self.names[address // _STRIDE - 1]]

    def read(self, address: int, length: int) -> bytes:
        spec = self._spec(address)
        value = self.state.raw(spec.name)
        if spec.kind is Kind.STRING:
            return str(value).encode().ljust(length, b"\0")
        if spec.kind is Kind.FLOAT:
            return struct.pack("<d", value)
        return struct.pack("<q", int(self.state.number(spec.name)))

    def write(self, address: int, data: bytes) -> None:
        spec = self._spec(address)
        if spec.kind is Kind.STRING:
            self.state.store(spec.name, bytes(data).rstrip(b"\0").decode())
        elif spec.kind is Kind.FLOAT:
            self.state.store(spec.name, struct.unpack("<d", bytes(data))[0])
        else:
            number = struct.unpack("<q", bytes(data))[0]
            if spec.kind is Kind.ENUMERATION:
                self.state.store(spec.name, {v: s for s, v in spec.entries}[number])
            elif spec.kind is Kind.BOOLEAN:
                self.state.store(spec.name, bool(number))
            elif spec.kind is Kind.INTEGER:
                self.state.store(spec.name, number)


def _register(spec: NodeSpec, address: int) -> str:
    mode = {Access.RO: "RO", Access.WO: "WO"}.get(spec.access, "RW")
    length = _TEXT_BYTES if spec.kind is Kind.STRING else 8
    body = (
        f"<Address>{address}</Address><Length>{length}</Length><AccessMode>{mode}</AccessMode>"
        "<pPort>Device</pPort><Cachable>NoCache</Cachable>"
    )
    if spec.kind is Kind.STRING:
        return f'<StringReg Name="{spec.name}">{body}</StringReg>'
    name, order = f"{spec.name}_Reg", "<Endianess>LittleEndian</Endianess>"
    if spec.kind is Kind.FLOAT:
        return f'<FloatReg Name="{name}">{body}{order}</FloatReg>'
    return f'<IntReg Name="{name}">{body}<Sign>Signed</Sign>{order}</IntReg>'


def _conditions(specs: Specs, spec: NodeSpec) -> tuple[str, str]:
    """Elements that go into the feature, and the knives they point to."""
    inside = outside = ""
    if spec.hidden_if:
        inside += f"<pIsAvailable>{spec.name}_Here</pIsAvailable>"
        outside += _knife(
            specs, "IntSwissKnife", f"{spec.name}_Here", f"1 if {spec.hidden_if} else 0"
        ).replace("? 1 : 0", "? 0 : 1")
    if spec.locked_if:
        inside += f"<pIsLocked>{spec.name}_Locked</pIsLocked>"
        outside += _knife(specs, "IntSwissKnife", f"{spec.name}_Locked", f"1 if {spec.locked_if} else 0")
    return inside, outside


def _limit(specs: Specs, spec: NodeSpec, side: str, value: float | str) -> tuple[str, str]:
    if not isinstance(value, str):
        return f"<{side}>{value!r}</{side}>", ""
    tag = "IntSwissKnife" if spec.kind is Kind.INTEGER else "SwissKnife"
    name = f"{spec.name}_{side}"
    return f"<p{side}>{name}</p{side}>", _knife(specs, tag, name, value)


def _feature(specs: Specs, spec: NodeSpec, address: int) -> str:
    inside, outside = _conditions(specs, spec)
    name = spec.name
    if spec.kind is Kind.CATEGORY:
        return f'<Category Name="{name}"></Category>'
    if spec.kind is Kind.STRING:
        return _register(spec, address)
    if spec.computed:
        tag = "SwissKnife" if spec.kind is Kind.FLOAT else "IntSwissKnife"
        return _knife(specs, tag, name, spec.computed)
    value = f"<pValue>{name}_Reg</pValue>"
    register = _register(spec, address)
    if spec.kind is Kind.COMMAND:
        value += "<CommandValue>1</CommandValue>"
        return f'<Command Name="{name}">{inside}{value}</Command>{register}{outside}'
    if spec.kind is Kind.BOOLEAN:
        value += "<OnValue>1</OnValue><OffValue>0</OffValue>"
        return f'<Boolean Name="{name}">{inside}{value}</Boolean>{register}{outside}'
    if spec.kind is Kind.ENUMERATION:
        entries = "".join(f'<EnumEntry Name="{s}"><Value>{v}</Value></EnumEntry>' for s, v in spec.entries)
        return f'<Enumeration Name="{name}">{inside}{entries}{value}</Enumeration>{register}{outside}'
    tag = "Integer" if spec.kind is Kind.INTEGER else "Float"
    limits = ""
    if spec.access is Access.RW:
        for side, bound in (("Min", spec.minimum), ("Max", spec.maximum)):
            inner, outer = _limit(specs, spec, side, bound)
            limits += inner
            outside += outer
        if spec.kind is Kind.INTEGER:
            limits += f"<Inc>{spec.increment}</Inc>"
    return f'<{tag} Name="{name}">{inside}{value}{limits}</{tag}>{register}{outside}'


def genapi_xml(registers: Registers) -> str:
    """The whole table as a GenApi 1.1 description."""
    body = "".join(
        _feature(registers.state.specs, s, registers.address(s.name))
        for s in registers.state.specs.values()
        if s.name not in _LIVE
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><RegisterDescription ModelName="Virtual" VendorName="Twinrate"'
        ' ToolTip="" StandardNameSpace="None" SchemaMajorVersion="1" SchemaMinorVersion="1"'
        ' SchemaSubMinorVersion="0" MajorVersion="1" MinorVersion="0" SubMinorVersion="0"'
        ' ProductGuid="11111111-1111-1111-1111-111111111111"'
        ' VersionGuid="11111111-1111-1111-1111-111111111112"'
        ' xmlns="http://www.genicam.org/GenApi/Version_1_1">'
        f'{body}<Port Name="Device"></Port></RegisterDescription>'
    )
