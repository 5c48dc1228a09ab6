"""Files that are imported: opened, unpacked and decoded line by line, with a progress bar."""

import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from hookfill.kernel.errors import ConfigurationError

_GZIP = b"\x1f\x8b"
LINES_PER_LOOK = 1_000


@contextmanager
def opened(path: Path, *, quiet: bool) -> Iterator[Iterator[str]]:
    """The lines of a text file, packed by gzip or not, with their ends; a progress bar shows how much of the file is read.

    Raises:
        ConfigurationError: while lines are read: the file is neither UTF-8 nor UTF-16, or the packed file is damaged.
    """
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

    from hookfill.cli.show import progress
    from hookfill.kernel.text import visible

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with progress(*columns, quiet=quiet) as shown, path.open("rb") as file:
        task = shown.add_task(visible(path.name), total=path.stat().st_size)
        bytes_of = _unpacked(file)
        with io.TextIOWrapper(bytes_of, encoding=_encoding(bytes_of, path), newline="") as text:
            yield _lines(text, path, lambda: shown.update(task, completed=file.tell()))


def _unpacked(file: io.BufferedReader) -> io.BufferedReader:
    if not file.peek(2).startswith(_GZIP):
        return file
    return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=cast("IO[bytes]", file))))


def _encoding(file: io.BufferedReader, path: Path) -> str:
    """MetaTrader writes UTF-16, with its mark in front."""
    try:
        start = file.peek(4)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path) from error
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _lines(text: io.TextIOWrapper, path: Path, on_progress: Callable[[], None]) -> Iterator[str]:
    try:
        for number, line in enumerate(text):
            if number % LINES_PER_LOOK == 0:
                on_progress()
            yield line
    except UnicodeError as error:
        raise ConfigurationError(f"{path.name!a} is not written in UTF-8 or UTF-16: save it as UTF-8 and try again.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> ConfigurationError:
    return ConfigurationError(f"The packed file {path.name!a} ends too early or is damaged: fetch it again.")
