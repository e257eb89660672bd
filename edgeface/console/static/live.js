// A live picture: a stream of JPEGs, drawn on a canvas with the boxes that came with each.

import { open } from "./api.js";

const MARK = "\r\n\r\n";

// Call `picture({blob, look})` for each until the stream ends; `look` is the header X-Edgeface-Look.
export async function watch(path, signal, picture) {
  const answer = await open(path, signal);
  const reader = answer.body.getReader();
  let held = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held = joined(held, value);
    for (let part = cut(held); part; part = cut(held)) {
      held = part.rest;
      await picture(part);
    }
  }
}

// The first whole part of the bytes, and what is after it; null while it is not whole.
function cut(bytes) {
  const begins = textAt(bytes, 0, Math.min(bytes.length, 8192)), end = begins.indexOf(MARK);
  if (end < 0) return null;
  const headers = begins.slice(0, end).split("\r\n");
  const header = (name) => headers.find((line) => line.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1).trim();
  const start = end + MARK.length, length = Number(header("content-length"));
  if (!Number.isInteger(length) || bytes.length < start + length + 2) return null;
  const look = header("x-edgeface-look");
  return {
    blob: new Blob([bytes.slice(start, start + length)], { type: "image/jpeg" }),
    look: look ? JSON.parse(look) : null,
    rest: bytes.slice(start + length + 2),
  };
}

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

const textAt = (bytes, from, to) => new TextDecoder("latin1").decode(bytes.subarray(from, to));

export async function draw(canvas, { blob, look }) {
  const bitmap = await createImageBitmap(blob);
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const pen = canvas.getContext("2d");
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  for (const face of look?.faces || []) box(pen, face, canvas.width / 640);
}

// {box: [x, y, width, height], text, state} over the picture; also on a photo at enrolment.
export function box(pen, { box: [x, y, width, height], text: reason = "", state = "" }, scale = 1) {
  const text = reason.replaceAll("_", " ");
  const colour = { good: "#4fd18b", warn: "#ffc857", bad: "#ff7a6b" }[state] || "#6cd0c4";
  pen.lineWidth = Math.max(3 * scale, 1.5);
  pen.strokeStyle = colour;
  pen.strokeRect(x, y, width, height);
  if (!text) return;
  pen.font = `600 ${Math.round(18 * scale)}px system-ui, sans-serif`;
  const wide = pen.measureText(text).width + 12 * scale, high = 26 * scale;
  const top = y > high ? y - high : y + height;
  pen.fillStyle = colour;
  pen.fillRect(x - pen.lineWidth / 2, top, wide, high);
  pen.fillStyle = "#0d1012";
  pen.fillText(text, x + 5 * scale, top + 19 * scale);
}
