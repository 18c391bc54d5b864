// Keeps the page up to date, counts ages on, and carries out what an operator asks for. Nothing is decided here.
"use strict";

document.documentElement.classList.add("script");

const byId = (id) => document.getElementById(id);
const parse = (html) => new DOMParser().parseFromString(`<body>${html}</body>`, "text/html").body;

// -- up to date: a part is changed where it differs, so that focus, selection and what is opened stay -----------------

function morph(here, there) {
    if (here.nodeType !== there.nodeType || here.nodeName !== there.nodeName) {
        here.replaceWith(there);
        return;
    }
    if (here.nodeType !== Node.ELEMENT_NODE) {
        if (here.data !== there.data) here.data = there.data;
        return;
    }
    for (const { name } of [...here.attributes]) {
        if (!there.hasAttribute(name) && !(here.nodeName === "DETAILS" && name === "open")) here.removeAttribute(name);
    }
    for (const { name, value } of there.attributes) {
        if (here.getAttribute(name) !== value && !(here.nodeName === "DETAILS" && name === "open")) here.setAttribute(name, value);
    }
    if (!here.hasAttribute("data-ago")) morphChildren(here, there);
}

function morphChildren(here, there) {
    const known = new Map([...here.children].filter((child) => child.id).map((child) => [child.id, child]));
    let at = here.firstChild;
    for (const wanted of [...there.childNodes]) {
        const same = wanted.id && known.get(wanted.id);
        if (same) {
            if (same === at) at = at.nextSibling;
            else here.insertBefore(same, at);
            morph(same, wanted);
        } else if (at && !at.id && !wanted.id && at.nodeName === wanted.nodeName) {
            const next = at.nextSibling;
            morph(at, wanted);
            at = next;
        } else {
            here.insertBefore(wanted, at);
        }
    }
    while (at) {
        const next = at.nextSibling;
        at.remove();
        at = next;
    }
}

function update(parts) {
    for (const [name, html] of Object.entries(parts)) {
        const part = byId(name);
        if (part) morphChildren(part, parse(html));
    }
    const verdict = document.querySelector("[data-verdict]");
    if (verdict) document.title = document.title.replace(/^(?:healthy|degraded|unhealthy)/, verdict.textContent);
    countAges();
}

async function tellStoryAgain() {
    const answer = await fetch(location.href);
    const story = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("story");
    if (story) morphChildren(byId("story"), story);
    countAges();
}

// -- ages: as the server counts them --------------------------------------------------------------------------------

const ahead = Date.parse(document.body.dataset.now) - Date.now();

function age(seconds) {
    const left = Math.max(Math.floor(seconds), 0);
    const of = (unit) => Math.floor(left / unit);
    if (left < 60) return `${left} s`;
    if (left < 600) return `${of(60)} min ${left % 60} s`;
    if (left < 3600) return `${of(60)} min`;
    if (left < 86400) return `${of(3600)} h ${Math.floor((left % 3600) / 60)} min`;
    return `${of(86400)} d ${Math.floor((left % 86400) / 3600)} h`;
}

function countAges() {
    const now = Date.now() + ahead;
    for (const moment of document.querySelectorAll("[data-ago]")) {
        const text = age((now - Date.parse(moment.dateTime)) / 1000);
        if (moment.textContent !== text) moment.textContent = text;
    }
}
setInterval(countAges, 1000);
countAges();

// -- the stream of events -------------------------------------------------------------------------------------------

function say(connection, text) {
    const shown = byId("connection");
    if (shown.textContent !== text) shown.textContent = text;
    shown.className = `connection ${connection}`;
}

function alarm(text) {
    byId("alarm").hidden = !text;
    if (byId("alarm").textContent !== text) byId("alarm").textContent = text;
}

function follow() {
    const events = new EventSource("/dashboard/events");
    events.addEventListener("state", (event) => {
        const { trouble, parts } = JSON.parse(event.data);
        say(trouble ? "lost" : "live", trouble ? "not live" : "live");
        alarm(trouble ? `${trouble}: what is shown is as it was` : "");
        update(parts);
        if (byId("story") && (parts.decisions || parts.handovers)) tellStoryAgain();
    });
    events.addEventListener("error", () => {
        say("lost", "reconnecting");
        // refused for good (too many streams, a key that is gone): the browser gives up, and this does not
        if (events.readyState === EventSource.CLOSED) setTimeout(follow, 10000);
    });
    addEventListener("pagehide", () => events.close(), { once: true });
}
follow();
addEventListener("pageshow", (event) => event.persisted && location.reload());

// -- keyboard and copying -------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, dialog");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        byId("search").select();
        byId("search").focus();
    }
});

document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = button.parentElement.querySelector("code");
    try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
    } catch {
        // not over an unencrypted connection: selected, it is one key away
        getSelection().selectAllChildren(text);
        button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
});

// -- actions --------------------------------------------------------------------------------------------------------
// The key is typed in by the operator, stays in this tab, and goes only with what the operator does: no cookie, and not the
// password that the browser may know for this site.

const KEY = "orchestrator-key";
const dialog = byId("dialog");

class Refused extends Error {}

async function act(action, request = {}) {
    const answer = await fetch(`/dashboard/actions/${action}`, {
        method: "POST",
        credentials: "omit",
        headers: { "Content-Type": "application/json", "X-API-Key": sessionStorage.getItem(KEY) ?? "" },
        body: JSON.stringify(request),
    });
    const body = await answer.json();
    if (answer.ok) return body;
    if (answer.status === 401) lock();
    throw new Refused([body.title, body.detail, body.code].filter(Boolean).join(" · "));
}

function lock() {
    sessionStorage.removeItem(KEY);
    showKey();
}

function showKey() {
    const key = byId("key");
    if (key) key.textContent = sessionStorage.getItem(KEY) ? "Lock actions" : "Unlock actions";
}

function saidSo(text) {
    const said = byId("said");
    said.textContent = text;
    said.hidden = false;
    clearTimeout(saidSo.timer);
    saidSo.timer = setTimeout(() => (said.hidden = true), 8000);
}

// Asks in the dialog; `confirmed` gets what was typed, and may refuse. Focus returns to where it was by itself.
function ask({ title, text = "", html = "", field = null, confirm, secret = false, confirmed }) {
    byId("dialog-title").textContent = title;
    byId("dialog-text").textContent = text;
    byId("dialog-body").replaceChildren(...parse(html).childNodes);
    byId("dialog-field").hidden = !field;
    byId("dialog-field").firstElementChild.textContent = field ?? "";
    const input = byId("dialog-input");
    input.type = secret ? "password" : "text";
    input.value = "";
    input.required = secret;
    const problem = byId("dialog-problem");
    problem.hidden = true;
    const button = byId("dialog-confirm");
    button.textContent = confirm;
    button.hidden = !confirmed;
    button.disabled = false;
    dialog.querySelector("form").onsubmit = async (event) => {
        event.preventDefault();
        button.disabled = true;
        problem.hidden = true;
        try {
            const next = await confirmed(input.value);
            dialog.close();
            if (next) next();
        } catch (error) {
            problem.textContent = error instanceof Refused ? error.message : "the server cannot be reached";
            problem.hidden = false;
        }
        button.disabled = false;
    };
    if (!dialog.open) dialog.showModal();
    (field ? input : confirmed ? button : byId("dialog-cancel")).focus();
}

function unlock(next) {
    ask({
        title: "Unlock actions",
        text: "The key is kept in this tab until it is closed, and sent only with what you do.",
        field: "API key",
        secret: true,
        confirm: "Unlock",
        confirmed: async (key) => {
            sessionStorage.setItem(KEY, key);
            try {
                await act("unlock");
            } catch (error) {
                lock();
                throw error;
            }
            showKey();
            return next;
        },
    });
}

const simply = (action, request) => async () => {
    saidSo((await act(action, request)).message);
};

const QUESTIONS = {
    drain: ({ instance_id }) => ({
        title: `Drain ${instance_id}?`,
        text: "It gets no new streams and hands over what it has, without losing a second, as others have room.",
        field: "Reason (shown with the decision)",
        confirm: "Drain",
        confirmed: (reason) => simply("drain", { instance_id, reason })(),
    }),
    undrain: ({ instance_id }) => ({
        title: `End the drain of ${instance_id}?`,
        text: "It may have streams again.",
        confirm: "Undrain",
        confirmed: simply("undrain", { instance_id }),
    }),
    pause: () => ({
        title: "Pause balancing?",
        text: "Failover, placement and drains go on. Nothing is levelled until balancing is resumed.",
        field: "Reason (shown to all)",
        confirm: "Pause",
        confirmed: (reason) => simply("pause", { reason })(),
    }),
    resume: () => ({
        title: "Resume balancing?",
        text: "What has become unfair meanwhile is levelled first.",
        confirm: "Resume",
        confirmed: simply("resume"),
    }),
    acknowledge: ({ alert_id, of }) => ({
        title: "Acknowledge this alert?",
        text: `${of} – there are no more reminders of it; it closes by itself when it is over.`,
        confirm: "Acknowledge",
        confirmed: simply("acknowledge", { alert_id: Number(alert_id) }),
    }),
};

async function plan() {
    ask({ title: "Rebalance", text: "Planning…", confirm: "", confirmed: null });
    try {
        const { plan_id, html, message } = await act("plan");
        if (!dialog.open) return;
        if (plan_id) ask({ title: "Rebalance?", html, confirm: "Apply the plan", confirmed: simply("apply", { plan_id }) });
        else ask({ title: "Rebalance", text: message, confirm: "", confirmed: null });
    } catch (error) {
        byId("dialog-text").textContent = "";
        byId("dialog-problem").textContent = error instanceof Refused ? error.message : "the server cannot be reached";
        byId("dialog-problem").hidden = false;
    }
}

document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (!button) return;
    const { action, ...data } = button.dataset;
    const begin = () => (action === "plan" ? plan() : ask(QUESTIONS[action](data)));
    if (sessionStorage.getItem(KEY)) begin();
    else unlock(begin);
});
byId("key")?.addEventListener("click", () => (sessionStorage.getItem(KEY) ? lock() : unlock()));
byId("dialog-cancel")?.addEventListener("click", () => dialog.close());
showKey();
