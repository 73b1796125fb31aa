// Votes: casting one, and what all of them say.

import { download, find, make } from "./dom.js";
import { call, callJson } from "./wire.js";

const NAMES = { llama: "Llama", alpaca: "Alpaca", blend: "Blend", auto: "Auto" };
const percent = (share) => `${Math.round(100 * share)} %`;
const name = (model) => make("span", { class: model === "llama" || model === "alpaca" ? model : "" }, NAMES[model] ?? model);

/** Send a vote; returns what to say about it. */
export async function cast(ballot) {
  try {
    await call("/votes", { body: ballot });
    return "Thank you, kept.";
  } catch (error) {
    return error.code === "votes_off" ? "Kept in this browser only: the server collects no votes." : error.message;
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
    place.replaceChildren(make("p", {}, text), make("pre", { tabindex: "0" }, "camelid serve PAIR --votes votes.db"));
    return;
  }
  place.replaceChildren(...(found.votes ? describe(found) : [make("p", {}, "No votes yet. Ask side by side, and say which answer is better.")]));
}

function describe({ votes, choices, rating }) {
  const level = percent(rating.confidence);
  const parts = rating.pairs.map((pair) => {
    const range = `${percent(pair.low)} to ${percent(pair.high)}`;
    return make("li", {}, name(pair.model), " is preferred to ", name(pair.other), ` ${percent(pair.chance)} of the time (${range}).`);
  });
  const rows = rating.standings.map((row) =>
    make("tr", {}, make("th", { scope: "row" }, name(row.model)), ...[row.wins, row.losses, row.ties, `${row.strength.toFixed(2)} (${row.low.toFixed(2)} to ${row.high.toFixed(2)})`].map((value) => make("td", {}, String(value)))),
  );
  const head = ["Model", "Won", "Lost", "Tied", "Strength"].map((title) => make("th", { scope: "col" }, title));
  const table = make("table", { class: "figures-table" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  return [
    make("ul", { class: "verdicts" }, ...parts),
    make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Ratings" }, table),
    make("p", { class: "small" }, `${votes} votes, ${choices.bad} of them for neither, which like a tie count half. Bradley and Terry’s rating; intervals hold the truth in ${level} of cases if the votes are independent.`),
    make("div", { class: "buttons" }, exporter("preferences", "Export preference pairs"), exporter("comparisons", "Export for camelid calibrate")),
  ];
}

function exporter(form, text) {
  const element = make("button", { type: "button", class: "quiet" }, text);
  element.onclick = async () => download(`${form}.jsonl`, await (await call(`/votes/export?form=${form}`)).text(), "application/x-ndjson");
  return element;
}
