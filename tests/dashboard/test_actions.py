"""What an operator may do from the page: only with a key that was typed in, only as the database's login may."""

import base64
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from playwright.sync_api import Page, expect

from orchestrator.http.server import Options
from tests.dashboard.site import KEY, PUBLIC_NAME, Site, trouble
from tests.driver.processes import wait_until
from tests.http.conftest import LoginDsn, Serve
from tests.http.processes import HttpServer
from tests.support import Database


@pytest.fixture(scope="module", autouse=True)
def night(site: Site) -> None:
    trouble(site.fleet)


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    with site.page() as page:
        yield page


def _unlock(page: Page, key: str = KEY) -> None:
    page.get_by_role("button", name="Unlock actions").click()
    page.get_by_label("API key").fill(key)
    page.get_by_label("API key").press("Enter")


@pytest.fixture
def unlocked(page: Page) -> Page:
    _unlock(page)
    expect(page.get_by_role("button", name="Lock actions")).to_be_visible()
    return page


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_wrong_key_is_refused_and_forgotten(page: Page) -> None:
    _unlock(page, "a-wrong-key")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("an API key is needed")
    assert page.evaluate("sessionStorage.length") == 0
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Unlock actions")).to_be_focused()


def test_what_a_browser_sends_by_itself_unlocks_nothing(site: Site) -> None:
    basic = {"Authorization": f"Basic {base64.b64encode(f'anybody:{KEY}'.encode()).decode()}"}
    key = {"X-API-Key": KEY}

    def pause(**headers: str) -> httpx.Response:
        return httpx.post(f"{site.face.url}/dashboard/actions/pause", json={}, headers=headers)

    assert pause(**basic).status_code == 403
    assert pause(**basic).json()["title"] == "actions need the X-API-Key header"
    assert pause().status_code == pause(**{"X-API-Key": "wrong"}).status_code == 401
    assert pause(**key, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert pause(**key, **{"Content-Type": "text/plain"}).status_code == 415
    assert site.fleet.value("select balancing_paused from {a}.fleet") is False
    for path in ("/", "/dashboard/events", "/dashboard/assets/page.js"):
        assert httpx.get(site.face.url + path).status_code == 401, path
    assert "set-cookie" not in site.get("/").headers


class _Page(SimpleHTTPRequestHandler):
    """A page of another's, whatever is asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>another page</title>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_page_on_another_port_cannot_act_with_a_remembered_password(site: Site) -> None:
    """Under a name that is no loopback's, and without encryption, a browser says nothing but Origin."""
    act = """async (address) => { await fetch(address, {method: 'POST', mode: 'no-cors', credentials: 'include'}) }"""
    before = site.fleet.value("select count(*) from {a}.decisions")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as others:
        Thread(target=others.serve_forever, daemon=True).start()
        context = site.browser.new_context(http_credentials={"username": "anybody", "password": KEY})
        page = context.new_page()
        page.goto(f"http://{PUBLIC_NAME}:{site.face.port}/")
        expect(page.locator("#connection.live")).to_be_visible()
        page.goto(f"http://{PUBLIC_NAME}:{others.server_port}/")
        page.evaluate(act, f"http://{PUBLIC_NAME}:{site.face.port}/rebalance")
        context.close()
        others.shutdown()
    asked = [line for line in site.log.read_text().splitlines() if "path=/rebalance" in line]
    assert asked, "the browser sent nothing"
    assert all("status=403" in line for line in asked), asked
    assert site.fleet.value("select count(*) from {a}.decisions") == before


@pytest.mark.parametrize(
    ("action", "request_", "status"),
    [
        ("dance", {}, 404),
        ("drain", {}, 400),
        ("drain", {"instance_id": 7}, 400),
        ("drain", {"instance_id": "unknown"}, 404),
        ("drain", {"instance_id": "fingerv7-001", "reason": ["a"]}, 400),
        ("apply", {"plan_id": "1"}, 400),
        ("apply", {"plan_id": True}, 400),
        ("apply", {"plan_id": 10**30}, 400),
        ("apply", {"plan_id": 10**9}, 404),
        ("undrain", {"instance_id": "a\x00b"}, 400),
    ],
)
def test_bad_requests_are_told_so(site: Site, action: str, request_: dict[str, object], status: int) -> None:
    url = f"{site.face.url}/dashboard/actions/{action}"
    refused = httpx.post(url, json=request_, headers={"X-API-Key": KEY})
    assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")


# -- actions -----------------------------------------------------------------------------------------------------------


def test_balancing_is_paused_with_a_reason_and_resumed(unlocked: Page, site: Site) -> None:
    unlocked.get_by_role("button", name="Pause…").click()
    dialog = unlocked.get_by_role("dialog")
    expect(dialog).to_contain_text("Failover, placement and drains go on")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    unlocked.keyboard.type("a quiet night")
    unlocked.keyboard.press("Enter")
    expect(unlocked.locator(".balancing")).to_contain_text("a quiet night")
    expect(unlocked.locator("#said")).to_contain_text("balancing is paused")
    assert site.fleet.value("select paused_reason from {a}.fleet") == "a quiet night"
    unlocked.get_by_role("button", name="Resume").click()
    dialog.get_by_role("button", name="Resume").click()
    expect(unlocked.get_by_role("button", name="Pause…")).to_be_visible()
    assert site.fleet.value("select balancing_paused from {a}.fleet") is False


def test_an_instance_is_drained_after_the_key_was_asked_for(page: Page, site: Site) -> None:
    page.get_by_role("button", name="Drain fingerv7-002").click()
    page.get_by_label("API key").fill(KEY)
    page.get_by_label("API key").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("Drain fingerv7-002?")
    dialog.get_by_label("Reason").fill("planted reason")
    dialog.get_by_role("button", name="Drain").click()
    expect(page.locator("#instance-fingerv7-002")).to_contain_text("draining")
    assert site.fleet.last_decision()["reason"] == "planted reason"
    page.get_by_role("button", name="End the drain of fingerv7-002").click()
    dialog.get_by_role("button", name="Undrain").click()
    expect(page.locator("#instance-fingerv7-002")).to_contain_text("active")
    assert site.fleet.instance("fingerv7-002")["status"] == "active"


def test_a_plan_is_shown_and_then_made_exactly(unlocked: Page, site: Site) -> None:
    fleet = site.fleet
    fleet.all_obey(but="fingerv7-006")
    fleet.one("set_capacity", instance_id="fingerv7-004", max_streams=230)
    unlocked.get_by_role("button", name="Rebalance…").click()
    dialog = unlocked.get_by_role("dialog")
    expect(dialog).to_contain_text("the least that could reach the same loads")
    plan_id = fleet.value("select max(plan_id) from {p}.plan")
    effect = fleet.admin("plan_effect", plan_id=plan_id)
    expect(dialog).to_contain_text(f"{effect[0]['moves']} moves")
    for row in effect:
        cells = dialog.get_by_role("row", name=row["instance_id"]).get_by_role("cell").all_inner_texts()
        assert cells[:2] == [str(row["streams_before"]), str(row["streams_after"])]
    dialog.get_by_text("The moves").click()
    expect(dialog.locator("ol li")).to_have_count(effect[0]["moves"])
    dialog.get_by_role("button", name="Apply the plan").click()
    expect(unlocked.locator("#said")).to_contain_text(f"moves {effect[0]['moves']} streams")
    decision = fleet.last_decision()
    assert (decision["trigger"], decision["moves"]) == ("apply_plan", effect[0]["moves"])
    expect(unlocked.locator(f"#decision-{decision['decision_id']}")).to_be_visible()


def test_a_stale_plan_is_refused_and_said_so(unlocked: Page, site: Site) -> None:
    site.fleet.all_obey(but="fingerv7-006")
    site.fleet.one("set_capacity", instance_id="fingerv7-008", max_streams=150)
    unlocked.get_by_role("button", name="Rebalance…").click()
    dialog = unlocked.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Apply the plan")).to_be_visible()
    site.fleet.one("set_capacity", instance_id="fingerv7-008", max_streams=90)
    dialog.get_by_role("button", name="Apply the plan").click()
    expect(dialog.get_by_role("alert")).to_contain_text("OR403")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()


def test_an_alert_is_acknowledged(unlocked: Page, site: Site) -> None:
    [alert] = site.fleet.view("alerts", resolved_at=None)
    shown = unlocked.locator(f"#alert-{alert['alert_id']}")
    shown.get_by_role("button", name="Acknowledge").click()
    unlocked.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    expect(shown).to_contain_text("seen by")


# -- servers that allow less -------------------------------------------------------------------------------------------


def test_without_a_key_configured_the_page_is_read_only_and_says_why(site: Site) -> None:
    keyless = HttpServer(site.dsn, site.fleet.database.names.api, site.log.with_name("keyless.log"), options=Options())
    page = site.browser.new_page()
    try:
        page.goto(keyless.url)
        page.locator("#connection.live").wait_for()
        expect(page.locator(".top")).to_contain_text("read-only: the server has no API key")
        assert page.locator("[data-action]").count() == 0
        refused = keyless.http.post("/dashboard/actions/pause", json={}, headers={"X-API-Key": "anything"})
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["title"] == "there are no actions without an API key"
    finally:
        page.close()
        keyless.stop()


def test_a_login_that_may_only_look_is_told_which_role_it_lacks(
    serve: Serve, login_dsn: LoginDsn, database: Database, site: Site
) -> None:
    looking = serve(dsn=login_dsn("reader"), environment={"ORCHESTRATOR_API_KEYS": KEY})
    page = site.browser.new_context(http_credentials={"username": "a", "password": KEY}).new_page()
    page.goto(looking.url)
    _unlock(page)
    page.get_by_role("button", name="Pause…").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("roles (admin, worker or reader) · 42501")
    page.context.close()
    wait_until(lambda: looking.http.get("/livez").status_code == 200, what="it goes on")
