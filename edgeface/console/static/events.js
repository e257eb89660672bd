// All events, with filters that stay in the address, so that a view can be kept or sent.

import { get, query } from "./api.js";
import { act, byId, fill, options, say } from "./dom.js";
import { addEvent, eventItem, eventList, findEvents, followEvents, showStream } from "./eventlist.js";
import { begin, may } from "./shell.js";
import { instant } from "./time.js";
import { capital, isShown, KINDS, REASONS } from "./words.js";

const FIELDS = ["door", "kind", "reason", "person", "since", "until"];
const known = new Map(); // name of a person -> uid
let next = null;

function values() {
  return Object.fromEntries(FIELDS.map((name) => [name, byId(name).value]));
}

// What the API is asked for, and null where the person's name is nobody's.
function wanted() {
  const { door, kind, reason, person, since, until } = values();
  if (person && !known.has(person) && !/^[0-9a-f]{32}$/.test(person)) return null;
  const found = { door, reason, person: known.get(person) || person, since: instant(since), until: instant(until, 1) };
  if (kind === "opened" || kind === "denied") return { ...found, kind: "decision", opened: kind === "opened" };
  return { ...found, kind };
}

async function find(before = null) {
  const asked = wanted();
  if (!asked) return { events: [], next: null };
  const found = await findEvents({ ...asked, before, limit: 100 });
  next = found.next;
  byId("more").hidden = next === null;
  return found;
}

function refresh() {
  history.replaceState(null, "", location.pathname + query(values()));
  return fill(byId("events"), find, (found) => eventList(found.events, { empty: "Nothing fits these filters." }));
}

function fits(event) {
  const asked = wanted();
  if (!asked) return false;
  const at = new Date(event.happened);
  return ["door", "kind", "reason"].every((key) => !asked[key] || asked[key] === event[key])
    && (asked.opened === undefined || asked.opened === event.opened)
    && (!asked.person || [event.person, event.with_person].includes(asked.person))
    && (!asked.since || at >= new Date(asked.since)) && (!asked.until || at < new Date(asked.until));
}

async function suggest(text) {
  const { people } = await get(`/people${query({ text, limit: 20 })}`);
  for (const { name, uid } of people) known.set(name, uid);
  options(byId("names"), people.map(({ name }) => [name, name]));
}

async function setUpFilters(session) {
  const doors = await get("/doors");
  options(byId("door"), [["", "All doors"], ...doors.map(({ name }) => [name, name])]);
  options(byId("kind"), KINDS);
  options(byId("reason"), [["", "Any reason"], ...Object.entries(REASONS).map(([value, text]) => [value, capital(text)])]);
  const given = new URLSearchParams(location.search);
  for (const name of FIELDS) byId(name).value = given.get(name) || "";
  if (may(session, "owner", "operator")) {
    if (given.get("person")) await suggest(given.get("person"));
    byId("person").addEventListener("input", () => suggest(byId("person").value));
  } else {
    byId("person").closest(".field").remove();
    FIELDS.splice(FIELDS.indexOf("person"), 1);
  }
  const form = byId("filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", refresh);
  form.addEventListener("reset", () => setTimeout(refresh));
}

begin(async (session) => {
  await setUpFilters(session);
  await refresh();
  byId("more").addEventListener("click", () => act(byId("more"), byId("said"), async () => {
    const list = byId("events").querySelector("ul.events"), found = await find(next);
    list.append(...found.events.filter(isShown).map((event) => eventItem(event)));
    say(`${found.events.length} older events.`);
  }));
  followEvents((event) => fits(event) && addEvent(byId("events"), event), showStream());
});
