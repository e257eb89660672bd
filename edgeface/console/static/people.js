// Everybody enrolled: found by name, group and state.

import { get, query } from "./api.js";
import { act, byId, chips, el, fill, nothing, options, table } from "./dom.js";
import { personState } from "./personform.js";
import { begin } from "./shell.js";
import { day } from "./time.js";

const FIELDS = ["text", "group", "state"];
const PAUSE_MS = 250;
let next = null, waiting = null;

const COLUMNS = [
  ["Name", (person) => el("a.strong", { href: `/people/${person.uid}` }, person.name)],
  ["State", personState],
  ["Groups", (person) => chips(person.groups, "default")],
  ["Doors", (person) => chips(person.doors)],
  ["Until", (person) => (person.expires_at ? day(person.expires_at) : el("span.muted", {}, "no end"))],
  ["Enrolled", (person) => day(person.enrolled_at)],
];

const values = () => Object.fromEntries(FIELDS.map((name) => [name, byId(name).value.trim()]));

async function find(after = null) {
  const found = await get(`/people${query({ ...values(), after, limit: 50 })}`);
  next = found.next;
  byId("more").hidden = !next;
  return found.people;
}

function draw(people) {
  if (people.length) return table("People", COLUMNS, people);
  const filtered = Object.values(values()).some(Boolean);
  return filtered ? nothing("search", "Nobody fits", el("p", {}, "Try a shorter part of the name, or fewer filters."))
    : nothing("people", "Nobody is enrolled yet", el("a", { href: "/enrol" }, "Enrol the first person"));
}

function refresh() {
  history.replaceState(null, "", location.pathname + query(values()));
  return fill(byId("people"), find, draw);
}

begin(async () => {
  const groups = Object.keys(await get("/groups"));
  options(byId("group"), [["", "All groups"], ...groups.map((group) => [group, group])]);
  const given = new URLSearchParams(location.search);
  for (const name of FIELDS) byId(name).value = given.get(name) || "";
  const form = byId("filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, PAUSE_MS);
  });
  byId("more").addEventListener("click", () => act(byId("more"), byId("said"), async () => {
    const body = byId("people").querySelector("tbody");
    body.append(...table("", COLUMNS, await find(next)).querySelectorAll("tbody tr"));
  }));
  await refresh();
});
