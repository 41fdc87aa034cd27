"""Mutations of files for fuzzing: of bytes, of plain data (JSON and YAML) and of NumPy archives.

Each function takes a random generator and the original file, and returns another file.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import pickle
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import yaml
from numpy.lib import format as npy

Bytes = Callable[[random.Random, bytes], bytes]

TEXTS = [
    "",
    "x",
    "../x",
    "/etc/passwd",
    "a/b",
    "ü\u202e",
    "\x00",
    "{}",
    "nan",
    "1e400",
    "null",
    "~",
    "y" * 5000,
    "${seed}",
]
NUMBERS = [0, -1, 1, 2, 3, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e300, 1e-320, float("nan"), float("inf")]
ODD = [*TEXTS, *NUMBERS, None, True, False, [], {}, [[]], [None], {"": 1}, {"name": "x"}, [1, "a"], {"a": {"b": [1]}}]
TOKENS = [b"\x00", b"\xff", b"\n", b"\r\n", b'"', b"'", b",", b":", b"{", b"}", b"[", b"]", b"-", b"#", b"%", b"../"]
TOKENS += [b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"\xef\xbb\xbf", b"\\ud800", b"PK\x03\x04", b"\x93NUMPY"]
DEEP = 100_000
"""Depth of nesting that no parser takes by recursion."""
BOMB = 1 << 25
"""Bytes that a compressed member expands to."""


class Trap:
    """An object whose unpickling changes `sprung`."""

    sprung = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return _spring, ()


def _spring() -> None:
    Trap.sprung += 1


def any_bytes(rng: random.Random, data: bytes) -> bytes:
    """Return data with one to four changes that know nothing of its format."""
    for _ in range(rng.randint(1, 4)):
        data = _edited(rng, data)
    return data


def _edited(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice([1, 1, 2, 8, 100]))
    return rng.choice(
        [
            data[:at],
            data[:at] + data[end:],
            data[:at] + rng.choice(TOKENS) + data[at:],
            data[:at] + rng.choice(TOKENS) + data[end:],
            data[:at] + data[at:end] * rng.choice([2, 50]) + data[end:],
            data[:at] + rng.randbytes(end - at) + data[end:],
            data[:at] + bytes(byte ^ 1 << rng.randrange(8) for byte in data[at:end]) + data[end:],
            data[at:] + data[:at],
        ]
    )


def plain(rng: random.Random, value: Any) -> Any:
    """Return plain data with one to three of its values, keys or items changed."""
    for _ in range(rng.randint(1, 3)):
        value = _changed(rng, value)
    return value


def _changed(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        rest = {name: item for name, item in value.items() if name != key}
        what = rng.random()
        if what < 0.75:
            return {name: _changed(rng, item) if name == key else item for name, item in value.items()}
        if what < 0.85:
            return rest
        if what < 0.95:
            return {**rest, rng.choice([*TEXTS, f"{key}_"]): value[key]}
        return {**value, rng.choice(TEXTS): rng.choice(ODD)}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        items = [*value[:at], _changed(rng, value[at]), *value[at + 1 :]]
        return rng.choice([items, items, items, value[:at], value * 2, [*value[at:], *value[:at]], [value]])
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.5:
        return rng.choice([-value, value + 1, str(value), [value], float(value), value * 10**6])
    if isinstance(value, str) and rng.random() < 0.3:
        return rng.choice([value[:-1], value + "x", value.upper(), [value], {value: value}, f"../{value}"])
    return rng.choice(ODD)


def json_text(rng: random.Random, data: bytes) -> bytes:
    """Return a JSON file with its data changed, or with text that only some readers accept."""
    try:
        value = json.loads(data)
    except ValueError:  # it was changed before
        return any_bytes(rng, data)
    if rng.random() < 0.3:
        return any_bytes(rng, data)
    text = json.dumps(plain(rng, value))
    odd = ["[" * DEEP, '{"a":' * DEEP, "9" * 5000, "1e999", "NaN", "-Infinity", '"\\ud800"', '{"a": 1, "a": 2}']
    spots = [at for at, sign in enumerate(text) if sign in ":,["]
    if spots and rng.random() < 0.2:
        at = rng.choice(spots) + 1
        text = text[:at] + rng.choice(odd) + (text[at:] if rng.random() < 0.5 else text[at:].lstrip('0123456789." '))
    return text.encode("utf-8", "surrogatepass")


def json_lines(rng: random.Random, data: bytes) -> bytes:
    """Return a file of JSON lines with one or two lines changed, dropped, doubled or exchanged."""
    lines = data.splitlines(keepends=True)
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(lines))
        changed = json_text(rng, lines[at].rstrip(b"\n")) + b"\n"
        lines = rng.choice(
            [
                [*lines[:at], changed, *lines[at + 1 :]],
                [*lines[:at], changed, *lines[at + 1 :]],
                [*lines[:at], changed, *lines[at + 1 :]],
                lines[:at] + lines[at + 1 :],
                [*lines[:at], lines[at], *lines[at:]],
                [*lines[at:], *lines[:at]],
            ]
        ) or [b"\n"]
    return any_bytes(rng, b"".join(lines)) if rng.random() < 0.2 else b"".join(lines)


def yaml_text(rng: random.Random, data: bytes) -> bytes:
    """Return a YAML file with its data changed, or with tags, anchors and types that plain data has not."""
    if rng.random() < 0.3:
        return any_bytes(rng, data)
    text = yaml.safe_dump(plain(rng, yaml.safe_load(data)), sort_keys=False, allow_unicode=True)
    if rng.random() < 0.6:
        return text.encode("utf-8", "surrogatepass")
    laughs = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9) or 1}]\n" for i in range(1, 12))
    odd = [
        "!!python/object/apply:os.system ['true']",
        "!!python/name:os.system",
        "2020-01-01",
        "!!binary YQ==",
        "!!set {a, b}",
        "!!omap [a: 1]",
        "{? [a]: 1}",
        "{1: 2, null: 3}",
        "&a [*a]",
        "*missing",
        "{<<: {x: 1}}",
        "1:30:00",
        "0o17",
        "[" * 2000,
        "- " * 2000,
        "9" * 5000,
        "|\n  a\n b",
        "\t",
    ]
    lines = text.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    key, found, _ = lines[at].partition(":")
    changed = f"{key}: {rng.choice(odd)}\n" if found and rng.random() < 0.9 else f"{rng.choice(odd)}\n"
    if rng.random() < 0.05:
        changed = "l0: &l0 1\n" + laughs + f"{key}: *l11\n"
    return "".join([*lines[:at], changed, *lines[at + 1 :]]).encode("utf-8", "surrogatepass")


def array_file(rng: random.Random, data: bytes) -> bytes:
    """Return an .npy file with another header, dtype, shape or content."""
    what = rng.randrange(5)
    if what == 0:
        return any_bytes(rng, data)
    try:
        array = npy.read_array(io.BytesIO(data))
        array.astype(np.float16)
    except Exception:  # noqa: BLE001 - it was changed before
        return any_bytes(rng, data)
    if what == 1 and array.ndim:
        odd = [
            array.astype(object),
            np.array([Trap()], dtype=object),
            array.astype("U3"),
            array.astype("S3"),
            array.astype(complex),
            array.astype("M8[s]"),
            np.zeros(array.shape, "i4,f8"),
            np.full(array.shape, np.nan),
            np.full(array.shape, 1e308),
            array.astype(np.float16),
            array.reshape(-1),
            array[None],
            array[:0],
            np.zeros(()),
            np.zeros((3, 0)),
            array.astype(">f4"),
            np.zeros(array.shape, bool),
            np.asfortranarray(array),
        ]
        return array_bytes(rng.choice(odd))
    sizes = [0, -1, 1, 3, 2**31, 2**40, 2**63, 2**64, 10**30, 2.0, "3", None, True]
    header = {
        "descr": rng.choice([array.dtype.str, "|O", "<f8", "<U1000000000", "|V0", [("a", "<f8")], "x", 3, "<f3"]),
        "fortran_order": rng.choice([False, True, 1, "x"]),
        "shape": rng.choice([array.shape, tuple(rng.choice(sizes) for _ in range(rng.randint(0, 40))), 3, [2]]),
    }
    text = repr(header) if what == 2 else repr(plain(rng, {**header, "shape": str(header["shape"])}))
    if what == 4:
        text = rng.choice(
            ["{", "'''", "(" * 500, "__import__('os').system('true')", "", "{}" * 3, "a" * 20000, "1" * 9000]
        )
    return raw_array(text, array.tobytes(), rng.choice([(1, 0), (1, 0), (2, 0), (3, 0), (0, 0), (255, 9)]))


def array_bytes(array: np.ndarray) -> bytes:
    """Return the .npy file of an array, with pickles where it has objects."""
    file = io.BytesIO()
    npy.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def raw_array(header: str, content: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """Return an .npy file with a header as given."""
    text = header.encode("latin1", "replace") + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return npy.MAGIC_PREFIX + bytes(version) + size + text + content


def checkpoint(rng: random.Random, data: bytes) -> bytes:
    """Return a checkpoint as `archive` does, or one with another description whose checksum is right."""
    if rng.random() < 0.5:
        return archive(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    described = json.loads(members["checkpoint.json"])
    del described["sha256"]
    part = rng.choice(["record", "record", "arrays", "epoch", "step", None])
    changed = plain(rng, described) if part is None else {**described, part: plain(rng, described[part])}
    if isinstance(changed, dict):
        changed["sha256"] = hashlib.sha256(json.dumps(changed).encode()).hexdigest()
    return zipped(list({**members, "checkpoint.json": json.dumps(changed).encode()}.items()))


def archive(rng: random.Random, data: bytes, descriptions: Bytes = json_text) -> bytes:
    """Return a zip file with members changed, renamed, dropped or doubled, with bombs, or with its bytes changed."""
    if rng.random() < 0.25:
        return any_bytes(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = [(name, old.read(name)) for name in old.namelist()]
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(members))
        name, content = members[at]
        change = descriptions if name.endswith(".json") else array_file
        other = rng.choice(members)[1]
        odd = f"../{name}", f"/{name}", f"{name}/", "", "\x00", "ü" * 50, name.upper(), "C:\\x", "x" * 60000
        members[at : at + 1] = rng.choice(
            [
                [(name, change(rng, content))],
                [(name, change(rng, content))],
                [(name, change(rng, content))],
                [(name, other)],
                [(rng.choice(odd), content)],
                [(name, content), (name, change(rng, content))],
                [(name, pickle.dumps(Trap()))],
                [],
            ]
        ) or [("x", b"")]
    if rng.random() < 0.03:
        return _bomb(members[0][0])
    method = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    return zipped(members, method)


def zipped(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip file of members, also of several with one name."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as new:
        warnings.simplefilter("ignore")  # of names that occur twice
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.filename = name
            new.writestr(info, content)
    return file.getvalue()


@functools.cache
def _bomb(name: str) -> bytes:
    header = raw_array(repr({"descr": "<f8", "fortran_order": False, "shape": (BOMB // 8,)}), b"")
    return zipped([(name, header + bytes(BOMB))], zipfile.ZIP_DEFLATED)


def idx(rng: random.Random, data: bytes) -> bytes:
    """Return an IDX file with another type, other sizes or other bytes."""
    if rng.random() < 0.4:
        return any_bytes(rng, data)
    header = [rng.choice([0, 0, 1]), 0, rng.choice([8, 8, 9, 13, 255]), rng.choice([data[3], 0, 1, 3, 255])]
    sizes = [rng.choice([0, 1, 3, 28, 2**31, 2**32 - 1]) for _ in range(rng.randint(0, 4))]
    content = bytes(header) + struct.pack(f">{len(sizes)}I", *sizes) + data[4 + 4 * data[3] :]
    return content if rng.random() < 0.8 else b"\x1f\x8b" + content


def csv(rng: random.Random, data: bytes) -> bytes:
    """Return a CSV file with other cells, rows or separators."""
    if rng.random() < 0.3:
        return any_bytes(rng, data)
    rows = [line.split(",") for line in data.decode().splitlines()]
    cells = [
        "",
        "nan",
        "inf",
        "-1e400",
        "1e308",
        "1_000",
        "0x1f",
        "é",
        "\x00",
        '"a\nb"',
        '"',
        "1" * 5000,
        "²",
        "1;2",
        "=1+1",
    ]
    for _ in range(rng.choice([1, 1, 2, 5])):
        row = rng.choice(rows)
        if not row:
            continue
        at = rng.randrange(len(row))
        row[at : at + 1] = rng.choice(
            [[rng.choice(cells)], [rng.choice(cells)], [rng.choice(cells)], [], [row[at]] * 2]
        )
    text = rng.choice(["\n", "\n", "\r\n", "\r", "\n\n"]).join(
        rng.choice([",", ",", ",", ";"]).join(row) for row in rows
    )
    return text.encode(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]), "replace")


def override(rng: random.Random, data: bytes) -> bytes:
    """Return overrides, a JSON list of texts, with keys, values and quotes changed."""
    words = json.loads(data)
    odd = [
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "\\",
        "${",
        "}",
        "=",
        "+",
        "~",
        ",",
        ":",
        "(",
        ")",
        "@",
        "$",
        "range(",
        "glob(*)",
    ]
    odd += [
        "choice(1,2)",
        "interval(0,1)",
        "${oc.env:X}",
        "${oc.decode:x}",
        "${hydra:x}",
        "null",
        "nan",
        "\n",
        "\x00",
        "é",
    ]
    odd += [
        "shuffle(1,2)",
        "sort(2,1)",
        "tag(a,1)",
        "int(1.5)",
        "cast(x)",
        "str(",
        "extend_list(1)",
        "_target_",
        "1e400",
    ]
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(words))
        key, _, value = words[at].partition("=")
        spot = rng.randrange(len(words[at]) + 1)
        number = rng.choice(NUMBERS)
        words[at] = rng.choice(
            [
                f"{key}={rng.choice(odd)}",
                f"{key}={rng.choice(TEXTS)}",
                f"{key}={number}",
                f"{key}=[{number},{rng.choice(odd)}]",
                f"{key}={{a:{number}}}",
                f"+{key}={value}",
                f"~{key}",
                f"{key}.x={value}",
                f"{key}@a={value}",
                f"{key[:-1]}={value}",
                words[at][:spot] + rng.choice(odd) + words[at][spot:],
                words[at][:spot] + words[at][spot + 1 :],
                f"{key}={value},{number}",
                f"++{rng.choice(TEXTS)}={value}",
            ]
        )
    return json.dumps(words).encode()
