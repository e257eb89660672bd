// Photos of one person, from files or from this machine's camera, each judged by the server at once.

import { send } from "./api.js";
import { act, ask, el, icon, pill, problem, say } from "./dom.js";
import { box } from "./live.js";
import { QUALITY } from "./words.js";

const LONGEST_PX = 1600, WANTED = 3, MOST = 10;
let numbers = 0;

// {node, good(): [Blob], changed: callback}. Nothing is stored until the person is enrolled.
export function photoPicker({ wanted = WANTED, changed = () => {} } = {}) {
  const shots = [];
  const list = el("div.shots"), meter = el("div.meter", { "aria-hidden": "true" }), told = el("p", { role: "status" });
  const good = () => shots.filter((shot) => shot.look?.ok).map((shot) => shot.blob);
  const tell = () => {
    const number = good().length;
    meter.replaceChildren(...Array.from({ length: wanted }, (_, index) => el("i" + (index < number ? ".full" : ""))));
    told.textContent = number >= wanted ? `${number} good photos: that is enough.` : `${number} of ${wanted} good photos.`;
    changed(number);
  };
  const add = async (blob) => {
    if (shots.length >= MOST) return say(`At most ${MOST} photos: remove one first.`);
    const shot = { blob, look: null, node: el("div.shot", { role: "group", "aria-label": `Photo ${++numbers}` }) };
    shots.push(shot);
    list.append(shot.node);
    await judge(shot, () => {
      shots.splice(shots.indexOf(shot), 1);
      shot.node.remove();
      tell();
    });
    tell();
  };
  tell();
  const node = el("div.stack", {}, sources(add), el("div.row", {}, meter, told), list);
  return { node, good, clear: () => { shots.length = 0; list.replaceChildren(); tell(); } };
}

// Send photos with other fields. Where they look like somebody else, ask whether that is right; null: it is not.
export async function sendPhotos(path, fields, blobs) {
  const body = (more) => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ ...fields, ...more })) form.append(name, value);
    blobs.forEach((blob, index) => form.append("photos", blob, `photo ${index + 1}`));
    return form;
  };
  try {
    return await send(path, body({}));
  } catch (error) {
    if (error.code !== "duplicate") throw error;
    return new Promise((resolve) => {
      const dialog = ask("Is that right?", [problem(error),
        el("p", {}, "Twins and siblings can be that alike. One person under two names is let in under neither: the door cannot tell which it is.")], {
        yes: "Yes, go on", danger: true, done: async () => resolve(await send(path, body({ confirm: "true" }))) });
      dialog.addEventListener("close", () => resolve(null));
    });
  }
}

async function judge(shot, drop) {
  const canvas = el("canvas", { role: "img", "aria-label": "The photo" }), below = el("div", {}, el("span.muted", {}, "Looking…"));
  const away = el("button.plain.slim", { type: "button", click: drop }, "Remove");
  shot.node.replaceChildren(canvas, below);
  try {
    const bitmap = await drawn(canvas, shot.blob);
    shot.blob = await smaller(bitmap, shot.blob);
    const form = new FormData();
    form.append("photos", shot.blob, "photo");
    [shot.look] = await send("/people/check", form);
    if (shot.look.box) frame(canvas, bitmap, shot.look);
    bitmap.close();
    below.replaceChildren(...verdict(shot.look), away);
  } catch (error) {
    if (!error.expected) throw error;
    below.replaceChildren(problem(error), away);
  }
}

function verdict(look) {
  if (look.ok) return [pill("good", "Good"), el("span.muted", {}, "Large, sharp and well lit.")];
  return [pill("bad", look.reasons.map((reason) => QUALITY[reason] || reason).join(", ")),
    el("ul.advice", {}, look.advice.map((text) => el("li", {}, text[0].toUpperCase() + text.slice(1), ".")))];
}

async function drawn(canvas, blob) {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap) throw Object.assign(new Error("This file is not a photo that the browser can read."), { expected: true });
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return bitmap;
}

// Phones' photos are far larger than a face needs, and slow to send.
async function smaller(bitmap, blob) {
  const scale = LONGEST_PX / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1) return blob;
  const canvas = el("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
}

function frame(canvas, bitmap, look) {
  const scale = bitmap.width / look.width;
  box(canvas.getContext("2d"), { box: look.box.map((value) => value * scale), state: look.ok ? "good" : "warn" }, canvas.width / 320);
}

function sources(add) {
  const files = el("input", { type: "file", id: "files", accept: "image/*", multiple: true, change: async () => {
    for (const file of [...files.files]) await add(file);
    files.value = "";
  } });
  const place = el("div.camera", { "aria-live": "polite" }), wrong = el("div", { role: "alert" });
  const start = el("button", { type: "button", click: () => act(start, wrong, () => openCamera(place, add)) }, icon("camera"), "Use the camera");
  return el("div.stack.tight", {}, el("div.fields", {}, el("div.field", {}, el("label", { for: "files" }, "Choose photos"), files), el("div.field", {}, el("span.label", {}, "Or take them now"), start)), wrong, place);
}

async function openCamera(place, add) {
  if (!navigator.mediaDevices) throw wrongCamera("The browser gives the camera to pages over HTTPS only.");
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 } } })
    .catch((error) => { throw wrongCamera(`There is no camera for this page: ${error.message}.`); });
  const video = el("video", { autoplay: true, playsinline: true, "aria-label": "What the camera sees" });
  video.muted = true;
  video.srcObject = stream;
  const shut = () => {
    stream.getTracks().forEach((track) => track.stop());
    place.replaceChildren();
  };
  const take = el("button.primary", { type: "button", click: async () => add(await still(video)) }, icon("camera"), "Take a photo");
  place.replaceChildren(video, el("div.row", {}, take, el("button", { type: "button", click: shut }, "Close the camera")));
  addEventListener("pagehide", shut);
  take.focus();
}

const wrongCamera = (text) => Object.assign(new Error(text), { expected: true });

function still(video) {
  const canvas = el("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
}
