// The audit trail: the check of its chain, every act, and the doors' own logs.

import { address, get, query } from "./api.js";
import { act, byId, el, fill, nothing, table } from "./dom.js";
import { ownReport, report } from "./report.js";
import { begin } from "./shell.js";
import { when } from "./time.js";
import { capital } from "./words.js";

const LIMIT = 100;
const UID = /\b[0-9a-f]{32}\b/;
let last = null;

const COLUMNS = [
  ["Number", (entry) => String(entry.seq), "number"],
  ["When", (entry) => when(entry.at)],
  ["Who", (entry) => who(entry.by)],
  ["What", (entry) => capital(entry.act)],
  ["Details", (entry) => detail(entry.detail)],
];

function who(by) {
  const [kind, name] = by.split(":");
  return name ? [el("b", {}, name), kind === "user" ? "" : el("span.muted", {}, ` (${kind})`)] : el("span.muted", {}, by);
}

// A person appears by uid, so that the trail holds no names; who may, follows the link.
function detail(text) {
  const uid = text.match(UID)?.[0];
  if (!uid) return text;
  const [before, after] = text.split(uid);
  return [before, el("a", { href: `/people/${uid}` }, "person ", el("code", {}, uid.slice(0, 8))), after];
}

async function find() {
  const acts = await get(`/acts${query({ limit: LIMIT, before: last })}`);
  last = acts.length ? acts[acts.length - 1].seq : last;
  byId("more").hidden = acts.length < LIMIT;
  return acts;
}

function door({ name }) {
  const place = el("div", { "aria-live": "polite" });
  const button = el("button.slim", { click: () => act(button, place, async () => {
    place.replaceChildren(...report(await get(`/${address("doors", name)}/log`)));
  }) }, "Check", el("span.unseen", {}, ` the log of ${name}`));
  return el("li.stack.tight", {}, el("div.row.apart", {}, el("b", {}, name), button), place);
}

begin(async () => {
  await Promise.all([
    fill(byId("report"), () => get("/acts/report"), ownReport),
    fill(byId("acts"), find, (acts) => (acts.length ? table("Acts", COLUMNS, acts) : nothing("audit", "No acts yet"))),
    fill(byId("doors"), () => get("/doors"), (doors) => (doors.length ? el("ul.stack.tight", {}, doors.map(door)) : el("p.muted", {}, "No doors yet."))),
  ]);
  byId("more").addEventListener("click", () => act(byId("more"), byId("said"), async () => {
    byId("acts").querySelector("tbody").append(...table("", COLUMNS, await find()).querySelectorAll("tbody tr"));
  }));
});
