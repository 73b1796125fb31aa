// Votes: casting one, and what all of them say.

import { download, find, make } from "./dom.js";
import { call, callJson } from "./wire.js";

const NAMES = { llama: "Llama", alpaca: "Alpaca", blend: "Blend", auto: "Auto" };
const NARROW = "\u202f"; // between a number and its sign
const number = (value) => value.toFixed(2).replace("-", "−");

/** Return a share in words; what is nearly everything or nothing does not become that by rounding. */
function percent(share) {
  const rounded = Math.round(100 * share);
  if (rounded === 100 && share < 1) return `over 99${NARROW}%`;
  return rounded === 0 && share > 0 ? `under 1${NARROW}%` : `${rounded}${NARROW}%`;
}

const name = (model) =>
  make("span", { class: model === "llama" || model === "alpaca" ? model : "" }, NAMES[model] ?? model);

/** Send a vote; returns what to say about it. */
export async function cast(ballot) {
  try {
    await call("/votes", { body: ballot });
    return "Thank you, kept.";
  } catch (error) {
    return error.code === "votes_off"
      ? "Kept in this browser only: the server collects no votes."
      : error.message;
  }
}

/** Show what the votes say. */
export async function showVotes() {
  const place = find("#votes-place");
  let found;
  try {
    found = await callJson("/votes");
  } catch (error) {
    place.replaceChildren(make("p", {}, error.message));
    return;
  }
  if (!found.enabled) {
    const text = "This server collects no votes. Start it with a file for them:";
    place.replaceChildren(
      make("p", {}, text),
      make("pre", { tabindex: "0" }, "camelid serve PAIR --votes votes.db"),
    );
    return;
  }
  place.replaceChildren(
    ...(found.votes
      ? describe(found)
      : [make("p", {}, "No votes yet. Ask side by side, and say which answer is better.")]),
  );
}

function describe({ votes, choices, rating }) {
  const level = percent(rating.confidence);
  const parts = rating.pairs.map((pair) => {
    const range = `${percent(pair.low)} to ${percent(pair.high)}`;
    const lead = pair.low > 0.5 ? "" : "Not decided yet: ";
    return make(
      "li",
      {},
      lead,
      name(pair.model),
      " is preferred to ",
      name(pair.other),
      ` ${percent(pair.chance)} of the time (${range}).`,
    );
  });
  const rows = rating.standings.map((row) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, name(row.model)),
      ...[row.wins, row.losses, row.ties].map((value) => make("td", {}, String(value))),
      make("td", {}, `${number(row.strength)} (${number(row.low)} to ${number(row.high)})`),
    ),
  );
  const head = ["Model", "Won", "Lost", "Tied", "Strength"].map((title) =>
    make("th", { scope: "col" }, title),
  );
  const table = make(
    "table",
    { class: "figures-table" },
    make("thead", {}, make("tr", {}, ...head)),
    make("tbody", {}, ...rows),
  );
  const counted = `${votes} ${votes === 1 ? "vote" : "votes"}, ${choices.bad} of them “both bad”, which like a tie counts half for each.`;
  const meant = `Bradley and Terry’s rating; the intervals hold the truth ${level} of the time if the votes are independent. Each is kept with the question and both answers.`;
  return [
    make("ul", { class: "verdicts" }, ...parts),
    make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Ratings" }, table),
    make("p", { class: "small" }, `${counted} ${meant}`),
    make(
      "div",
      { class: "buttons" },
      exporter("preferences", "Export preference pairs"),
      exporter("comparisons", "Export for camelid calibrate"),
    ),
  ];
}

function exporter(form, text) {
  const element = make("button", { type: "button", class: "quiet" }, text);
  element.onclick = async () =>
    download(
      `${form}.jsonl`,
      await (await call(`/votes/export?form=${form}`)).text(),
      "application/x-ndjson",
    );
  return element;
}
