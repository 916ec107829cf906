"""Bodies as texts: decode the content encoding and the charset, and encode a changed text in the same way."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message

_MARKS = (  # the longest first: the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FORM = re.compile(r"[^\s=&{}<>]+=\S*")


@dataclass(frozen=True, slots=True)
class Body:
    """A decoded body: `kind` is json, form or text; `close` encodes a changed text."""

    kind: str
    text: str
    close: Callable[[str], bytes]


def read(content: bytes, content_type: str, content_encoding: str) -> Body:
    """Read a body. Raises ValueError if it cannot be decoded; the message shows nothing of the body."""
    header = Message()
    header["content-type"] = content_type or "text/plain"
    media = header.get_content_type()
    plain, compress = _decompressed(content, content_encoding)
    if media.startswith(("multipart/", "image/", "audio/", "video/")) or (
        media.startswith("application/") and not _is_text(media)
    ):
        raise ValueError(f"a body of type {media} cannot be read")
    mark, charset = _charset(plain, header.get_content_charset() or "")
    errors = "surrogateescape" if charset == "utf-8" else "strict"
    text = ""
    try:
        text = plain[len(mark) :].decode(charset, errors)
        same = mark + text.encode(charset, errors) == plain
    except (UnicodeError, LookupError):
        same = False
    if not same:
        raise ValueError(f"it is not in its charset ({charset})")
    return Body(
        _kind(media, content_type, text), text, lambda changed: compress(mark + changed.encode(charset, errors))
    )


def _is_text(media: str) -> bool:
    return media.endswith(("json", "xml", "x-www-form-urlencoded", "javascript"))


def _kind(media: str, content_type: str, text: str) -> str:
    if media.endswith("json"):
        return "json"
    if media.endswith("x-www-form-urlencoded") or (not content_type and _FORM.fullmatch(text)):
        return "form"
    return "text"


def _decompressed(content: bytes, encoding: str) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Decode the content encodings. A recorder may have decoded them already and kept the header."""
    wraps: list[Callable[[bytes], bytes]] = []
    for name in reversed([word.strip().lower() for word in encoding.split(",") if word.strip()]):
        if name in {"gzip", "x-gzip"}:
            if content.startswith(b"\x1f\x8b"):
                try:
                    content = gzip.decompress(content)
                except (OSError, EOFError, zlib.error):
                    raise ValueError("its content encoding is gzip, but it cannot be decompressed") from None
                wraps.append(lambda plain: gzip.compress(plain, mtime=0))
        elif name == "deflate":
            for bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
                try:
                    content = zlib.decompress(content, bits)
                except zlib.error:
                    continue
                wraps.append(lambda plain, bits=bits: _deflated(plain, bits))  # type: ignore[misc]
                break
        elif name != "identity" and content:
            raise ValueError(f"its content encoding ({name}) cannot be decoded")

    def compress(plain: bytes) -> bytes:
        for wrap in reversed(wraps):
            plain = wrap(plain)
        return plain

    return content, compress


def _deflated(plain: bytes, bits: int) -> bytes:
    deflate = zlib.compressobj(wbits=bits)
    return deflate.compress(plain) + deflate.flush()


def _charset(content: bytes, declared: str) -> tuple[bytes, str]:
    for mark, charset in _MARKS:
        if content.startswith(mark):
            return mark, charset
    try:
        known = codecs.lookup(declared).name if declared else "utf-8"
    except LookupError:
        return b"", declared
    # UTF-16 and UTF-32 without a mark, and JSON without a charset: the zero bytes show the encoding
    return b"", json.detect_encoding(content) if known in {"utf-8", "utf-16", "utf-32"} else known
