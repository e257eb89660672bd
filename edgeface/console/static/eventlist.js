// Events as a list in plain words, each with its figures behind it, and the stream of new ones.

import { get, query } from "./api.js";
import { byId, el, facts, fill, nothing } from "./dom.js";
import { named } from "./names.js";
import { when } from "./time.js";
import { capital, isShown, REASONS, sentence } from "./words.js";

const NEWEST = 200, AGAIN_MS = 5000;

export function eventItem(event, { isNew = false } = {}) {
  const told = sentence(event);
  const person = event.person && event.person_name;
  const summary = el("summary", {}, el(`span.dot${told.state ? `.${told.state}` : ""}`),
    el("span.when", {}, when(event.happened)), el("span.where", {}, event.door), el("span.what", {}, told.text));
  const more = facts([
    ["Person", person ? el("a", { href: `/people/${event.person}` }, event.person_name) : event.person],
    ["Reason", event.kind === "decision" ? capital(REASONS[event.reason] || event.reason) : null],
    ["Details", event.detail],
    ["Likeness", figure(event.score)],
    ["Lead over the next person", figure(event.lead)],
    ["Liveness", figure(event.live)],
    ["Frames looked at", event.frames],
    ["Clock", event.clock],
    ["Received", when(event.received_at)],
    ["Entry", event.seq ? `number ${event.seq} of log ${event.log}` : "noticed by the site"],
    ["Software", event.bundle],
  ]);
  return el("li" + (isNew ? ".new" : ""), { "data-event": event.id }, el("details", {}, summary, more));
}

export function eventList(events, { brief = false, empty = "Nothing has happened yet." } = {}) {
  const shown = events.filter(isShown);
  if (!shown.length) return nothing("events", "No events", el("p", {}, empty));
  return el("ul.events" + (brief ? ".brief" : ""), {}, shown.map((event) => eventItem(event)));
}

export async function findEvents(wanted) {
  const found = await get(`/events${query(wanted)}`);
  await named(found.events);
  return found;
}

// A short list of the latest events of a door or a person, which follows the stream.
export async function showLatest(region, wanted, { limit = 8 } = {}) {
  region.dataset.brief = "";
  await fill(region, () => findEvents({ ...wanted, limit: 4 * limit }),
    (found) => eventList(found.events.filter(isShown).slice(0, limit), { brief: true }));
  return (event) => {
    if (Object.entries(wanted).every(([key, value]) => event[key] === value)) addEvent(region, event, { most: limit });
  };
}

// Put an event that just arrived above the others.
export function addEvent(region, event, { most = NEWEST } = {}) {
  if (!isShown(event) || region.querySelector(`[data-event="${event.id}"]`)) return;
  let list = region.querySelector("ul.events");
  if (!list) {
    list = el("ul.events" + (region.dataset.brief === "" ? ".brief" : ""));
    region.replaceChildren(list);
  }
  list.prepend(eventItem(event, { isNew: true }));
  while (list.children.length > most) list.lastElementChild.remove();
}

// Call `arrived` with every new event; `state` with "live" or "away". The browser connects anew, unless it was refused:
// then the session is over, which asking for it finds out, or the server is busy.
export function followEvents(arrived, state = () => {}) {
  const source = new EventSource("/api/v1/events/stream");
  source.addEventListener("open", () => state("live"));
  source.addEventListener("error", async () => {
    state("away");
    if (source.readyState !== EventSource.CLOSED) return;
    await get("/session", { byItself: true }).catch(() => null);
    setTimeout(() => followEvents(arrived, state), AGAIN_MS);
  });
  source.addEventListener("event", async (message) => {
    const [event] = await named([JSON.parse(message.data)]);
    arrived(event);
  });
  addEventListener("pagehide", () => source.close());
  return source;
}

export function showStream(pill = byId("stream")) {
  return (state) => {
    pill.className = state === "live" ? "pill good" : "pill warn";
    pill.textContent = state === "live" ? "Live" : "Connecting again";
  };
}

const figure = (value) => (value === null || value === undefined ? null : value.toFixed(3));
