// A schedule's week as a picture: seven days, twenty-four hours, open where it is filled.

import { svg } from "./dom.js";

export const DAYS = [["mon", "Monday"], ["tue", "Tuesday"], ["wed", "Wednesday"], ["thu", "Thursday"], ["fri", "Friday"], ["sat", "Saturday"], ["sun", "Sunday"]];
export const EVERY_DAY = DAYS.map(([day]) => day);
export const ALL_DAY = ["00:00-24:00"];
const LEFT = 44, TOP = 18, WIDE = 262, HIGH = 16, GAP = 5, MINUTES = 1440;

const minutes = (text) => text.split(":").reduce((hours, minute) => 60 * hours + Number(minute), 0);

// What is open: [day 0 to 6, first minute, last minute]; over midnight it is two pieces.
export function pieces({ days = EVERY_DAY, times = ALL_DAY }) {
  return days.flatMap((name) => times.flatMap((span) => {
    const day = EVERY_DAY.indexOf(name), [first, last] = span.split("-").map(minutes);
    return last > first ? [[day, first, last]] : [[day, first, MINUTES], [(day + 1) % 7, 0, last]];
  })).filter(([, first, last]) => last > first);
}

export function inWords({ days = EVERY_DAY, times = ALL_DAY, holidays = "closed" }) {
  const names = dayNames(days);
  const spans = times.join() === ALL_DAY.join() ? "all day" : times.map((span) => span.replace("-", " to ")).join(" and ");
  return `${names}, ${spans}; ${holidays === "closed" ? "closed on holidays" : "also on holidays"}.`;
}

// "Monday to Friday", "Monday, Wednesday".
function dayNames(days) {
  const chosen = DAYS.filter(([day]) => days.includes(day)), inRow = EVERY_DAY.join().includes(chosen.map(([day]) => day).join());
  if (chosen.length === 7) return "Every day";
  const names = chosen.map(([, name]) => name);
  return inRow && names.length > 2 ? `${names[0]} to ${names[names.length - 1]}` : names.join(", ");
}

export function week(schedule) {
  const row = (day) => TOP + day * (HIGH + GAP), column = (minute) => LEFT + (minute / MINUTES) * WIDE;
  const hours = [0, 6, 12, 18, 24];
  return svg("svg.week", { viewBox: `0 0 ${LEFT + WIDE + 14} ${row(7)}`, role: "img", "aria-label": inWords(schedule) },
    hours.map((hour) => svg("text", { x: column(60 * hour), y: 11, "text-anchor": "middle" }, String(hour).padStart(2, "0"))),
    DAYS.map(([, name], day) => [
      svg("text", { x: 0, y: row(day) + 12 }, name.slice(0, 3)),
      svg("rect.ground", { x: LEFT, y: row(day), width: WIDE, height: HIGH, rx: 3 }),
    ]),
    pieces(schedule).map(([day, first, last]) =>
      svg("rect.open", { x: column(first), y: row(day), width: column(last) - column(first), height: HIGH, rx: 3 })),
    hours.slice(1, 4).map((hour) => svg("line.hour", { x1: column(60 * hour), x2: column(60 * hour), y1: TOP, y2: row(7) - GAP })));
}
