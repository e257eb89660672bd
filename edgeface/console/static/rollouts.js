// Roll-outs: how far each is, door by door; an owner begins and stops them.

import { get, post, send } from "./api.js";
import { act, ask, byId, el, facts, field, fill, nothing, options, pill, say } from "./dom.js";
import { begin, may } from "./shell.js";
import { when } from "./time.js";
import { capital, count } from "./words.js";

const EVERY_MS = 5000;
const STATES = { running: ["warn", "Running"], done: ["good", "Done"], failed: ["bad", "Failed"], stopped: ["", "Stopped"] };
const DOORS = {
  waiting: ["", "", "waits for its turn"], working: ["warn", "…", "installs"], watched: ["warn", "…", "installed, being watched"],
  "going back": ["bad", "↩", "goes back to what it had"], done: ["good", "✓", "done"], failed: ["bad", "✕", "failed"], left: ["", "–", "not touched"],
};
const KINDS = { kit: "Software kit", config: "Configuration" };

function card(rollout, session) {
  const [state, text] = STATES[rollout.state] || ["", rollout.state];
  const done = rollout.doors.filter((door) => door.state === "done").length;
  const place = el("div", { role: "alert" });
  return el("article.card", {},
    el("div.row.apart", {}, el("h2", {}, `${KINDS[rollout.kind] || rollout.kind}: ${rollout.label}`), pill(state, text)),
    el("p", {}, `${done} of ${count(rollout.doors.length, "door", "doors")} done.`, rollout.text ? ` ${capital(rollout.text)}.` : ""),
    el("ol.track", {}, rollout.doors.map(step)),
    el("details", {}, el("summary", {}, "Every step"), el("ol.stack.tight.small", {}, rollout.steps.map((one) => el("li", {}, when(one.at), " ", one.door ? `${one.door}: ` : "", one.text))),
      facts([["Begun", when(rollout.made_at)], ["By", rollout.by], ["SHA-256", el("code", {}, rollout.sha256)], ["A door is watched for", `${rollout.healthy_s} s`], ["Pause between doors", `${rollout.pause_s} s`]])),
    rollout.state === "running" && may(session, "owner") ? el("div.row", {}, stopButton(rollout, place, session)) : null, place);
}

function step(door) {
  const [state, mark, text] = DOORS[door.state] || ["", "?", door.state];
  return el("li", {}, el("span.mark" + (state ? `.${state}` : ""), { "aria-hidden": "true" }, mark || String(door.place + 1)),
    el("div", {}, el("b", {}, door.door), ` ${text}`, door.text ? el("div.muted.small", {}, door.text) : null));
}

function stopButton(rollout, place, session) {
  const button = el("button.danger", { click: () => act(button, place, async () => {
    await post(`/rollouts/${rollout.id}/stop`);
    say("Stopped: the door at work finishes, no further door begins.");
    await refresh(session);
  }) }, "Stop");
  return button;
}

function draw(rollouts, session) {
  if (!rollouts.length) {
    const more = may(session, "owner") ? "Begin one with a kit made by “python -m boards kit”, or with a door.toml." : "An owner begins roll-outs.";
    return el("div.card", {}, nothing("rollouts", "No roll-outs yet", el("p", {}, more)));
  }
  return el("div.stack", {}, rollouts.map((rollout) => card(rollout, session)));
}

const refresh = (session, byItself = false) => fill(byId("rollouts"), () => get("/rollouts", { byItself }), (rollouts) => draw(rollouts, session));

async function create(session) {
  const doors = (await get("/doors")).map((door) => door.name);
  const kind = options(el("select", { id: "rollout-kind", name: "kind" }), Object.entries(KINDS), "kit");
  const file = el("input", { id: "rollout-file", name: "file", type: "file", required: true });
  const order = el("textarea", { id: "rollout-doors", name: "doors", rows: Math.min(8, doors.length + 1), required: true }, doors.join("\n"));
  const seconds = (id, name, value) => el("input", { id, name, type: "number", min: 0, max: 86400, value, required: true });
  ask("New roll-out", [field("What", kind), field("File", file, "The board checks a kit’s signature, and a configuration before it takes effect."),
    field("Doors, in this order", order, "One a line. Take out those that are not to have it."),
    el("div.fields", {}, field("Watch each door, seconds", seconds("rollout-healthy", "healthy_s", 300)), field("Pause between doors, seconds", seconds("rollout-pause", "pause_s", 60)))], {
    yes: "Begin", done: async (form) => {
      const body = new FormData();
      body.append("kind", kind.value);
      for (const door of order.value.split(/\s+/).filter(Boolean)) body.append("doors", door);
      for (const name of ["healthy_s", "pause_s"]) body.append(name, form.elements[name].value);
      body.append("file", file.files[0]);
      await send("/rollouts", body);
      await refresh(session);
      say("Begun: the first door takes it at its next question.");
    } });
}

begin(async (session) => {
  await refresh(session);
  const region = byId("rollouts");
  setInterval(() => document.hidden || region.contains(document.activeElement) || region.querySelector("details[open]") || refresh(session, true), EVERY_MS);
  byId("new")?.addEventListener("click", () => act(byId("new"), byId("said"), () => create(session)));
});
