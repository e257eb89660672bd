// What a check of an audit log found: the site's own, or all logs of one door.

import { el, facts, note } from "./dom.js";
import { when } from "./time.js";
import { capital, count } from "./words.js";

// The site's own log.
export function ownReport(found) {
  const entries = count(found.entries, "entry", "entries");
  const title = found.whole ? `The trail is whole: ${entries}, each in its place.` : "The trail is not whole.";
  return [verdict(found.whole, title, found.problems), el("p.muted", {}, "From ", when(found.since), " to ", when(found.until), `; signed up to entry ${found.signed_seq} of ${found.last_seq}.`),
  found.notes.length ? el("details", {}, el("summary", {}, "To be known of it"), el("ul.small.muted", {}, found.notes.map((text) => el("li", {}, capital(text))))) : null];
}

// A door's logs.
export function report(found) {
  const logs = found.logs.map((log) => ({ ...log, ...(log.report || {}) }));
  const entries = count(logs.reduce((sum, log) => sum + log.entries, 0), "entry", "entries");
  const problems = [...found.noticed, ...logs.flatMap((log) => log.problems)];
  const title = problems.length ? "The log is not whole." : `The log is whole: ${entries}, each in its place.`;
  const signed = found.keys.length ? `checked with key ${found.keys.join(", ")}` : "not checked: the door’s key is not known here";
  return [verdict(!problems.length, title, problems), facts([["Signatures", signed], ...logs.flatMap((log) => [
    ["Log", el("code", {}, log.log)],
    ["Entries", `${log.first_seq} to ${log.last_seq}, signed up to ${log.signed_seq}`],
    log.forgotten ? ["Deleted by the rules", `up to ${log.forgotten}`] : null,
  ])])];
}

function verdict(whole, title, problems) {
  return note(whole ? "good" : "bad", el("b", {}, title), problems.length ? el("ul", {}, problems.map((text) => el("li", {}, text))) : null);
}
