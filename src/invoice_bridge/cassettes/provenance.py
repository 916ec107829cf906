"""The sidecar of a cassette, `<name>.provenance.json`: the origin of the recording, and what was redacted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, model_validator

from invoice_bridge import providers
from invoice_bridge.adapter.provider import Provider
from invoice_bridge.cassettes import files
from invoice_bridge.cassettes.redaction import VERSION
from invoice_bridge.core.errors import ConfigurationError
from invoice_bridge.files import write as write_file

Origin = Literal["live", "test", "emulator", "documentation"]
Mode = Literal["test", "live", "none"]


class Provenance(BaseModel):
    """The content of a sidecar.

    `mode` is that of the account; "none" if there is no account (an emulator, a page). `source_page` is the page of the
    origin "documentation". `redacted` names the places ("answer field customer_email"). `sha256` is the cassette's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    api_version: str
    mode: Mode
    origin: Origin
    source_page: str | None = None
    recorded_at: AwareDatetime
    library: str
    redactor: int
    redacted: tuple[str, ...]
    sha256: str

    @model_validator(mode="after")
    def _consistent(self) -> Provenance:
        if (self.origin == "documentation") != bool(self.source_page):
            raise ValueError('the origin "documentation" needs a source_page; no other origin has one')
        expected = {"live": {"live"}, "test": {"test"}}.get(self.origin, {"none", "test"})
        if self.mode not in expected:
            raise ValueError(f"the origin {self.origin} cannot have the mode {self.mode}")
        return self


def path_of(cassette: Path) -> Path:
    """Return the path of a cassette's sidecar."""
    return cassette.with_suffix(".provenance.json")


def write(
    cassette_path: Path,
    *,
    provider: str,
    origin: str,
    recorded_at: datetime,
    mode: str,
    redacted: Iterable[str],
    source_page: str | None = None,
    api_version: str | None = None,
) -> Path:
    """Write the sidecar of an existing cassette; return its path.

    The default of `api_version` is the version in the recorded requests, or else the adapter's.
    Raises ConfigurationError for an unknown provider or origin, or an instant without a time zone.
    """
    recorded_version = api_version or next(iter(versions(provider, files.load(cassette_path)["interactions"])), None)
    try:
        provenance = Provenance(
            provider=provider,
            api_version=recorded_version or providers.get(provider).api_version,
            mode=mode,  # type: ignore[arg-type] # the model checks the word
            origin=origin,  # type: ignore[arg-type] # (same)
            source_page=source_page,
            recorded_at=recorded_at,
            library=version("invoice-bridge"),
            redactor=VERSION,
            redacted=tuple(sorted(set(redacted))),
            sha256=sum_of(cassette_path),
        )
    except ValidationError as error:
        raise ConfigurationError(f"{cassette_path}: {_problems(error)}") from None
    return put(cassette_path, provenance)


def put(cassette_path: Path, provenance: Provenance) -> Path:
    """Write the sidecar of a cassette; return its path."""
    path = path_of(cassette_path)
    text = provenance.model_dump_json(indent=2, exclude_none=True)
    write_file(path, text + "\n")
    return path


def read(cassette_path: Path) -> Provenance:
    """Read the sidecar of a cassette. Raises ConfigurationError if it is missing or invalid."""
    path = path_of(cassette_path)
    try:
        return Provenance.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ConfigurationError(
            f"{cassette_path}: its sidecar {path.name} is missing, so its origin is unknown"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{path}: it cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_problems(error)}") from None


def sum_of(cassette_path: Path) -> str:
    """Return the SHA-256 of a cassette's bytes, in hexadecimal."""
    return hashlib.sha256(cassette_path.read_bytes()).hexdigest()


def version_header(declared: Provider) -> str | None:
    """Return the header, in lower case, that has the API version in a provider's requests; None if there is none."""
    sent = declared.headers(declared.read_settings({}))
    return next((name.lower() for name, value in sent.items() if value == declared.api_version), None)


def versions(provider: str, interactions: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the API versions in the recorded requests, each once, in their order."""
    header = version_header(providers.get(provider))
    names: dict[str, None] = {}
    for interaction in interactions:
        try:
            headers = interaction["request"]["headers"].items()
        except (KeyError, TypeError, AttributeError):
            continue
        for name, value in headers:
            if str(name).lower() == header:
                names[str(value[0] if isinstance(value, list) and value else value)] = None
    return tuple(names)


def _problems(error: ValidationError) -> str:
    """Return the problems in one line, without the values."""
    words = {"origin": ", ".join(get_args(Origin)), "mode": ", ".join(get_args(Mode))}
    problems = []
    for problem in error.errors():
        name = ".".join(map(str, problem["loc"])) or "it"
        hint = f" (one of {words[name]})" if name in words else ""
        problems.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}{hint}")
    return "; ".join(problems)
