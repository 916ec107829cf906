"""The player replays what plain vcrpy replays, byte for byte, at a cost that does not grow; it says what is missing."""

import asyncio
import gzip
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from vcr.config import VCR
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.persisters.filesystem import FilesystemPersister
from vcr.record_mode import RecordMode
from vcr.request import Request as VcrRequest
from vcr.serializers import yamlserializer

from invoice_bridge import BridgeError, Client, ConfigurationError, providers
from invoice_bridge.cassettes.player import NotRecorded, Player

FOLDER = Path(__file__).resolve().parents[2] / "cassettes"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
Interaction = tuple[Any, dict[str, Any]]


def asked(method: str, url: str, content: bytes = b"", headers: dict[str, str] | None = None) -> Any:
    made: Any = VcrRequest
    return made(method, url, content, headers or {})


def answer(text: bytes | str = b"{}", status: int = 200, message: str | None = "OK", **headers: Any) -> dict[str, Any]:
    named = {name.replace("_", "-"): value if isinstance(value, list) else [value] for name, value in headers.items()}
    return {"status": {"code": status, "message": message}, "headers": named, "body": {"string": text}}


def write(path: Path, *interactions: Interaction) -> Path:
    """A cassette, as vcrpy itself writes one."""
    requests, answers = zip(*interactions, strict=True)
    persister: Any = FilesystemPersister
    persister.save_cassette(path, {"requests": requests, "responses": answers}, serializer=yamlserializer)
    return path


def whole(response: httpx.Response) -> tuple[Any, ...]:
    """Everything that a caller can see of an answer."""
    return (
        response.status_code,
        response.reason_phrase,
        response.headers.multi_items(),
        response.content,
        response.text,
        response.encoding,
        response.http_version,
        response.is_closed,
        str(response.url),
    )


Call = tuple[str, str, bytes, dict[str, str]]


def by_vcrpy(path: Path, calls: list[Call], **options: Any) -> list[Any]:
    plain: Any = VCR(record_mode=RecordMode.NONE, **options)  # type: ignore[no-untyped-call]
    found: list[Any] = []
    with plain.use_cassette(str(path)), httpx.Client() as http:
        for method, url, content, headers in calls:
            try:
                found.append(whole(http.request(method, url, content=content, headers=headers)))
            except CannotOverwriteExistingCassetteException:
                found.append("nothing is left")
    return found


def by_player(path: Path, calls: list[Call], **options: Any) -> list[Any]:
    found: list[Any] = []
    with httpx.Client(transport=Player(path, **options)) as http:
        for method, url, content, headers in calls:
            try:
                found.append(whole(http.request(method, url, content=content, headers=headers)))
            except NotRecorded:
                found.append("nothing is left")
    return found


def get(url: str) -> Call:
    return ("GET", url, b"", {})


# ── the same as vcrpy ────────────────────────────────────────────────────────────────────────────────────────────────
ROOT = "https://api.example.test/v1"
COMPRESSED = gzip.compress('{"text":"ünïcode, größer"}'.encode(), mtime=0)


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """Bodies and headers of every kind that vcrpy stores."""
    return write(
        tmp_path / "every_kind.yaml",
        (asked("GET", f"{ROOT}/text"), answer('{"a": "ü"}', content_type="application/json")),
        (asked("GET", f"{ROOT}/gzip"), answer(COMPRESSED, content_encoding="gzip", content_type="application/json")),
        (asked("GET", f"{ROOT}/binary"), answer(b"\x00\xff\xfe\x80", content_type="application/pdf")),
        (asked("GET", f"{ROOT}/empty"), answer(b"", 204, "No Content")),
        (asked("GET", f"{ROOT}/latin"), answer("é".encode("latin-1"), content_type="text/plain; charset=latin-1")),
        (asked("GET", f"{ROOT}/lines"), answer("a\r\nb\n\n  c\t\u2028d: #e")),
        (asked("GET", f"{ROOT}/twice"), answer(b"", 200, "OK", set_cookie=["a=1", "b=2"])),
        (asked("GET", f"{ROOT}/refused"), answer('{"error": {}}', 402, "Payment Required")),
        (asked("GET", f"{ROOT}/no_phrase"), answer("{}", 429, None, retry_after="7")),
        (asked("GET", f"{ROOT}/own_phrase"), answer("{}", 200, "Fine by me")),
    )


NAMES = ("text", "gzip", "binary", "empty", "latin", "lines", "twice", "refused", "no_phrase", "own_phrase")


def test_every_kind_of_answer_is_what_vcrpy_gives(cassette: Path) -> None:
    """Status, phrase, headers in order, bytes and decoded text are equal; the compressed body is read as its text."""
    calls = [get(f"{ROOT}/{name}") for name in reversed(NAMES)]
    ours = by_player(cassette, calls)
    assert ours == by_vcrpy(cassette, calls)
    assert "nothing is left" not in ours
    assert len(ours) == 10
    assert ours[NAMES[::-1].index("gzip")][4] == '{"text":"ünïcode, größer"}'
    assert [name for name in ours[NAMES[::-1].index("twice")][2] if name[0] == "set-cookie"] == [
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]


SAME: list[Call] = [
    get(f"{ROOT}/list?b=2&a=1"),  # the order of a query does not count
    get(f"{ROOT}/list?a=1&b=2&c="),  # nor, for vcrpy, an empty value
    get("https://api.example.test:443/v1/list?a=1&b=2"),  # the port that is meant
    get("https://API.example.test/v1/list?a=1&b=2"),
    get("https://api.example.test"),  # an empty path is "/"
    get(f"{ROOT}/list;p=1?a=1&b=2"),  # parameters of a path
    get(f"{ROOT}/list?a=1&b=2"),  # the sixth of five
    get(f"{ROOT}/list?a=1"),
    ("POST", f"{ROOT}/list?a=1&b=2", b"x", {}),
    get("http://api.example.test/v1/list?a=1&b=2"),
    get("https://api.example.test:8443/v1/list?a=1&b=2"),
    get(f"{ROOT}/list/?a=1&b=2"),
    get(f"{ROOT}/a%2Fb"),
    get(f"{ROOT}/a/b"),
    get(f"{ROOT}/a/b"),
]


def test_what_matches_is_what_vcrpy_matches(tmp_path: Path) -> None:
    """Each interaction plays once and in order; spellings that vcrpy takes for the same are the same, no others."""
    path = write(
        tmp_path / "matching.yaml",
        *((asked("GET", f"{ROOT}/list?a=1&b=2"), answer(f'{{"page": {page}}}')) for page in range(5)),
        (asked("GET", "https://api.example.test/"), answer('"root"')),
        (asked("GET", f"{ROOT}/a%2Fb"), answer('"encoded"')),
        (asked("GET", f"{ROOT}/a/b"), answer('"two segments"')),
    )
    ours = by_player(path, SAME)
    assert ours == by_vcrpy(path, SAME)
    played = [found if isinstance(found, str) else found[4] for found in ours]
    assert played == [
        '{"page": 0}',
        '{"page": 1}',
        '{"page": 2}',
        '{"page": 3}',
        '"root"',
        '{"page": 4}',
        *["nothing is left"] * 6,
        '"encoded"',
        '"two segments"',
        "nothing is left",
    ]


BODIES: list[Call] = [
    ("POST", ROOT, b"b=2&a=1", FORM),  # a form in another order
    ("POST", ROOT, b"a=1&b=2", FORM),
    ("POST", ROOT, b"a=1&b=2", FORM),
    ("POST", ROOT, b"a=1&b=3", FORM),
    ("POST", ROOT, b"a=2&a=1", FORM),  # the order of one field's values counts
    ("POST", ROOT, b'{ "b": [1, 2], "a": 19.99 }', JSON),
    ("POST", ROOT, b'{"a": 19.99, "b": [2, 1]}', JSON),
    ("POST", ROOT, b'{"a": 19.99, "b": [1, 2]', JSON),  # torn: its bytes alone count
    ("POST", ROOT, b'{"a": 19.99, "b": [1, 2]', JSON),
    ("POST", ROOT, b"a=1&b=2", JSON),  # another type: its bytes alone count
    ("POST", ROOT, b"b=2&a=1", JSON),
    ("POST", ROOT, b"\xff\xfe", FORM),
    ("POST", ROOT, b"plain", {"Content-Type": "text/plain"}),
    ("POST", ROOT, b"plain", {}),
    ("POST", ROOT, b"", {}),
]


def test_bodies_match_as_with_vcrpy(tmp_path: Path) -> None:
    """A form and JSON are compared as what they say, anything else by its bytes."""
    path = write(
        tmp_path / "bodies.yaml",
        (asked("POST", ROOT, b"a=1&b=2", FORM), answer("1")),
        (asked("POST", ROOT, b"a=1&b=2", FORM), answer("2")),
        (asked("POST", ROOT, b"a=1&a=2", FORM), answer("3")),
        (asked("POST", ROOT, b'{"a": 19.99, "b": [1, 2]}', JSON), answer("4")),
        (asked("POST", ROOT, b'{"a": 19.99, "b": [1, 2]', JSON), answer("5")),
        (asked("POST", ROOT, b"a=1&b=2", FORM), answer("6")),
        (asked("POST", ROOT, b"\xff\xfe", FORM), answer("7")),
        (asked("POST", ROOT, b"plain", {"Content-Type": "text/plain"}), answer("8")),
        (asked("POST", ROOT, b"", {}), answer("9")),
    )
    ours = by_player(path, BODIES, match_on_body=True)
    match_on = ["method", "scheme", "host", "port", "path", "query", "body"]
    assert ours == by_vcrpy(path, BODIES, match_on=match_on)
    no = "nothing is left"
    played = [found if found == no else found[4] for found in ours]
    assert played == ["1", "2", "6", no, no, "4", no, "5", no, no, no, "7", "8", no, "9"]


PLACES: dict[tuple[str, str], bool] = {
    (f"{ROOT}/a", f"{ROOT}/a"): True,
    (f"{ROOT}/a", f"{ROOT}/b"): False,
    (f"{ROOT}/a", f"{ROOT}/a/"): False,
    (f"{ROOT}/a", f"{ROOT}/a?b=1"): False,
    (f"{ROOT}/a", f"{ROOT}/a?b="): True,
    (f"{ROOT}/a?b=1&c=2", f"{ROOT}/a?c=2&b=1"): True,
    (f"{ROOT}/a?b=1&b=2", f"{ROOT}/a?b=1"): False,
    ("https://x.test/a", "http://x.test/a"): False,
    ("https://x.test/a", "https://y.test/a"): False,
    ("https://x.test/a", "https://x.test:8443/a"): False,
    ("https://x.test/a", "https://x.test:443/a"): True,
    ("https://x.test", "https://x.test/"): True,
}


@pytest.mark.parametrize("recorded, url", PLACES)
def test_one_place_and_another(recorded: str, url: str, tmp_path: Path) -> None:
    """Whether a request for one is answered with what was recorded at the other, as with vcrpy."""
    path = write(tmp_path / "one.yaml", (asked("GET", recorded), answer()))
    ours = by_player(path, [get(url)])
    assert ours == by_vcrpy(path, [get(url)])
    assert (ours != ["nothing is left"]) is PLACES[recorded, url]


CONTENTS: dict[tuple[bytes, str, bytes, str], bool] = {
    (b"a=1&b=2", "form", b"b=2&a=1", "form"): True,
    (b"a=1&b=2", "form", b"a=1&b=2", "json"): True,  # of different types: by their bytes
    (b"a=1&b=2", "form", b"b=2&a=1", "json"): False,
    (b"a=1&b=2", "form", b"b=2&a=1", ""): False,
    (b"a=1&b=2", "", b"b=2&a=1", ""): False,
    (b'{"a":1,"b":2}', "json", b'{"b": 2, "a": 1}', "json"): True,
    (b'{"a":1}', "json", b'{"a":1.0}', "json"): True,
    (b'{"a":"1"}', "json", b'{"a":1}', "json"): False,
    (b'{"a":[]}', "json", b'{"a":{}}', "json"): False,
    (b'{"a":1', "json", b'{"a":1', "json"): True,
    (b'{"a":1', "json", b'{"a":1}', "json"): False,
    (b"", "json", b"", "json"): True,
}
TYPES = {"form": FORM, "json": JSON, "": {}}


@pytest.mark.parametrize("recorded, kind, content, other", CONTENTS)
def test_one_body_and_another(recorded: bytes, kind: str, content: bytes, other: str, tmp_path: Path) -> None:
    """Whether a request with one is answered with what was recorded for the other, as with vcrpy."""
    path = write(tmp_path / "one.yaml", (asked("POST", ROOT, recorded, TYPES[kind]), answer()))
    calls: list[Call] = [("POST", ROOT, content, TYPES[other])]
    ours = by_player(path, calls, match_on_body=True)
    assert ours == by_vcrpy(path, calls, match_on=["method", "uri", "body"])
    assert (ours != ["nothing is left"]) is CONTENTS[recorded, kind, content, other]


def test_of_two_that_match_the_first_is_played(tmp_path: Path) -> None:
    """Also where the second is the same to the byte, and the first only says the same."""
    path = write(
        tmp_path / "two.yaml",
        (asked("POST", ROOT, b"a=1&b=2", FORM), answer("1")),
        (asked("POST", ROOT, b"b=2&a=1", FORM), answer("2")),
    )
    calls: list[Call] = [("POST", ROOT, b"b=2&a=1", FORM)] * 3
    ours = by_player(path, calls, match_on_body=True)
    assert ours == by_vcrpy(path, calls, match_on=["method", "uri", "body"])
    assert [found[4] for found in ours[:2]] == ["1", "2"]


def test_without_bodies_a_body_does_not_count(tmp_path: Path) -> None:
    """As with vcrpy's default: the first recorded is played, whatever is sent."""
    path = write(
        tmp_path / "bodies.yaml",
        (asked("POST", ROOT, b"a=1", FORM), answer("1")),
        (asked("POST", ROOT, b"a=2", FORM), answer("2")),
    )
    calls: list[Call] = [("POST", ROOT, b"a=2", FORM), ("POST", ROOT, b"a=1", FORM)]
    assert [found[4] for found in by_player(path, calls)] == ["1", "2"]
    assert by_player(path, calls) == by_vcrpy(path, calls)


def test_amounts_in_bodies_are_compared_exactly(tmp_path: Path) -> None:
    """Two amounts that are the same as floats are two amounts; 19.990 is 19.99."""
    path = write(tmp_path / "exact.yaml", (asked("POST", ROOT, b'{"amount":19.99}', JSON), answer("1")))
    more: list[Call] = [("POST", ROOT, b'{"amount":19.990000000000000001}', JSON)]
    same: list[Call] = [("POST", ROOT, b'{"amount":19.990}', JSON)]
    assert by_player(path, more, match_on_body=True) == ["nothing is left"]
    assert by_player(path, same, match_on_body=True)[0][4] == "1"


# ── what is missing ──────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def three(tmp_path: Path) -> Path:
    return write(
        tmp_path / "three.yaml",
        (asked("GET", f"{ROOT}/invoices/in_1"), answer()),
        (asked("GET", f"{ROOT}/invoices/in_1"), answer()),
        (asked("POST", f"{ROOT}/invoices", b"currency=eur&customer=cus_42", FORM), answer()),
    )


DIFFERENCE = """\
--- the recorded body
+++ this body
@@ -1,2 +1,2 @@
-currency = ['eur']
+currency = ['usd']
 customer = ['cus_42']
"""
MISSING: dict[str, tuple[Call, bool, str]] = {
    "the nearest": (
        get(f"{ROOT}/invoices/in_2"),
        False,
        f"GET {ROOT}/invoices/in_2\nthe nearest recorded is GET {ROOT}/invoices/in_1\n",
    ),
    "another method": (
        ("DELETE", f"{ROOT}/invoices", b"", {}),
        False,
        f"DELETE {ROOT}/invoices\nthe nearest recorded is POST {ROOT}/invoices\n",
    ),
    "another body": (
        ("POST", f"{ROOT}/invoices", b"currency=usd&customer=cus_42", FORM),
        True,
        f"POST {ROOT}/invoices\nit was recorded with another body\n{DIFFERENCE}",
    ),
}


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_said(what: str, three: Path) -> None:
    """The error names the file, the request, the nearest recorded one, and what to do."""
    (method, url, content, headers), match_on_body, told = MISSING[what]
    player = Player(three, match_on_body=match_on_body, remedy="do this")
    with httpx.Client(transport=player) as http, pytest.raises(NotRecorded) as missing:
        http.request(method, url, content=content, headers=headers)
    assert str(missing.value) == f"{three} has no interaction left for {told}do this"
    assert player.refused == [str(missing.value)]


def test_what_was_played_is_not_played_again(three: Path) -> None:
    """Recorded twice, asked three times: the message counts, and what was never asked for is listed."""
    player = Player(three)
    with httpx.Client(transport=player) as http:
        for _ in range(2):
            http.get(f"{ROOT}/invoices/in_1")
        with pytest.raises(NotRecorded, match="it was recorded 2 times, and each recording plays once"):
            http.get(f"{ROOT}/invoices/in_1")
    assert player.unplayed == [f"POST {ROOT}/invoices"]


def test_an_application_cannot_take_it_for_an_answer() -> None:
    """What catches this library's errors, or the HTTP library's, does not catch the end of a recording."""
    assert not issubclass(NotRecorded, BridgeError | httpx.HTTPError | OSError)
    emulator: Any = providers.get("stripe").emulator()
    player = Player(FOLDER / "stripe" / "one_time_charge.yaml")
    with httpx.Client(transport=player) as http, pytest.raises(NotRecorded, match="in_nope"):
        Client("stripe", api_key=emulator.key, http=http).retrieve("in_nope")


def test_a_cassette_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(ConfigurationError, match=r"none\.yaml: it cannot be read: No such file"):
        Player(tmp_path / "none.yaml")


NO_LIST = r"other\.yaml: it is not a cassette: it has no list of interactions"
NO_YAML = r"other\.yaml: it is not valid YAML for a cassette: "


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", NO_LIST),
        ("nothing", NO_LIST),
        ("- request: {}", NO_LIST),
        ("interactions: 7", NO_LIST),
        ("interactions:\n- {}", r"other\.yaml is not a cassette: KeyError"),
        ("a: [", NO_YAML + "while parsing a flow node"),
        ("!!x y", NO_YAML + "could not determine a constructor for the tag"),
    ],
)
def test_a_file_that_is_no_cassette_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    """The error names the file, and what it lacks."""
    path = tmp_path / "other.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=problem):
        Player(path)


def test_a_file_of_another_age_is_refused(tmp_path: Path) -> None:
    """What vcrpy wrote for httpx before 6.0 has no body where it is looked for; it is not guessed at."""
    path = tmp_path / "old.yaml"
    path.write_text(
        "interactions:\n- request: {method: GET, uri: 'https://x.test/', body: '', headers: {}}\n"
        "  response: {status_code: 200, content: '{}', headers: {}}\nversion: 1\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigurationError, match=r"old\.yaml was written by a vcrpy before 6\.0: record it again"):
        Player(path)


def test_a_cassette_cannot_run_code(tmp_path: Path) -> None:
    """A tag that makes Python objects is refused, not obeyed."""
    path = tmp_path / "hostile.yaml"
    path.write_text(f"interactions: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not valid YAML for a cassette"):
        Player(path)
    assert not (tmp_path / "made").exists()


# ── who may use it ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_asynchronous_clients_play_it_too(cassette: Path) -> None:
    """The same answers through httpx.AsyncClient."""
    calls = [get(f"{ROOT}/{name}") for name in NAMES]

    async def awaited() -> list[Any]:
        async with httpx.AsyncClient(transport=Player(cassette)) as http:
            return [whole(await http.request(method, url)) for method, url, _, _ in calls]

    assert asyncio.run(awaited()) == by_player(cassette, calls)


def slowly(act: Any) -> Any:
    """The same, with a pause in which another thread may come in between."""

    def act_slowly(*arguments: Any) -> Any:
        done = act(*arguments)
        time.sleep(0.0001)
        return done

    return act_slowly


def test_threads_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads get each of 400 answers exactly once."""
    path = write(tmp_path / "many.yaml", *((asked("GET", ROOT), answer(str(number))) for number in range(400)))
    found: list[int] = []
    monkeypatch.setattr(Player, "_next", slowly(Player._next))

    def play(http: httpx.Client) -> None:
        found.extend(int(http.get(ROOT).text) for _ in range(50))

    with httpx.Client(transport=Player(path)) as http:
        threads = [threading.Thread(target=play, args=(http,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == list(range(400))


def test_a_request_can_be_changed_before_it_is_looked_up(three: Path) -> None:
    """What was recorded under another name is found under it."""

    def renamed(request: Any) -> Any:
        request.uri = request.uri.replace("in_secret", "in_1")
        return request

    with httpx.Client(transport=Player(three, before_request=renamed)) as http:
        assert http.get(f"{ROOT}/invoices/in_secret").status_code == 200


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────────
def keys_computed(path: Path, url: str, *, match_on_body: bool) -> int:
    """How many requests are looked at to answer one, once the cassette is filed."""
    player = Player(path, match_on_body=match_on_body)
    calls, keys = 0, player._keys

    def counted(request: Any) -> Any:
        nonlocal calls
        calls += 1
        return keys(request)

    player._keys = counted  # type: ignore[method-assign]
    with httpx.Client(transport=player) as http:
        http.get(url)
    return calls


@pytest.mark.parametrize("match_on_body", [False, True])
def test_the_cost_does_not_grow(tmp_path: Path, match_on_body: bool) -> None:
    """A request is looked at once, whether it is the last of ten or of five hundred (times: benchmarks/replay.py)."""
    for number in (10, 500):
        interactions = [(asked("GET", f"{ROOT}/invoices/in_{one}"), answer()) for one in range(number)]
        path = write(tmp_path / f"{number}.yaml", *interactions)
        assert keys_computed(path, f"{ROOT}/invoices/in_{number - 1}", match_on_body=match_on_body) == 1
