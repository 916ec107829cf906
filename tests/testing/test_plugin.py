"""The pytest plugin, used as its users use it: small projects are written, recorded and replayed."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from vcr.config import VCR
from vcr.record_mode import RecordMode

from invoice_bridge import Client, CustomerRef, Money, OneTimeCharge, providers
from invoice_bridge.adapter.emulation.core import FakeClock
from invoice_bridge.emulator.server import running

APP = """
    import pytest
    from invoice_bridge import Collection, CustomerRef, Money, OneTimeCharge

    ACME = CustomerRef(ids={"stripe": "cus_42", "chargebee": "cus_42", "whop": "mber_42", "chargeapi": "flt_42"})

    def bill(billing, amount="19.99"):
        made = billing.create(
            OneTimeCharge(reference="res-1", customer=ACME, amount=Money.parse(amount, "EUR"), description="Fees")
        )
        return billing.retrieve(made.id)
"""
BILL = (
    APP
    + """
    @pytest.mark.bridge("stripe", "chargebee")
    def test_bill(billing):
        assert bill(billing).total == Money.parse("19.99", "EUR")
"""
)


def written(folder: Path) -> dict[str, bytes]:
    """Every file under cassettes/, by its path there."""
    return {
        path.relative_to(folder / "cassettes").as_posix(): path.read_bytes()
        for path in sorted((folder / "cassettes").rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose only test bills with two providers."""
    pytester.makepyfile(test_shop=BILL)
    return pytester


@pytest.fixture
def recorded(project: pytest.Pytester) -> pytest.Pytester:
    """The same, recorded against the emulators."""
    project.runpytest("--bridge-record=once").assert_outcomes(passed=2)
    return project


# ── once per provider ────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_test_runs_once_for_each_provider(recorded: pytest.Pytester) -> None:
    """In the order of the mark, each under its provider's name, from cassettes/<provider>/<test>.yaml."""
    done = recorded.runpytest("-v")
    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(
        ["test_shop.py::test_bill[[]stripe] PASSED*", "test_shop.py::test_bill[[]chargebee] PASSED*"]
    )
    assert list(written(recorded.path)) == [
        "chargebee/test_bill.provenance.json",
        "chargebee/test_bill.yaml",
        "stripe/test_bill.provenance.json",
        "stripe/test_bill.yaml",
    ]


def test_a_mark_without_names_means_all_providers(pytester: pytest.Pytester) -> None:
    """Those that are built in, and those that are installed."""
    pytester.makepyfile("import pytest\n@pytest.mark.bridge\ndef test_all(billing): print('of', billing.provider)")
    done = pytester.runpytest("--bridge-record=once", "-s")
    done.assert_outcomes(passed=4)
    assert re.findall(r"of (\w+)", done.stdout.str()) == ["chargeapi", "chargebee", "stripe", "whop"]
    pytester.runpytest().assert_outcomes(passed=4)


def test_a_provider_that_is_named_twice_is_one(pytester: pytest.Pytester) -> None:
    """It has one cassette."""
    pytester.makepyfile("import pytest\n@pytest.mark.bridge('stripe', 'stripe')\ndef test_one(billing): pass")
    pytester.runpytest("--bridge-record=once").assert_outcomes(passed=1)


def test_other_tests_are_left_alone(pytester: pytest.Pytester) -> None:
    """Without the mark, or without a client, a test runs once, and has no cassette."""
    pytester.makepyfile("import pytest\ndef test_a(): pass\n@pytest.mark.bridge('stripe')\ndef test_b(): pass")
    pytester.runpytest("--bridge-record=once").assert_outcomes(passed=2)
    assert not (pytester.path / "cassettes").exists()


def test_names_of_classes_and_parameters_are_in_the_cassettes_name(pytester: pytest.Pytester) -> None:
    """So that each has its own; what no file name may hold becomes a dash."""
    pytester.makepyfile("""
        import pytest

        @pytest.mark.bridge("stripe")
        class TestShop:
            @pytest.mark.parametrize("case", ["a", "../b"])
            def test_list(self, billing, case):
                assert list(billing.list()) == []
    """)
    pytester.runpytest("--bridge-record=once").assert_outcomes(passed=2)
    assert [name for name in written(pytester.path) if name.endswith(".yaml")] == [
        "stripe/TestShop.test_list[..-b].yaml",
        "stripe/TestShop.test_list[a].yaml",
    ]


def test_asynchronous_clients_have_the_same_recordings(recorded: pytest.Pytester) -> None:
    """What was recorded through `billing` replays through `abilling`, and the other way round."""
    before = written(recorded.path)
    recorded.makepyfile(
        test_shop=BILL.replace("def bill(", "async def bill(")
        .replace("billing.create", "await billing.create")
        .replace("return billing", "return await billing")
        .replace("def test_bill(billing)", "def test_bill(abilling)")
        .replace("bill(billing)", "__import__('asyncio').run(bill(abilling))")
    )
    recorded.runpytest().assert_outcomes(passed=2)
    recorded.runpytest("--bridge-record=rewrite").assert_outcomes(passed=2)
    assert written(recorded.path) == before


# ── replaying ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_is_missing_fails_with_the_command_that_records_it(project: pytest.Pytester) -> None:
    """By default nothing is recorded; the printed command, run as it stands, records this one test."""
    done = project.runpytest()
    done.assert_outcomes(errors=2)
    assert not (project.path / "cassettes").exists()
    told = re.search(r"^  pytest (.*)$", done.stdout.str(), re.MULTILINE)
    assert told is not None
    assert told[1] == "'test_shop.py::test_bill[stripe]' --bridge-record=once"
    project.runpytest(*shlex.split(told[1])).assert_outcomes(passed=1)
    assert list(written(project.path)) == ["stripe/test_bill.provenance.json", "stripe/test_bill.yaml"]


def test_another_bill_fails(recorded: pytest.Pytester) -> None:
    """An amount that was not recorded is not answered with the recorded one; the difference is shown."""
    recorded.makepyfile(
        test_shop=BILL.replace('amount="19.99"', 'amount="29.99"').replace('parse("19.99"', 'parse("29.99"')
    )
    done = recorded.runpytest()
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(
        [
            "*NotRecorded: *stripe/test_bill.yaml has no interaction left for POST https://api.stripe.com/v1/invoices/*/add_lines",
            "*it was recorded with another body",
            "*-lines*amount* = *1999*",
            "*+lines*amount* = *2999*",
            "*if the change is intended, record it again:",
            "*pytest 'test_shop.py::test_bill[[]stripe]' --bridge-record=rewrite",
        ]
    )


def test_an_error_that_the_application_swallows_fails_all_the_same(recorded: pytest.Pytester) -> None:
    """A test cannot pass on a request that nobody answered."""
    recorded.makepyfile(
        test_shop=BILL.replace(
            "def test_bill(billing):",
            """def test_bill(billing):
        try:
            billing.retrieve("in_00000009")
        except Exception:
            pass""",
        )
    )
    done = recorded.runpytest()
    done.assert_outcomes(passed=2, errors=2)
    done.stdout.fnmatch_lines(["*has no interaction left for GET https://api.stripe.com/v1/invoices/in_00000009"])


def test_a_request_that_is_no_longer_made_fails(recorded: pytest.Pytester) -> None:
    """The application does less than was recorded: the recording is not what it does any more."""
    recorded.makepyfile(test_shop=BILL.replace("return billing.retrieve(made.id)", "return made"))
    done = recorded.runpytest()
    done.assert_outcomes(passed=2, errors=2)
    done.stdout.fnmatch_lines(
        [
            "*stripe/test_bill.yaml has requests that the test did not make:",
            "  GET https://api.stripe.com/v1/invoices/in_00000001",
        ]
    )


def test_a_failing_test_says_only_why_it_fails(recorded: pytest.Pytester) -> None:
    """What it did not come to ask for is not held against it as well."""
    recorded.makepyfile(test_shop=BILL.replace("assert bill", "assert not bill"))
    recorded.runpytest().assert_outcomes(failed=2)


def test_a_cassette_without_provenance_is_not_replayed(recorded: pytest.Pytester) -> None:
    """It does not say whether an emulator or the provider answered."""
    (recorded.path / "cassettes/stripe/test_bill.provenance.json").unlink()
    done = recorded.runpytest()
    done.assert_outcomes(passed=1, errors=1)
    problem = "its sidecar test_bill.provenance.json is missing, so its origin is unknown"
    done.stdout.fnmatch_lines([f"*{problem}: record it again with"])


@pytest.mark.parametrize("provider", ["stripe", "chargebee"])
def test_plain_vcrpy_replays_the_file_untouched(provider: str, recorded: pytest.Pytester) -> None:
    """With request bodies compared, and nothing left over."""
    emulator: Any = providers.get(provider).emulator()
    path = recorded.path / "cassettes" / provider / "test_bill.yaml"
    plain: Any = VCR(record_mode=RecordMode.NONE, match_on=["method", "uri", "body"])  # type: ignore[no-untyped-call]
    command = OneTimeCharge(
        reference="res-1",
        customer=CustomerRef(id=emulator.customer),
        amount=Money.parse("19.99", "EUR"),
        description="Fees",
    )
    with (
        plain.use_cassette(str(path)) as cassette,
        Client(provider, api_key="not_a_key", lookup="never", **emulator.settings) as client,
    ):
        assert client.retrieve(client.create(command).id).total == Money.parse("19.99", "EUR")
        assert cassette.all_played
        assert len(cassette) > 1


# ── recording ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
def test_the_same_test_records_the_same_bytes(recorded: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process, another zone of time, with other hashes: no byte of a cassette or its sidecar differs."""
    before = written(recorded.path)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    recorded.runpytest_subprocess("--bridge-record=rewrite").assert_outcomes(passed=2)
    assert written(recorded.path) == before


def test_the_sidecar_says_that_an_emulator_answered(recorded: pytest.Pytester) -> None:
    """Its origin, the emulator's clock, and that the key was taken out."""
    said = json.loads(written(recorded.path)["chargebee/test_bill.provenance.json"])
    assert (said["provider"], said["origin"], said["mode"]) == ("chargebee", "emulator", "none")
    assert said["recorded_at"] == "2026-11-02T09:00:00Z"
    assert "request header authorization" in said["redacted"]
    assert b"uthorization:" not in written(recorded.path)["chargebee/test_bill.yaml"]


@pytest.mark.parametrize(
    "ending",
    ["assert False", "pytest.skip('no')", "pytest.xfail('no')", "pytest.exit('no')", "billing.retrieve('in_none')"],
)
def test_a_test_that_does_not_pass_writes_nothing(ending: str, project: pytest.Pytester) -> None:
    """No cassette, no half of one, no folder."""
    project.makepyfile(test_shop=f"{BILL}        {ending}\n")
    done = project.runpytest("--bridge-record=once")
    assert done.parseoutcomes().get("passed", 0) == 0
    assert not (project.path / "cassettes").exists()


def test_a_recording_is_kept_where_recording_it_anew_fails(recorded: pytest.Pytester) -> None:
    """The old file stays, byte for byte."""
    before = written(recorded.path)
    recorded.makepyfile(test_shop=BILL.replace("res-1", "res-2") + "        assert False\n")
    recorded.runpytest("--bridge-record=rewrite").assert_outcomes(failed=2)
    assert written(recorded.path) == before


def test_once_leaves_what_is_there_and_rewrite_does_not(recorded: pytest.Pytester) -> None:
    """Once replays an existing cassette, and fails where it does not fit; rewrite replaces it."""
    before = written(recorded.path)
    recorded.makepyfile(test_shop=BILL.replace("res-1", "res-2"))
    recorded.runpytest("--bridge-record=once").assert_outcomes(failed=2)
    assert written(recorded.path) == before
    recorded.runpytest("--bridge-record=rewrite").assert_outcomes(passed=2)
    assert b"res-2" in written(recorded.path)["stripe/test_bill.yaml"]
    assert b"res-1" not in written(recorded.path)["stripe/test_bill.yaml"]
    recorded.runpytest().assert_outcomes(passed=2)


def test_nothing_but_the_clients_requests_is_recorded(pytester: pytest.Pytester) -> None:
    """What the application fetches from elsewhere meanwhile is none of the cassette's business."""
    with running(names=["whop"]) as other:
        pytester.makepyfile(f"""
            import httpx, pytest

            @pytest.mark.bridge("stripe")
            def test_list(billing):
                assert httpx.get("{other.url}").status_code == 200
                assert list(billing.list()) == []
        """)
        pytester.runpytest("--bridge-record=once").assert_outcomes(passed=1)
        pytester.runpytest().assert_outcomes(passed=1)
    assert b"127.0.0.1" not in written(pytester.path)["stripe/test_list.yaml"]


@pytest.mark.slow
def test_processes_in_parallel_record_and_replay(recorded: pytest.Pytester) -> None:
    """With pytest-xdist, on a cold folder and on a full one, the files are those of one process."""
    before = written(recorded.path)
    for mode in ("rewrite", "none"):
        recorded.runpytest_subprocess("-n2", f"--bridge-record={mode}").assert_outcomes(passed=2)
        assert written(recorded.path) == before


# ── against the provider itself ──────────────────────────────────────────────────────────────────────────────────────
SETTINGS = """
    @pytest.fixture
    def billing_settings():
        return {{"stripe": {{"base_url": "{base_url}"}}}}
"""
STRIPE = BILL.replace('"stripe", "chargebee"', '"stripe"')
AGAINST_TEST = ("--bridge-record=once", "--bridge-against=test", "--bridge-allow-network")


def test_a_recording_over_the_network(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key from the environment; it replays when the provider is gone and the key is unset, and holds no key."""
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_not_a_key")
    with running(names=["stripe"], clock=FakeClock()) as served:
        pytester.makepyfile(test_shop=STRIPE + SETTINGS.format(base_url=served.base_urls["stripe"]))
        pytester.runpytest(*AGAINST_TEST).assert_outcomes(passed=1)
    monkeypatch.delenv("STRIPE_API_KEY")
    pytester.runpytest().assert_outcomes(passed=1)
    test = (pytester.path / "test_shop.py").read_text("utf-8")
    pytester.makepyfile(test_shop=test.replace('{"base_url"', '{"mode": "live", "base_url"'))
    pytester.runpytest().assert_outcomes(passed=1)  # the mode is a key's, and there is none
    found = written(pytester.path)
    said = json.loads(found["stripe/test_bill.provenance.json"])
    assert (said["origin"], said["mode"]) == ("test", "test")
    assert said["recorded_at"] > "2026-11-02T10"
    assert not any(b"sk_test_not_a_key" in content for content in found.values())


def test_what_was_recorded_at_the_provider_says_so_in_its_command(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recording again by the printed command does not put an emulator in the provider's place."""
    monkeypatch.setenv("STRIPE_API_KEY", "sk_test_not_a_key")
    with running(names=["stripe"], clock=FakeClock()) as served:
        settings = SETTINGS.format(base_url=served.base_urls["stripe"])
        pytester.makepyfile(test_shop=STRIPE + settings)
        pytester.runpytest(*AGAINST_TEST).assert_outcomes(passed=1)
    pytester.makepyfile(test_shop=STRIPE.replace("res-1", "res-2") + settings)
    done = pytester.runpytest()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*pytest 'test_*' --bridge-record=rewrite --bridge-against=test --bridge-allow-network"])


def test_a_recording_of_a_live_account_replays(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ids are pseudonyms in the file; the application's own ids find them, without the account's key."""
    monkeypatch.setenv("WHOP_API_KEY", "whop_test_not_a_key")
    live = ("--bridge-record=once", "--bridge-against=live", "--bridge-allow-network")
    with running(names=["whop"], clock=FakeClock()) as served:
        settings = {"base_url": served.base_urls["whop"], "account_id": "biz_42", "mode": "live"}
        pytester.makepyfile(f"""
            import pytest
            from invoice_bridge import Money, OneTimeCharge

            @pytest.fixture
            def billing_settings():
                return {{"whop": {settings!r}}}

            @pytest.mark.bridge("whop")
            def test_bill(billing):
                eur = Money.parse("19.99", "EUR")
                ask = OneTimeCharge(reference="res-1", customer="mber_42", amount=eur, description="Fees", draft=True)
                allow = [loss.path for loss in billing.explain(ask).losses]
                made = billing.create(ask, allow=allow)
                assert billing.retrieve(made.id).id == made.id
        """)
        pytester.runpytest(*live).assert_outcomes(passed=1)
    monkeypatch.delenv("WHOP_API_KEY")
    pytester.runpytest().assert_outcomes(passed=1)
    found = written(pytester.path)
    assert json.loads(found["whop/test_bill.provenance.json"])["mode"] == "live"
    assert b"inv_00000001" not in found["whop/test_bill.yaml"]


def test_whom_a_bill_is_for_is_not_recorded_and_still_found(pytester: pytest.Pytester) -> None:
    """An e-mail address that is sent is a pseudonym in the cassette; on replay the same address finds it."""
    pytester.makepyfile("""
        import pytest
        from invoice_bridge import Collection, CustomerRef, Money, OneTimeCharge

        @pytest.mark.bridge("whop")
        def test_bill(billing):
            ask = OneTimeCharge(
                reference="res-1",
                customer=CustomerRef(email="jo.canary@customer.test", name="Jo Canary"),
                amount=Money.parse("19.99", "EUR"),
                description="Fees",
                draft=True,
            )
            allow = [loss.path for loss in billing.explain(ask).losses]
            assert billing.create(ask, allow=allow).total is None
    """)
    done = pytester.runpytest("--bridge-record=once")
    done.assert_outcomes(passed=1)
    found = written(pytester.path)
    assert len(found) == 2
    assert not any(b"canary" in content.lower() for content in found.values())
    pytester.runpytest().assert_outcomes(passed=1)


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "recording elsewhere, and not recording": (
        ("--bridge-against=test", "--bridge-allow-network"),
        "--bridge-against works only when recording: add --bridge-record=once or =rewrite",
    ),
    "the network, and not saying so": (
        ("--bridge-against=live", "--bridge-record=once"),
        "--bridge-against=live needs the network: add --bridge-allow-network",
    ),
    "a mode that is none": (("--bridge-record=all",), "*invalid choice: 'all'*"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_options_that_contradict_each_other_are_refused(what: str, project: pytest.Pytester) -> None:
    """Before any test runs."""
    arguments, told = REFUSED[what]
    done = project.runpytest(*arguments)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: {told}" if not told.startswith("*") else told])


KEYS = {
    None: "to record against test, put stripe's test key into STRIPE_API_KEY",
    "sk_live_not_a_key": 'Stripe: mode="test" was asked for, but the key or host is for live*',
}


@pytest.mark.parametrize("key", KEYS)
def test_the_key_is_of_the_mode_that_was_asked_for(
    key: str | None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, or with a live key where a test key is meant, nothing is sent."""
    if key is not None:
        monkeypatch.setenv("STRIPE_API_KEY", key)
    pytester.makepyfile(test_shop=STRIPE)
    done = pytester.runpytest(*AGAINST_TEST)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([KEYS[key]])


def test_a_setting_that_is_missing_is_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fixture in which to say it."""
    monkeypatch.setenv("CHARGEBEE_API_KEY", "test_not_a_key")
    pytester.makepyfile(test_shop=BILL.replace('"stripe", "chargebee"', '"chargebee"'))
    done = pytester.runpytest(*AGAINST_TEST)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["Chargebee needs the setting site (*: see the fixture billing_settings"])


def test_settings_of_an_account_are_not_the_emulators(project: pytest.Pytester) -> None:
    """Which account is meant, the emulator says; other settings, like the map of customers, hold there too."""
    project.makepyfile(
        test_shop=BILL.replace("customer=ACME", 'customer="acme"')
        + """
    @pytest.fixture
    def billing_settings():
        customers = {"acme": ACME.ids}
        account = {"site": "not-the-emulators", "mode": "live", "base_url": "https://elsewhere.test"}
        return {"stripe": {"customers": customers}, "chargebee": {"customers": customers, **account}}
"""
    )
    project.runpytest("--bridge-record=once").assert_outcomes(passed=2)
    project.runpytest().assert_outcomes(passed=2)
    assert b"uri: https://acme-test.chargebee.com/" in written(project.path)["chargebee/test_bill.yaml"]


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────
MARKS = {
    "('stripee')": "test_x.py::test_x: mark.bridge: there is no provider 'stripee'; did you mean 'stripe'?",
    "('stripe', record='once')": "test_x.py::test_x: mark.bridge takes only provider names",
}


@pytest.mark.parametrize("arguments", MARKS)
def test_a_mark_that_cannot_be_used_is_refused(arguments: str, pytester: pytest.Pytester) -> None:
    """When tests are collected, naming the test and the nearest provider."""
    pytester.makepyfile(test_x=f"import pytest\n@pytest.mark.bridge{arguments}\ndef test_x(billing): pass")
    done = pytester.runpytest()
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines([MARKS[arguments]])


def test_two_tests_do_not_share_a_cassette(project: pytest.Pytester) -> None:
    """Two modules of a folder, one name: refused before one replays the other's recording."""
    project.makepyfile(test_stall=BILL)
    done = project.runpytest("--bridge-record=once")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    both = "test_shop.py::test_bill[[]stripe] and test_stall.py::test_bill[[]stripe]"
    path = "*/cassettes/stripe/test_bill.yaml"
    done.stderr.fnmatch_lines([f"ERROR: {both} would share {path}: rename one of the tests"])
    assert not (project.path / "cassettes").exists()


@pytest.mark.parametrize("fixture", ["billing", "abilling"])
def test_a_client_without_the_mark_is_refused(fixture: str, pytester: pytest.Pytester) -> None:
    """It would be nobody's."""
    pytester.makepyfile(f"def test_x({fixture}): pass")
    done = pytester.runpytest()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["mark the test with @pytest.mark.bridge(…): billing needs a provider"])


def test_the_mark_and_the_options_are_explained(pytester: pytest.Pytester) -> None:
    """Where pytest explains its own."""
    pytester.runpytest("--markers").stdout.fnmatch_lines(["@pytest.mark.bridge(*providers): run once for each*"])
    pytester.runpytest("--help").stdout.fnmatch_lines(
        ["*--bridge-record=*", "*--bridge-against=*", "*--bridge-allow-network*"]
    )


# ── what it costs those who do not use it ────────────────────────────────────────────────────────────────────────────
def test_defect_88_the_plugin_loads_nothing_before_a_marked_test() -> None:
    """Beside pytest it imports three modules of ours and none of anybody else's: no HTTP library, no model."""
    code = (
        "import json, pytest, sys; before = set(sys.modules); import invoice_bridge.testing.plugin; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = json.loads(done.stdout)
    assert [name for name in loaded if name.startswith("invoice_bridge")] == [
        "invoice_bridge",
        "invoice_bridge.testing",
        "invoice_bridge.testing.plugin",
    ]
    others = {name.partition(".")[0] for name in loaded} - {"invoice_bridge"}
    assert others - sys.stdlib_module_names == set()


def test_defect_88_a_run_of_other_tests_loads_nothing(tmp_path: Path) -> None:
    """Options, marks, collection and reports of tests without the mark get along without httpx, pydantic and vcrpy."""
    names = {"httpx", "pydantic", "vcr", "yaml", "hypothesis", "invoice_bridge.client"}
    (tmp_path / "test_other.py").write_text(
        f"import sys\n\ndef test_other():\n    assert not {names!r} & set(sys.modules)\n", "utf-8"
    )
    env = {"PATH": "/usr/bin:/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    program = [sys.executable, "-m", "pytest", "-q", "-p", "invoice_bridge.testing.plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*program, "test_other.py"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
