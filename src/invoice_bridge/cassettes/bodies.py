"""Bodies as texts: a content encoding and a charset taken off, and put on again around a changed text."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message

_MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FORM = re.compile(r"[^\s=&{}<>]+=\S*")


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was read: `kind` is json, form or text; `close` makes bytes of a changed text."""

    kind: str
    text: str
    close: Callable[[str], bytes]


def read(content: bytes, content_type: str, content_encoding: str) -> Body:
    """Read a body. Raises ValueError, in words that show nothing of it, where it cannot be looked into."""
    said = Message()
    said["content-type"] = content_type or "text/plain"
    media = said.get_content_type()
    plain, compress = _decompressed(content, content_encoding)
    if media.startswith(("multipart/", "image/", "audio/", "video/")) or (
        media.startswith("application/") and not _is_text(media)
    ):
        raise ValueError(f"a body of {media} cannot be looked into")
    mark, charset = _charset(plain, said.get_content_charset() or "")
    errors = "surrogateescape" if charset == "utf-8" else "strict"
    text = ""
    try:
        text = plain[len(mark) :].decode(charset, errors)
        same = mark + text.encode(charset, errors) == plain
    except (UnicodeError, LookupError):
        same = False
    if not same:
        raise ValueError(f"it is not in the charset it is said to be in ({charset})")
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
    """Take content encodings off. A recorder may have taken them off before, and left the header."""
    wraps: list[Callable[[bytes], bytes]] = []
    for name in reversed([word.strip().lower() for word in encoding.split(",") if word.strip()]):
        if name in {"gzip", "x-gzip"}:
            if content.startswith(b"\x1f\x8b"):
                try:
                    content = gzip.decompress(content)
                except (OSError, EOFError, zlib.error):
                    raise ValueError("it is said to be gzip, and cannot be decompressed") from None
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
            raise ValueError(f"its content encoding ({name}) cannot be taken off")

    def compress(plain: bytes) -> bytes:
        for wrap in reversed(wraps):
            plain = wrap(plain)
        return plain

    return content, compress


def _deflated(plain: bytes, bits: int) -> bytes:
    deflate = zlib.compressobj(wbits=bits)
    return deflate.compress(plain) + deflate.flush()


def _charset(content: bytes, said: str) -> tuple[bytes, str]:
    for mark, charset in _MARKS:
        if content.startswith(mark):
            return mark, charset
    try:
        known = codecs.lookup(said).name if said else "utf-8"
    except LookupError:
        return b"", said
    # UTF-16 and UTF-32 without a mark: the zeros tell which end comes first; so does JSON that says nothing
    return b"", json.detect_encoding(content) if known in {"utf-8", "utf-16", "utf-32"} else known
