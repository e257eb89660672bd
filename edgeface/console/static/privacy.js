// How long things are kept, and receipts of what was erased.

import { get, put } from "./api.js";
import { act, byId, el, field, fill, nothing, pill, say, table } from "./dom.js";
import { begin, may } from "./shell.js";
import { when } from "./time.js";

const RULES = [
  ["events_days", "Events are kept for, days", "What the doors decided. What is deleted leaves a witness, so that the rest can still be checked."],
  ["expired_days", "People are erased after their end by, days", "Counted from the day from which they are not recognised any more."],
  ["changes_days", "The history of people’s changes is kept for, days", "Who changed what of a person, at the site and at doors."],
];

const COLUMNS = [
  ["When", (receipt) => when(receipt.erased_at)],
  ["Receipt", (receipt) => el("code", {}, receipt.receipt_id)],
  ["Templates", (receipt) => String(receipt.templates), "number"],
  ["Doors", confirmed],
];

function confirmed(receipt) {
  if (receipt.pending.length) return pill("warn", `waits for ${receipt.pending.join(", ")}`);
  // Such a door can confirm nothing any more: its board may hold the person still.
  if (receipt.removed.length) return pill("warn", `taken away unconfirmed: ${receipt.removed.join(", ")}`);
  return pill("good", "all confirmed");
}

function draw(kept, session) {
  const mayChange = may(session, "owner"), place = el("div", { role: "alert" }), button = el("button", {}, "Save");
  const input = ([name]) => el("input.short", { id: name, name, type: "number", min: 1, max: 36500, value: kept[name] ?? "", disabled: !mayChange });
  return el("form", { submit: (event) => {
    event.preventDefault();
    act(button, place, async () => {
      const values = RULES.map(([name]) => [name, byId(name).value ? Number(byId(name).value) : null]);
      await put("/retention", { ...kept, ...Object.fromEntries(values) });
      say("Saved.");
    });
  } }, el("div.fields", {}, RULES.map((rule) => field(rule[1], input(rule), `${rule[2]} Empty: for ever.`))), place, mayChange ? el("div.row", {}, button) : null);
}

begin(async (session) => {
  await Promise.all([
    fill(byId("retention"), () => get("/retention"), (kept) => draw(kept, session)),
    fill(byId("receipts"), () => get("/receipts"), (receipts) => (receipts.length ? table("Receipts of erasure", COLUMNS, receipts)
      : nothing("privacy", "Nobody was erased yet", el("p", {}, "Each erasure leaves a receipt here, without the person’s name.")))),
  ]);
});
