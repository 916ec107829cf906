"""What can be a side, and that none is compared in part."""

import base64
import gzip
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from invoice_bridge import (
    Client,
    ConfigurationError,
    Invoice,
    MalformedResponse,
    Money,
    OneTimeCharge,
    Status,
    decode,
    providers,
)
from invoice_bridge.compare import Verdict, compare
from invoice_bridge.compare.from_cassette import recorded
from invoice_bridge.compare.sources import read
from invoice_bridge.emulator import EmulatorTransport
from tests.compare.bills import OTHER_IDENTITY, bill, eur

CASSETTES = Path(__file__).resolve().parents[2] / "cassettes"
STRIPE = CASSETTES / "stripe" / "one_time_charge.yaml"


def many(count: int) -> list[Invoice]:
    """Bills with references of their own."""
    return [bill(reference=f"res-{place}", id=f"in_{place}") for place in range(count)]


def ndjson(path: Path, invoices: list[Invoice]) -> Path:
    """A file of an invoice a line."""
    path.write_text("".join(f"{invoice.model_dump_json()}\n" for invoice in invoices), "utf-8")
    return path


# ── files of neutral invoices ────────────────────────────────────────────────────────────────────────────────────────
ARRAYS: list[Callable[[list[str]], str]] = [
    lambda texts: "[\n" + ",\n".join(texts) + "\n]\n",  # as `list --json` prints it
    lambda texts: "[" + ",".join(texts) + "]",
    lambda texts: json.dumps([json.loads(text) for text in texts], indent=2),
]


@pytest.mark.parametrize("spell", ARRAYS)
def test_an_array_reads_as_the_same_invoices(tmp_path: Path, spell: Callable[[list[str]], str]) -> None:
    """One line, many lines or indented: the invoices are those that were written."""
    path = tmp_path / "all.json"
    path.write_text(spell([invoice.model_dump_json() for invoice in many(3)]), "utf-8")
    assert [one.invoice for one in read(path)] == many(3)
    assert compare(path, ndjson(tmp_path / "all.ndjson", many(3))).counts[Verdict.MATCHED] == 3


def test_two_files_of_one_invoice_are_compared_as_they_are(tmp_path: Path) -> None:
    """`show --json` prints one object: nothing has to be joined, and another reference is a difference of text."""
    left, right = tmp_path / "a.json", tmp_path / "b.json"
    left.write_text(bill().model_dump_json(), "utf-8")
    right.write_text(json.dumps(json.loads(bill(reference="other").model_dump_json()), indent=1), "utf-8")
    (row,) = compare(left, right).rows
    assert [one.path for one in row.differences] == ["reference"]


def test_a_folder_is_all_of_its_files(tmp_path: Path) -> None:
    """Files in folders of folders too, in the order of their names."""
    (tmp_path / "sub").mkdir()
    ndjson(tmp_path / "a.ndjson", many(2))
    ndjson(tmp_path / "sub" / "b.jsonl", [bill(reference="last")])
    (tmp_path / "notes.txt").write_text("not read", "utf-8")
    found = [(one.invoice.reference, one.file) for one in read(tmp_path)]
    assert found == [("res-0", "a"), ("res-1", "a"), ("last", "sub/b")]


GOOD = bill().model_dump_json()


@pytest.mark.parametrize(
    "name, text, told",
    [
        ("a.ndjson", f"{GOOD}\n{GOOD[:200]}", "a.ndjson:2: this is no neutral invoice"),
        ("a.ndjson", f"{GOOD}\n[]\n", "a.ndjson:2: this is no neutral invoice"),
        ("a.ndjson", GOOD.replace('"minor":14800', '"minor":148.5'), "total.minor"),
        ("a.ndjson", '{"id": "in_1", "object": "invoice"}', "as `invoice-bridge list --full --json` prints it"),
        ("a.json", f"[\n{GOOD},\n{GOOD}\n", "it is torn: its array has no end"),
        ("a.json", f"[\n{GOOD},\n", "it is torn: its array has no end"),
        ("a.json", f"[\n{GOOD}\n{GOOD}\n]", "a comma is missing before this line"),
        ("a.json", f"[\n{GOOD}\n]\n{GOOD}\n", "something follows the end of the array"),
        ("a.json", GOOD[:300], "it is not JSON"),
        ("a.json", "", "it is not JSON"),
        ("a.csv", "id,total", "a side is a cassette (.yaml), neutral invoices"),
        ("a.yaml", "interactions: [", "it is not valid YAML for a cassette"),
        ("a.yaml", "a: 1", "it is not a cassette: it has no list of interactions"),
        (
            "a.yaml",
            "interactions:\n- request: {uri: 'https://api.stripe.com/', method: GET}\n",
            "interaction 0 is not as",
        ),
    ],
)
def test_a_file_that_cannot_be_read_whole_is_an_error(tmp_path: Path, name: str, text: str, told: str) -> None:
    """One torn line spoils the side: a part of it is never compared."""
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        compare(many(2), tmp_path / name)
    assert told in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Neither a missing file nor an empty folder is an empty side."""
    with pytest.raises(ConfigurationError, match="there is no such file"):
        compare(many(1), tmp_path / "none.ndjson")
    with pytest.raises(ConfigurationError, match="it holds no file that can be read"):
        compare(many(1), tmp_path)


@pytest.mark.parametrize("side", [5, None, [5]])
def test_something_else_is_no_side(side: Any) -> None:
    """What is no invoice is named."""
    with pytest.raises(ConfigurationError, match=r"int|NoneType"):
        compare(side, many(1))


# ── cassettes ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "provider, status", [("chargeapi", "void"), ("chargebee", "void"), ("stripe", "void"), ("whop", "draft")]
)
def test_a_cassette_shows_the_last_state(provider: str, status: str) -> None:
    """The invoice that was billed, read back, listed and withdrawn is one invoice, with its reference and lines."""
    (found,) = recorded(CASSETTES / provider / "one_time_charge.yaml")
    assert (found.provider, found.status.value, found.reference) == (provider, status, "res-2026-05-17")
    assert found.lines
    assert found.lines_complete


def test_two_cassettes_are_compared() -> None:
    """The same scenario at two providers bills the same, as far as both say."""
    found = compare(STRIPE, CASSETTES / "chargebee" / "one_time_charge.yaml")
    assert found.same
    assert found.counts[Verdict.MATCHED] == 1
    other = compare(str(STRIPE), str(CASSETTES / "whop" / "one_time_charge.yaml"))
    (row,) = other.rows
    assert [(one.path, one.left, one.right) for one in row.differences if one.verdict is Verdict.DIFFERING] == [
        ("status", "void", "draft")
    ]


def test_without_provenance_the_host_tells(tmp_path: Path) -> None:
    """A cassette that somebody recorded with plain vcrpy has no sidecar; another host says nothing."""
    for provider in ("stripe", "chargebee"):
        shutil.copy(CASSETTES / provider / "one_time_charge.yaml", tmp_path / f"{provider}.yaml")
        assert [one.provider for one in recorded(tmp_path / f"{provider}.yaml")] == [provider]
    text = STRIPE.read_text("utf-8").replace("api.stripe.com", "127.0.0.1:8787")
    (tmp_path / "local.yaml").write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=r"these answers is unknown: local.provenance.json is missing"):
        list(recorded(tmp_path / "local.yaml"))
    (tmp_path / "local.provenance.json").write_text('{"provider": "stripe"}', "utf-8")
    assert len(list(recorded(tmp_path / "local.yaml"))) == 1


def taped(folder: Path, *answers: tuple[str, str, Any], provider: str = "stripe") -> Path:
    """A cassette of (method, path, JSON or text) answered with 200."""
    path = folder / "taped.yaml"
    interactions = [
        {
            "request": {"method": method, "uri": f"https://api.test{at}", "body": None, "headers": {}},
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {},
                "body": {"string": answer if isinstance(answer, str) else json.dumps(answer)},
            },
        }
        for method, at, answer in answers
    ]
    path.write_text(json.dumps({"interactions": interactions, "version": 1}), "utf-8")  # JSON is YAML
    path.with_suffix(".provenance.json").write_text(json.dumps({"provider": provider}), "utf-8")
    return path


def native(**changes: Any) -> dict[str, Any]:
    """An invoice in Stripe's words."""
    line = {"id": "il_1", "object": "line_item", "amount": 500, "currency": "eur", "description": "Stay"}
    lines = {"object": "list", "data": [line], "has_more": False, "url": "/v1/invoices/in_1/lines"}
    told = {"id": "in_1", "object": "invoice", "currency": "eur", "status": "draft", "total": 500, "lines": lines}
    return {**told, **changes}


@pytest.mark.parametrize("encoding, pack", [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_answer_is_read(tmp_path: Path, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """A cassette keeps what the server sent: its bytes are unpacked; what cannot be is an error."""
    body = base64.b64encode(pack(json.dumps(native()).encode())).decode()
    path = tmp_path / "packed.yaml"
    text = (
        "interactions:\n- request: {method: GET, uri: 'https://api.stripe.com/v1/invoices/in_1'}\n"
        "  response:\n    status: {code: 200}\n    headers: {Content-Encoding: [ENCODING]}\n"
        f"    body: {{string: !!binary '{body}'}}\n"
    )
    path.write_text(text.replace("ENCODING", encoding), "utf-8")
    assert [one.total for one in recorded(path)] == [Money(500, "EUR")]
    path.write_text(text.replace("ENCODING", "br"), "utf-8")
    with pytest.raises(ConfigurationError, match="decode_compressed_response"):
        list(recorded(path))


def test_a_deleted_draft_is_deleted(tmp_path: Path) -> None:
    """What answers a deletion is the id alone: the invoice is what it was, and gone."""
    gone = {"id": "in_1", "object": "invoice", "deleted": True}
    (found,) = recorded(taped(tmp_path, ("POST", "/v1/invoices", native()), ("DELETE", "/v1/invoices/in_1", gone)))
    assert (found.status, found.total, found.amount_remaining) == (Status.DELETED, Money(500, "EUR"), eur(0))


def test_lines_on_further_pages_are_read_from_their_answers(tmp_path: Path) -> None:
    """Where the first page of lines is not all, the recorded answer with the rest completes it; else it is refused."""
    first = native(lines={**native()["lines"], "has_more": True})
    more = {**native()["lines"], "data": [*native()["lines"]["data"], {**native()["lines"]["data"][0], "id": "il_2"}]}
    get = ("GET", "/v1/invoices/in_1", first)
    assert [one.lines_complete for one in recorded(taped(tmp_path, get))] == [False]
    with pytest.raises(ConfigurationError, match=r"left side: .*in_1: its lines are not complete"):
        compare(tmp_path / "taped.yaml", many(1), keys=["description", "id"])
    (found,) = recorded(taped(tmp_path, get, ("GET", "/v1/invoices/in_1/lines?limit=100", more)))
    assert [line.amount for line in found.lines] == [Money(500, "EUR")] * 2


def test_a_listing_does_not_hide_what_was_read_whole(tmp_path: Path) -> None:
    """An item without its lines leaves those that were read before; another status after them cannot be compared."""
    plan = {"id": "plan_1", "currency": "eur", "description": "Stay"}
    rows = [{"id": "l", "label": "Stay", "quantity": 1, "unit_price": 5, "total": 5}]
    whole = {"id": "inv_1", "status": "open", "current_plan": plan, "line_items": rows}
    item = {key: value for key, value in whole.items() if key != "line_items"}
    told = ("GET", "/api/v1/invoices/inv_1", whole)
    (found,) = recorded(taped(tmp_path, told, ("GET", "/api/v1/invoices", {"data": [item]}), provider="whop"))
    assert [line.amount for line in found.lines] == [Money(500, "EUR")]
    later = {"data": [item | {"status": "paid"}]}
    with pytest.raises(ConfigurationError, match="inv_1 was last seen as paid, in a listing that leaves its lines out"):
        list(recorded(taped(tmp_path, told, ("GET", "/api/v1/invoices", later), provider="whop")))


@pytest.mark.parametrize(
    "answer, named",
    [
        ("<html>oops", "recorded answer 1"),
        (native(total=12.5), r"left side: .*in_1 was read in part.*: total is no whole"),
    ],
)
def test_a_recorded_answer_that_cannot_be_read_is_an_error(tmp_path: Path, answer: Any, named: str) -> None:
    """A torn answer and money that cannot be read spoil the side; they name the answer, or invoice and field."""
    with pytest.raises(MalformedResponse, match=named):
        compare(taped(tmp_path, ("GET", "/v1/x", native(id="in_0")), ("GET", "/v1/invoices/in_1", answer)), many(1))


def test_defect_60_an_invoice_that_was_read_in_part_is_not_compared() -> None:
    """Defect 60: what could not be read would pass for silence, so the invoice is refused by its id."""
    odd = decode("stripe", native(total="12", description=7))
    with pytest.raises(MalformedResponse, match=r"right side: .*the invoice in_1 was read in part.* \(and 1 more\)"):
        compare(many(1), [odd])


# ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_two_clients_are_compared() -> None:
    """Everything that two accounts hold, read whole, joined by reference."""
    clients = []
    for name in ("stripe", "chargebee"):
        declared = providers.get(name)
        emulator = declared.emulator()
        http = httpx.Client(transport=EmulatorTransport(emulator, declared.base_url(emulator.settings)))
        client = Client(name, api_key=emulator.key, http=http, **emulator.settings)
        for place in range(12):
            amount = Money(100 + place + (name == "stripe" and place == 7), "EUR")
            command = OneTimeCharge(
                reference=f"r{place}", customer=emulator.customer, amount=amount, description="Fees"
            )
            client.create(command)
        clients.append(client)
    found = compare(clients[0], clients[1])
    assert (found.counts[Verdict.MATCHED], found.counts[Verdict.DIFFERING]) == (11, 1)
    (row,) = found.select(Verdict.DIFFERING)
    assert row.key == "r7"
    assert {one.path for one in row.differences if one.verdict is Verdict.DIFFERING} >= {"total", "lines[0].amount"}


# ── joining ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_collections_are_joined_by_reference() -> None:
    """In whatever order they come; what stands on one side alone is a class, and no side is the same then."""
    left, right = many(4), [bill(**OTHER_IDENTITY, reference=f"res-{place}") for place in (3, 1, 9)]
    found = compare(left, iter(right))
    assert [(row.verdict.value, row.key) for row in found.rows] == [
        ("left_only", "res-0"),
        ("matched", "res-1"),
        ("left_only", "res-2"),
        ("matched", "res-3"),
        ("right_only", "res-9"),
    ]
    assert not found.same
    assert not compare(many(2), many(1)).same
    assert not compare(many(1), many(2)).same
    assert compare(many(2), many(2)[::-1]).same


def test_further_keys_join_what_the_first_leaves_alone() -> None:
    """A side that says no reference for some is joined by what both say; several parts may make one key."""
    left = [bill(), bill(reference=None, metadata={"order": "8"}), bill(reference="only-left", metadata={"order": "9"})]
    right = [
        bill(),
        bill(provider="whop", reference="x", metadata={"order": "8"}),
        bill(provider="whop", reference=None, metadata={"order": "9"}),
    ]
    found = compare(left, right, keys=["reference", "metadata.order"])
    assert [row.key for row in found.rows] == ["res-1", "8", "9"]
    assert found.same
    many_parts = compare(left[:1], right[:1], keys=["customer.email+period.start+total"])
    assert [row.key for row in many_parts.rows] == [
        'a@example.test + 2026-05-01T00:00:00Z + {"minor":14800,"currency":"EUR"}'
    ]


def test_an_invoice_has_one_mate() -> None:
    """What an earlier key has joined is not joined again by a later one."""
    left = [bill(metadata={"order": "1"}), bill(reference=None, metadata={"order": "8"})]
    right = [bill(metadata={"order": "8"})]
    found = compare(left, right, keys=["reference", "metadata.order"])
    assert [(row.verdict.value, row.key) for row in found.rows] == [("differing", "res-1"), ("left_only", "8")]


def test_files_of_a_folder_can_be_a_key(tmp_path: Path) -> None:
    """Two folders with files of the same names, one invoice each, need no reference."""
    for side, provider in (("l", "stripe"), ("r", "chargebee")):
        (tmp_path / side).mkdir()
        for name in ("charge", "period"):
            ndjson(tmp_path / side / f"{name}.ndjson", [bill(provider=provider, reference=None, description=name)])
    found = compare(tmp_path / "l", tmp_path / "r", keys=["file"])
    assert [(row.verdict.value, row.key) for row in found.rows] == [("matched", "charge"), ("matched", "period")]


def test_a_key_that_is_there_twice_is_an_error() -> None:
    """Which of the two is meant? On either side; unless an earlier key has told them apart."""
    twice = [bill(), bill(id="in_2")]
    for left, right, side in ((twice, many(1), "left"), (many(1), twice, "right")):
        with pytest.raises(ConfigurationError, match=f"{side} side: two invoices have the reference 'res-1'"):
            compare(left, right)
    assert compare(twice, twice, keys=["id", "reference"]).same


def test_comparing_nothing_is_an_error() -> None:
    """Two empty sides agree in nothing; a side that says no key cannot be joined."""
    with pytest.raises(ConfigurationError, match="both sides are empty: nothing was compared"):
        compare([], [])
    assert not compare([], many(1)).same
    with pytest.raises(ConfigurationError, match="right side: none of its 1 invoices states reference: name what both"):
        compare(many(1), [bill(reference=None)])
    assert compare(bill(reference=None), bill(reference=None)).same


def test_incomplete_lines_are_an_error() -> None:
    """The first page of lines is not the bill, on either side, among however many."""
    part = bill(lines_complete=False)
    for left, right in ((part, bill()), (bill(), part), (many(3), [*many(2), part])):
        with pytest.raises(ConfigurationError, match="its lines are not complete"):
            compare(left, right)


@pytest.mark.parametrize(
    "keys, told",
    [
        (["referense"], "invoices cannot be joined by 'referense'; did you mean 'reference'?"),
        (["created_at"], "invoices cannot be joined by 'created_at'"),
        (["reference+"], "invoices cannot be joined by ''"),
        ([], "keys is a list"),
        ("reference", "keys is a list"),
    ],
)
def test_a_key_must_be_known(keys: Any, told: str) -> None:
    """A misspelled key would join nothing."""
    with pytest.raises(ConfigurationError) as caught:
        compare(many(1), many(1), keys=keys)
    assert told in str(caught.value)


def test_a_side_that_fails_half_way_fails_the_comparison() -> None:
    """What a client raises on its third page is raised, whatever was read before."""

    def torn() -> Any:
        yield from many(2)
        raise MalformedResponse("the third page is torn", provider="stripe")

    with pytest.raises(MalformedResponse, match="the third page is torn"):
        compare(many(2), torn())
