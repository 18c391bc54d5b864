"""The page in a real browser: what it shows, how it is kept up to date, and who can use it."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from orchestrator.http.dashboard.page import age
from tests.dashboard.site import Site, trouble
from tests.driver.processes import wait_until


@pytest.fixture(scope="module", autouse=True)
def night(site: Site) -> None:
    trouble(site.fleet)


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    with site.page() as page:
        yield page
    assert site.complaints == []


# -- what it shows -----------------------------------------------------------------------------------------------------


def test_the_page_shows_the_fleet_as_the_views_have_it(site: Site, page: Page) -> None:
    fleet = site.fleet
    loads = fleet.loads()
    rows = page.locator("#instances tbody tr")
    expect(rows).to_have_count(8)
    for row in rows.all():
        name = row.locator("th").inner_text()
        instance = fleet.instance(name)
        assert re.search(rf"\b{loads[name]} / {instance['max_streams']}\b", row.inner_text())
        held = float(row.locator(".bar .held").get_attribute("width") or 0)
        assert held == instance["assigned_streams"] - instance["outgoing"]
        bar = row.locator(".bar").bounding_box()
        part = row.locator(".bar .held").bounding_box()
        assert bar and part
        assert part["width"] / bar["width"] == pytest.approx(held / instance["max_streams"], abs=0.02)
    assert "late" in page.locator("#instance-fingerv7-006").inner_text()
    assert "draining" in page.locator("#instance-fingerv7-007").inner_text()
    expect(page.locator("#handovers tbody tr")).to_have_count(12)
    expect(page.locator("#handovers h2")).to_contain_text(str(fleet.value("select streams_handed_over from {a}.fleet")))
    decision = fleet.decisions()[-2]
    shown = page.locator(f"#decision-{decision['decision_id']}")
    expect(shown).to_contain_text("kernel update")
    expect(page.locator("#jobs tbody tr")).to_have_count(len(fleet.view("jobs")))
    expect(page.locator("#history svg[role=img]")).to_have_count(3)
    page.get_by_text("As a table").click()
    expect(page.locator("#history tbody tr")).to_have_count(
        len(fleet.value("select {p}.dashboard_history('6 hours', 120)"))
    )


def test_it_shows_what_was_not_heard_today_by_cause_and_stream(site: Site, page: Page) -> None:
    coverage = site.fleet.value("select body -> 'coverage' from {a}.http_dashboard()")
    assert coverage["causes"]
    shown = page.locator("#coverage")
    for cause in coverage["causes"]:
        expect(shown).to_contain_text(cause)
    expect(shown.locator("tr[id^=uncovered]")).to_have_count(len(coverage["worst"]))
    expect(shown.locator(f"#uncovered-{coverage['worst'][0]['stream_id']}")).to_contain_text(
        coverage["worst"][0]["name"]
    )
    expect(page.locator("#verdict .figures")).to_contain_text("not heard today")


def test_at_the_very_top_it_says_what_is_wrong_and_what_to_type(site: Site, page: Page) -> None:
    expect(page.locator("h1")).to_have_text(re.compile("degraded"))
    expect(page.locator(".verdict")).to_contain_text("1 late")
    for finding in site.fleet.admin("diagnose")[:8]:
        shown = page.locator(".findings > li", has_text=finding["subject"]).filter(has_text=finding["finding"])
        expect(shown).to_contain_text(finding["recommendation"])
        if finding["repair"]:
            expect(shown.locator("code")).to_have_text(finding["repair"])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    command = page.locator(".command").first
    command.get_by_role("button", name="Copy").click()
    expect(command.get_by_role("button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == command.locator("code").inner_text()


def test_without_script_the_page_is_complete_and_read_only(site: Site) -> None:
    with site.page(java_script_enabled=False) as page:
        expect(page.locator("#instances tbody tr")).to_have_count(8)
        expect(page.locator("#instance-fingerv7-006 time")).to_have_text(re.compile(r"min \d+ s"))
        expect(page.locator("#connection")).to_contain_text("as of")
        assert page.locator("button:visible").count() == 0
        page.locator("#search").fill("Jornal Recife")
        page.locator("#search").press("Enter")
        expect(page.locator("#found tbody tr").first).to_contain_text("Jornal")


# -- kept up to date ---------------------------------------------------------------------------------------------------


def test_a_decision_and_an_alert_appear_and_go_by_notification_alone(site: Site, page: Page) -> None:
    """The server here looks by itself once an hour."""
    fleet = site.fleet
    page.evaluate("window.isTheSamePage = true")
    moved = fleet.one("move_stream", stream_id=1, instance_id="fingerv7-008", reason="planted reason")
    expect(page.locator(f"#decision-{moved['decision_id']}")).to_contain_text("planted reason")
    fleet.workers["fingerv7-001"].beat(memory_usage=99)
    fleet.run("evaluate_alerts")
    alert = page.locator(".alerts li", has_text="fingerv7-001 uses 99%")
    expect(alert).to_be_visible()
    assert page.locator("[aria-live]", has=alert).count() == 1
    fleet.workers["fingerv7-001"].beat(memory_usage=40)
    fleet.run("evaluate_alerts")
    expect(alert).to_be_hidden()
    expect(page.get_by_text("closed within the hour")).to_be_visible()
    assert page.evaluate("window.isTheSamePage")


def test_what_is_open_and_focused_stays_when_the_page_changes(site: Site, page: Page) -> None:
    [latest, *_] = page.locator(".decisions details").all()
    latest.locator("summary").click()
    identity = latest.locator("xpath=..").get_attribute("id")
    opened = page.locator(f"#{identity} details[open]")
    expect(opened).to_contain_text("Thresholds of that moment")
    page.locator(f"#{identity} summary").evaluate("summary => (summary.isTheSame = true)")
    stream = site.fleet.view("streams", instance_id="fingerv7-005", state="running")[0]
    moved = site.fleet.one("move_stream", stream_id=stream["stream_id"], instance_id="fingerv7-004")
    expect(page.locator(f"#decision-{moved['decision_id']}")).to_be_visible()
    expect(opened).to_be_visible()
    assert page.evaluate("document.activeElement.isTheSame"), "the same element, not one like it"


def test_ages_count_on_by_themselves(site: Site, page: Page) -> None:
    last_beat = page.locator("#instance-fingerv7-006 time")
    before = last_beat.inner_text()
    wait_until(lambda: last_beat.inner_text() != before, what="it counts")


# -- search and stories ------------------------------------------------------------------------------------------------


def test_the_script_tells_ages_as_the_server_does(page: Page) -> None:
    seconds = (-1, 0, 59, 60, 599, 600, 3599, 3600, 7260, 86399, 86400, 200000)
    assert page.evaluate("seconds => seconds.map(age)", list(seconds)) == [age(each) for each in seconds]


def test_a_stream_is_searched_for_and_tells_its_story(site: Site, page: Page) -> None:
    page.locator("body").press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("/17/live")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=*")
    page.locator("#found tbody tr", has_text="#17").get_by_role("link").first.click()
    page.wait_for_url("**/?stream=17")
    story = page.locator("#story")
    for event in site.fleet.admin("explain_stream", stream_id=17):
        expect(story).to_contain_text(event["what"])
    expect(story).to_contain_text("nearer to its transmitter")
    address = story.locator("a[href^='http']")
    expect(address).to_have_attribute("rel", re.compile("noreferrer"))
    page.locator("#connection.live").wait_for()
    site.fleet.one("move_stream", stream_id=17, instance_id="fingerv7-002", reason="another planted reason")
    expect(story).to_contain_text("another planted reason")
    story.get_by_role("link", name="fingerv7-002").first.click()
    page.wait_for_url("**/?instance=fingerv7-002")
    expect(page.locator("#story h1")).to_have_text("fingerv7-002")
    expect(page.locator("#story")).to_contain_text("registered as incarnation 1")


@pytest.mark.parametrize(
    "address",
    [
        "/?stream=9999",
        "/?stream=17'--",
        f"/?stream={10**20}",
        "/?instance=no",
        "/?instance=%00%ff",
        f"/?q=%00{'x' * 300}",
    ],
    ids=["unknown", "no number", "too large", "not an instance", "no text", "long"],
)
def test_a_story_of_no_instance_is_no_error(site: Site, address: str) -> None:
    answer = site.get(address)
    assert answer.status_code == (200 if "q=" in address else 404)
    assert "Search for a stream" in answer.text


# -- accessibility -----------------------------------------------------------------------------------------------------

PLANTED = (
    "<script>window.planted = 1</script>",
    "<img src=x onerror='window.planted = 1'>",
    "'\" onmouseover=window.planted=1 x='",
    "{{ 7 * 7 }}</title></section></details><svg onload=window.planted=1>",
    "javascript:window.planted=1",
    "\u202egnp.exe",
)


def test_what_others_name_runs_nothing(site: Site) -> None:
    """Names, addresses, metadata, reasons and what instances say of themselves are all anybody's."""
    fleet = site.fleet
    # an address that has spaces and control characters in it is refused
    queries = ["".join(c if c.isprintable() and c != " " else quote(c) for c in text) for text in PLANTED]
    ids = [
        fleet.one(
            "add_stream",
            url=f"http://radio.example.org/{number}?{queries[number]}",
            name=f"planted {text}",
            metadata={text: {text: [text]}},
            region=text,
        )["stream_id"]
        for number, text in enumerate(PLANTED)
    ]
    for number, text in enumerate(PLANTED):
        name = f"planted-{number}"
        fleet.register(name, 10, version=text, location=text, metadata={text: text}).obey(memory_usage=99)
        fleet.one("move_stream", stream_id=ids[number], instance_id=name, reason=text)
        fleet.query(
            "insert into {p}.alert (code, subject, severity, message, opened_at, updated_at) "
            "values (%s, %s, 'warning', %s, {p}.now(), {p}.now())",
            text, text, text,
        )  # fmt: skip
    try:
        with site.page() as page:
            for details in page.locator("details").all():
                details.evaluate("details => (details.open = true)")
            expect(page.get_by_label("Open alerts")).to_contain_text(PLANTED[0])
            fleet.one("pause_balancing", reason=PLANTED[1])  # and so through the stream of events
            expect(page.locator(".balancing")).to_contain_text(PLANTED[1])
            assert "\\u202e" in page.locator("#instances").inner_text()
            addresses = ["/?q=planted", *(f"/?stream={number}" for number in ids)]
            addresses += [f"/?instance=planted-{number}" for number in range(len(PLANTED))]
            for address in addresses:
                page.goto(site.face.url + address)
                page.locator("#connection.live").wait_for()
                assert page.evaluate("window.planted") is None, address
                assert page.locator("main script, main img, main [onmouseover], main [onload]").count() == 0
                assert page.locator("a:not([href^='/']):not([href^='http']):not([href^='#'])").count() == 0
            page.goto(site.face.url + "/?q=%3Cscript%3Ewindow.planted=1%3C/script%3E")
            assert page.evaluate("window.planted") is None
    finally:
        fleet.one("resume_balancing")
        fleet.query("update {p}.alert set resolved_at = {p}.now() where code = any(%s)", list(PLANTED))
        for number in range(len(PLANTED)):
            fleet.one("remove_instance", instance_id=f"planted-{number}")
        for number in ids:
            fleet.one("remove_stream", stream_id=number)
    assert site.complaints == []


def test_a_link_on_another_site_leads_here_and_its_script_does_not(site: Site) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert site.get("/?stream=17", **foreign, **{"Sec-Fetch-Mode": "navigate"}).status_code == 200
    assert site.get("/?stream=17", **foreign, **{"Sec-Fetch-Mode": "cors"}).status_code == 403
    assert site.get("/api/streams/assign", **foreign, **{"Sec-Fetch-Mode": "navigate"}).status_code == 403


def test_nothing_but_its_own_may_run_or_frame_it(site: Site, page: Page) -> None:
    headers = site.get("/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert page.locator("[style], script:not([src]), style").count() == 0
    asked = page.evaluate("performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)")
    assert set(asked) == {site.face.url}


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page: Page) -> None:
    wanted = page.locator("a[href]:visible, button:visible, input:visible, summary:visible").count()
    reached = []
    for _ in range(wanted + 40):
        page.keyboard.press("Tab")
        element = page.evaluate(
            """() => {
                const at = document.activeElement, style = getComputedStyle(at);
                window.seen ??= new Set();
                const isNew = at !== document.body && !window.seen.has(at) && window.seen.add(at);
                return { isNew: Boolean(isNew), name: at.outerHTML.slice(0, 80), outline: style.outlineStyle,
                         counts: at.matches("a[href], button, input, summary"), text: at.textContent.trim() };
            }"""
        )
        if not element["isNew"]:
            break
        reached.append(element)
    assert reached[0]["text"] == "To the content"
    assert len([element for element in reached if element["counts"]]) >= wanted
    assert [element["name"] for element in reached if element["outline"] == "none"] == []


CONTRAST = """() => {
    const parts = (colour) => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = (rgb) => {
        const [r, g, b] = rgb.slice(0, 3).map((part) => {
            const c = part / 255;
            return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parts(getComputedStyle(at).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll("body *:not(script)")) {
        const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!hasText || !element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        const [a, b] = [light(parts(style.color)), light(behind(element))].sort((x, y) => y - x);
        const size = parseFloat(style.fontSize);
        const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        const ratio = (a + 0.05) / (b + 0.05);
        const is = `${element.tagName}.${element.className} ${element.textContent.slice(0, 30)}`;
        if (ratio < (isLarge ? 3 : 4.5)) poor.push(`${ratio.toFixed(2)} ${is}`);
    }
    return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable_in_light_and_dark(site: Site, scheme: str) -> None:
    """WCAG 2 AA: a contrast of 4.5, of 3 for large text."""
    with site.page(color_scheme=scheme) as page:
        page.locator(".decisions summary").first.click()
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 380) == (scheme == "dark")
        assert page.evaluate(CONTRAST) == []


def test_a_state_is_never_told_by_its_colour_alone(page: Page) -> None:
    for state in page.locator(".state:visible, .severity:visible").all():
        mark, word = state.inner_text().split(maxsplit=1)
        assert mark in "●○◐▲▼✕⇄–✓"
        assert word


def test_on_a_phone_nothing_sticks_out(site: Site) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    for address in ("/", "/?stream=17", "/?instance=fingerv7-001", "/?q=radio"):
        with site.page(address, **phone) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
