// Run inside a page: returns what keeps people from using it, in words.

const problems = [];
const seen = (node) => node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length > 0;
const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
const where = (node) => `<${node.tagName.toLowerCase()}${node.id ? ` id=${node.id}` : ""}> ${node.textContent.trim().slice(0, 30)}`;

// Names.
function name(node) {
  const labelled = (node.getAttribute("aria-labelledby") || "").split(" ").filter(Boolean).map((id) => document.getElementById(id)?.textContent || "").join(" ");
  const labels = [...(node.labels || [])].map((label) => label.textContent).join(" ");
  return (labelled || node.getAttribute("aria-label") || labels || node.getAttribute("alt") || node.textContent || "").trim();
}
for (const node of all("a[href], button, input, select, textarea, video, dialog, [role=img], img, section, nav, fieldset")) {
  if (!name(node)) problems.push(`it has no name: ${where(node)}`);
}

// Structure.
const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) problems.push(`two elements have the id ${id}`);
for (const node of document.querySelectorAll("[aria-labelledby], [aria-describedby], [aria-controls]")) {
  for (const key of ["aria-labelledby", "aria-describedby", "aria-controls"]) {
    for (const id of (node.getAttribute(key) || "").split(" ").filter(Boolean)) {
      if (!document.getElementById(id)) problems.push(`${key} of ${where(node)} is nobody: ${id}`);
    }
  }
}
if (document.documentElement.lang !== "en-GB") problems.push("the page does not say its language");
if (all("h1").length !== 1) problems.push(`${all("h1").length} first headings`);
if (!document.querySelector("main")) problems.push("no main part");
let level = 0;
for (const node of all("main :is(h1, h2, h3)")) {
  const own = Number(node.tagName[1]);
  if (own > level + 1) problems.push(`a heading skips a level: ${where(node)}`);
  level = own;
}
if (document.querySelector("[tabindex]:not([tabindex='0'], [tabindex='-1'])")) problems.push("the order of the Tab key is forced");
if (document.querySelector("[style], [onclick]")) problems.push(`inline style or script: ${where(document.querySelector("[style], [onclick]"))}`);

// Nothing wider than the window.
const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
if (wide > 0) {
  const out = all("main *").find((node) => node.getBoundingClientRect().right > innerWidth + 1);
  problems.push(`the page is ${wide} px wider than the window: ${out ? where(out) : ""}`);
}

// Targets that a finger hits (WCAG 2.2, 2.5.8: 24 px).
for (const node of all("button, select, input:not([type=checkbox], [type=range]), .button, nav a")) {
  const { width, height } = node.getBoundingClientRect();
  if (Math.min(width, height) < 24 && !node.closest(".skip")) problems.push(`too small to hit: ${where(node)}`);
}

// Contrast (WCAG 2.2, 1.4.3): 4.5 to 1, large text 3 to 1.
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
function rgba(colour) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
}
function ground(node) {
  for (let one = node; one; one = one.parentElement) {
    const found = rgba(getComputedStyle(one).backgroundColor);
    if (found[3] === 255) return found;
  }
  return [255, 255, 255, 255];
}
const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
for (const node of all("main *, .side *, .top *")) {
  const own = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.textContent.trim());
  if (!own || node.closest("svg, noscript, [disabled], [aria-busy=true], .over, .unseen, option")) continue;
  const style = getComputedStyle(node), size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
  const pair = [light(rgba(style.color)), light(ground(node))].sort((first, second) => second - first);
  const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (ratio < (size >= 24 || (bold && size >= 18.66) ? 3 : 4.5)) problems.push(`contrast ${ratio.toFixed(2)}: ${where(node)}`);
}
return problems;
