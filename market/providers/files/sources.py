"""Reading of a file's bytes: compression, kind of content and encoding of text."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zipfile
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import IO

import polars as pl

from core.errors import BarsError
from market.providers.files.headers.columns import count_known

_COMPRESSIONS = ("", ".gz", ".bz2", ".xz", ".zip", ".zst")
_TEXT = (".csv", ".txt", ".tsv", ".json", ".jsonl", ".ndjson")
_BINARY = (".parquet", ".pq", ".feather", ".arrow", ".ipc")
# The longest suffix is first, so that `.csv.gz` is found before `.gz`.
SUFFIXES = tuple(sorted((t + c for t in _TEXT for c in _COMPRESSIONS), key=len, reverse=True))
SUFFIXES += (*_COMPRESSIONS[1:], *_BINARY)
SUMMARY = (
    ".csv, .txt, .tsv, .json, .jsonl, .ndjson (also with .gz, .bz2, .xz, .zip or .zst), .parquet, "
    ".pq, .feather, .arrow, .ipc"
)
_HEAD_BYTES = 16_384
READ_ERRORS = (
    pl.exceptions.PolarsError,
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,  # an encrypted zip
)
_UTF_16_SHARE = 0.3
# Western and central Europe, Russia, Turkey, China, Japan, Korea and Taiwan.
_LEGACY = ("cp1252", "cp1250", "cp1251", "cp1254", "gb18030", "cp932", "cp949", "big5")

AS_CSV = "save it as CSV (in a spreadsheet: File, Save As, CSV UTF-8)"
# First bytes of files that are often saved under another name, and the remedy.
_FOREIGN = (
    (b"\xd0\xcf\x11\xe0", f"this is an old Excel workbook; {AS_CSV}"),
    (b"%PDF", "this is a PDF document; export the prices as CSV"),
    (b"SQLite format 3", "this is an SQLite database; export the prices as CSV"),
    (b"\x89HDF", "this is an HDF5 file; export the prices as CSV or Parquet"),
    (b"\x80\x04\x95", "this is a Python pickle, which is never opened; write CSV or Parquet"),
    (b"\x80\x05\x95", "this is a Python pickle, which is never opened; write CSV or Parquet"),
    (b"{\\rtf", "this is a rich text document; export the prices as CSV"),
)
_HTML = ("<!doctype", "<html", "<table", "<head", "<?xml")


def suffix_of(path: Path) -> str | None:
    """Return the suffix of the file if it is one of `SUFFIXES`, or None."""
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def read_content(path: Path, *, head: bool = False) -> bytes | pl.DataFrame:
    """Return the uncompressed bytes of a text file, or the table of a Parquet or Arrow file.

    The content decides, not the name. A file that is no table is refused with its kind.

    Parameters
    ----------
    head
        Read only the start of the file, which is enough for its header.

    Raises
    ------
    BarsError
        If the file cannot be read, or is a workbook, web page or another document.
    """
    limit = _HEAD_BYTES if head else None
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start[:4] == b"PAR1":
            return pl.read_parquet(path, hive_partitioning=False, n_rows=5 if head else None)
        if start[:6] == b"ARROW1":
            return pl.read_ipc(path, n_rows=5 if head else None)
        if suffix_of(path) in _BINARY:
            msg = "its content is neither Parquet nor Arrow"
            raise OSError(msg)
        content = _decompressed(path, start, limit)
    except READ_ERRORS as error:
        raise unreadable(path, error) from error
    _refuse_foreign(path, content)
    return content


def _decompressed(path: Path, start: bytes, limit: int | None) -> bytes:
    if start[:4] == b"\x28\xb5\x2f\xfd":
        return _from_zstandard(path)
    archive: zipfile.ZipFile | nullcontext[None] = nullcontext()
    file: IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
    if start[:2] == b"\x1f\x8b":
        file = gzip.open(path)  # noqa: SIM115  # closed below
    elif start[:3] == b"BZh":
        file = bz2.open(path)  # noqa: SIM115  # closed below
    elif start[:6] == b"\xfd7zXZ\x00":
        file = lzma.open(path)  # noqa: SIM115  # closed below
    elif start[:4] == b"PK\x03\x04":
        archive = zipfile.ZipFile(path)
        file = archive.open(_member(path, archive))
    elif path.name.lower().endswith(_COMPRESSIONS[1:]):
        msg = f"it is not a {path.suffix} file"
        raise OSError(msg)
    else:
        file = path.open("rb")
    with archive, file:
        return file.read(-1 if limit is None else limit)


def _from_zstandard(path: Path) -> bytes:
    """Return the lines of a text in UTF-8 that Zstandard has compressed, which Polars can read."""
    lines = pl.read_csv(
        path, has_header=False, separator="\x01", quote_char=None, infer_schema=False
    )
    return "\n".join(lines.to_series().fill_null("")).encode()


def _member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if "[Content_Types].xml" in names or any(name.startswith("xl/") for name in names):
        msg = f"{path}: this is an Excel workbook; {AS_CSV}."
        raise BarsError(msg)
    if "mimetype" in names and "content.xml" in names:
        msg = f"{path}: this is an OpenDocument spreadsheet; {AS_CSV}."
        raise BarsError(msg)
    files = [
        name
        for name in names
        if not name.startswith("__MACOSX/")
        and not Path(name).name.lower().startswith((".", "readme", "license"))
    ]
    if len(files) != 1:
        msg = f"{path}: the archive has {len(files)} files, expected one; unpack it."
        raise BarsError(msg)
    return files[0]


def _refuse_foreign(path: Path, content: bytes) -> None:
    for magic, refusal in _FOREIGN:
        if content.startswith(magic):
            msg = f"{path}: {refusal}."
            raise BarsError(msg)
    if decode(content[:512]).lstrip().lower().startswith(_HTML):
        msg = (
            f"{path}: this is a web page and not a table; the site may ask for a login. "
            f"Download the CSV file."
        )
        raise BarsError(msg)


def decode(content: bytes) -> str:
    r"""Return bytes as text with ``\n`` as the end of each line.

    A byte order mark or NUL bytes show UTF-16 and UTF-32. Other text is UTF-8, or Windows-1252 if
    it is not valid UTF-8.
    """
    return (
        content.decode(_encoding(content), errors="replace")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
        .rstrip("\0\x1a")  # the ends of files of some programs
    )


def _encoding(content: bytes) -> str:
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if content.startswith(mark):
            return encoding
    sample = content[:_HEAD_BYTES]
    if sample and sample.count(0) / len(sample) > _UTF_16_SHARE:
        return "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        # The start of a file may end within a character.
        is_cut = len(content) == _HEAD_BYTES and error.start > len(content) - 4
        return "utf-8" if is_cut else _legacy_encoding(sample)
    return "utf-8"


def _legacy_encoding(sample: bytes) -> str:
    """Return the encoding in which a header has the most known names; Windows-1252 by default."""
    n_known = {
        encoding: max(
            count_known(re.split(r"[,;|\t]", line.strip('"')))
            for line in sample.decode(encoding, errors="replace").splitlines()[:30] or [""]
        )
        for encoding in _LEGACY
    }
    return max(_LEGACY, key=n_known.__getitem__)


def unreadable(path: Path, error: Exception) -> BarsError:
    """Return the error for a file that cannot be read."""
    return BarsError(
        f"{path}: the file cannot be read ({error}); write it again or exclude it from `bars`."
    )
