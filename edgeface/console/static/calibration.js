// Choosing the threshold from the site's own people: what each cosine means for strangers and for those who belong here.

import { get, put } from "./api.js";
import { act, byId, el, facts, fill, note, nothing, say } from "./dom.js";
import { histograms } from "./chart.js";
import { named } from "./names.js";
import { begin } from "./shell.js";
import { count } from "./words.js";

const LEAST_SHOWN = -0.4;
const PASSED = ["recognised", "two_people"], REFUSED = ["unknown", "ambiguous"];

async function load() {
  const found = await get("/calibration");
  const pairs = found.alike.map(({ uid, other, cosine }) => ({ person: uid, with_person: other, cosine }));
  return { ...found, alike: await named(pairs) };
}

function draw(found) {
  if (!found.steps.length) {
    return el("div.card", {}, nothing("calibration", "Too few people to compare", el("p", {}, found.text), el("a", { href: "/enrol" }, "Enrol more people")));
  }
  return [basis(found), chooser(found), chart(found), alike(found)];
}

function basis(found) {
  const enough = found.suggested !== null;
  return note(enough ? "good" : "warn", el("b", {}, found.text),
    el("span", {}, `${count(found.compared, "person", "people")} compared, ${found.with_two.toLocaleString("en-GB")} of them with two photos or more.`));
}

// The steps that a setting can bring about: a slider over them, and what each would mean.
function chooser(found) {
  const steps = found.steps.filter((step) => step.setting !== null);
  const nearest = (cosine) => steps.reduce((best, step, index) => (Math.abs(step.cosine - cosine) < Math.abs(steps[best].cosine - cosine) ? index : best), 0);
  const slider = el("input", { id: "threshold", type: "range", min: 0, max: steps.length - 1, step: 1, value: nearest(found.now.cosine), "aria-describedby": "answer" });
  const answer = el("div.stack.tight", { id: "answer", "aria-live": "polite" }), place = el("div", { role: "alert" });
  const apply = el("button.primary", { type: "button" }, "Apply to all doors");
  const chosen = () => steps[Number(slider.value)];
  const tell = () => {
    slider.setAttribute("aria-valuetext", `likeness ${chosen().cosine.toFixed(2)}`);
    answer.replaceChildren(...meaning(chosen()));
    found.chosen?.(chosen().cosine);
  };
  slider.addEventListener("input", tell);
  const to = (name, step) => step && el("button.slim", { type: "button", click: () => { slider.value = nearest(step.cosine); tell(); } }, name);
  apply.addEventListener("click", () => act(apply, place, async () => {
    await put("/decision", { ...(await get("/decision")), false_accept_target: chosen().setting });
    say("Applied. Connected doors have it within seconds.");
    await refresh();
  }));
  queueMicrotask(tell);
  return el("section.card", { "aria-labelledby": "choice-title" }, el("h2", { id: "choice-title" }, "The threshold"),
    el("div.field", {}, el("label", { for: "threshold" }, "Least likeness for a match"), slider,
      el("div.row.apart.small.muted", { "aria-hidden": "true" }, el("span", {}, "opens more easily"), el("span", {}, "stricter"))),
    answer, el("div.row", {}, to("As it is now", found.now), to("Suggested", found.suggested)), place, el("div.row", {}, apply));
}

function meaning({ cosine, stranger, refused, setting }) {
  return [
    el("p.answer", {}, `${cosine.toFixed(2)}: ${strangers(stranger)}`),
    el("p", {}, refused ? `People who belong here are refused at ${percent(refused.value)} of looks (95 % confidence: ${percent(refused.low)} to ${percent(refused.high)}). A door takes several looks.`
      : "How often people who belong here are refused is not known: two people with two photos each are needed."),
    facts([["Strangers, 95 % confidence", `${percent(stranger.low)} to ${percent(stranger.high)}`], ["Setting", el("code", {}, `false_accept_target = ${setting}`)]]),
  ];
}

function strangers(share) {
  if (share.value > 0) return `a stranger matches somebody ${once(share.value)}.`;
  return `nobody here matches anybody else; a stranger matches somebody at most ${once(share.high)}.`;
}

const once = (value) => (value >= 0.5 ? `${percent(value)} of the time` : `once in ${Math.round(1 / value).toLocaleString("en-GB")} looks`);

function percent(value) {
  const number = 100 * value;
  return `${number === 0 || number >= 10 ? number.toFixed(0) : number.toPrecision(2)} %`;
}

function chart(found) {
  const from = Math.max(found.edges.findIndex((edge) => edge >= LEAST_SHOWN), 0);
  const edges = found.edges.slice(from), cut = (counts) => (counts || []).slice(from);
  const sum = (reasons) => reasons.map((reason) => cut(found.events[reason])).filter((counts) => counts.length)
    .reduce((total, counts) => total.map((value, index) => value + counts[index]), edges.slice(1).map(() => 0));
  const rows = [
    { name: "Photos of different people", kind: "strangers", counts: cut(found.impostor) },
    { name: "Photos of the same person", kind: "same", counts: cut(found.genuine) },
    { name: "At the doors: recognised", kind: "passed", counts: sum(PASSED) },
    { name: "At the doors: not recognised", kind: "refused", counts: sum(REFUSED) },
  ].filter((row) => row.counts.some(Boolean));
  const holder = el("div");
  let chosen = found.now.cosine;
  const again = () => holder.replaceChildren(histograms({ rows, edges, width: holder.clientWidth,
    limits: [{ at: found.now.cosine, kind: "limit-before" }, { at: chosen, kind: "limit", text: chosen.toFixed(2) }],
    label: `How alike photos are: of different people and of the same person, with the threshold at ${chosen.toFixed(2)}` }));
  found.chosen = (cosine) => { chosen = cosine; again(); };
  let width = 0;
  new ResizeObserver(() => {
    if (holder.clientWidth !== width) again();
    width = holder.clientWidth;
  }).observe(holder);
  return el("section.card", { "aria-labelledby": "scores-title" }, el("h2", { id: "scores-title" }, "How alike photos are here"), holder,
    el("p.hint", {}, "The line is the threshold chosen above, the dashed one that of now. Whose faces those at the doors were, nobody knows: they are shown, and not reckoned with."));
}

function alike({ alike: pairs }) {
  if (!pairs.length) return null;
  const link = (uid, name) => el("a", { href: `/people/${uid}` }, name || uid.slice(0, 8));
  return el("section.card", { "aria-labelledby": "alike-title" }, el("h2", { id: "alike-title" }, "People who match each other"),
    el("p.muted", {}, "Look-alikes, or one person under two names: look at these first."),
    el("ul.stack.tight", {}, pairs.map((pair) => el("li", {}, link(pair.person, pair.person_name), " and ", link(pair.with_person, pair.with_person_name), el("span.muted", {}, ` ${pair.cosine.toFixed(2)}`)))));
}

const refresh = () => fill(byId("calibration"), load, draw);

begin(refresh);
