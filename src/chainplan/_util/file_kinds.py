"""Recognises, by their first bytes, files given in place of a spec or a pattern, and says what to do instead."""

from __future__ import annotations

import re
from typing import NamedTuple

BYTES_OF_FILE_START = 2048
"""Bytes at the beginning of a file by which its kind is recognised."""
_ADVICE_ON_ARRAYS = (
    "Give arrays to 'chainplan run SPEC --jacobians FILE.npz', and name a pattern in a spec: {sparse: FILE.npz}."
)


class FileKind(NamedTuple):
    """A kind of file: what it is, how it begins, and what to do if a spec, or a pattern, is expected instead."""

    what: str
    begins: str
    as_spec: str
    as_pattern: str = "Write the pattern by scipy.sparse.save_npz('pattern.npz', matrix)."


NPZ = FileKind("an archive of numpy (.npz) or another zip file", "PK\x03\x04", _ADVICE_ON_ARRAYS)
MATRIX_MARKET = FileKind(
    "a Matrix Market file", "%%MatrixMarket", "It holds one pattern: name it in a spec, {sparse: pattern.mtx}."
)
FILE_KINDS = (
    NPZ,
    MATRIX_MARKET,
    FileKind(
        "an array of numpy (.npy)",
        "\x93NUMPY",
        _ADVICE_ON_ARRAYS,
        "Write the pattern by scipy.sparse.save_npz('pattern.npz', scipy.sparse.csr_array(numpy.load(path))).",
    ),
    FileKind(
        "a MATLAB file",
        "MATLAB 5.0|\x89HDF",
        _ADVICE_ON_ARRAYS,
        "Write it anew by scipy.sparse.save_npz('pattern.npz', scipy.io.loadmat(path)['NAME']).",
    ),
    FileKind("a compressed file", "\x1f\x8b|BZh|\xfd7zXZ|\\(\xb5/\xfd", "Unpack it first.", "Unpack it first."),
    FileKind("a GraphML file under another name", r"\s*<(?:\?xml[^<]*|!--[^<]*|\s)*<?graphml", "Name it *.graphml."),
    FileKind(
        "a GML file under another name",
        r"(?:\s|#[^\n]*\n|Creator[^\n]*\n|Version[^\n]*\n)*graph\s*\[",
        "Name it *.gml.",
    ),
    FileKind("a DOT file under another name", r"\s*(?:strict\s+)?(?:di)?graph\b[^\[{:]*\{", "Name it *.dot."),
    FileKind(
        "settings of a Jacobian-chaining code, which draws chains by them",
        r"(?:(?://)?\w+ +[\d., ]+\r?\n)*(?:length|size_range|dag_size_range) +\d",
        'Write a chain itself, as JSON: {"elemental_jacobians": [{"n": 3, "m": 2, ...}]}.',
    ),
    FileKind("an HTML or XML file", r"\s*<[?!a-zA-Z]", "Write the problem as YAML or JSON."),
)
"""The kinds, of which the first that fits counts; a character of the regular expression `begins` stands for a byte."""


def kind_of(data: bytes) -> FileKind | None:
    """Return the kind of a file that is neither a spec nor a pattern, or None where its beginning fits no kind."""
    begin = data[:BYTES_OF_FILE_START].decode("latin-1")
    return next((kind for kind in FILE_KINDS if re.match(kind.begins, begin)), None)
