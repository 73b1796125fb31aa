// What is asked of whom: the choice of models, the dial, and the settings beside them, kept in this browser.

import { find, make } from "./dom.js";

const KEPT = "camelid.settings";
const SIDES = "both"; // what the page calls asking the two side by side
const LABELS = { auto: "Auto", llama: "Llama", alpaca: "Alpaca", blend: "Blend", [SIDES]: "Side by side" };
const RETRY_TEMPERATURE = 0.7; // without one the likeliest answer would only come again

export const settings = {
  who: "",
  dial: 0.5,
  system: "",
  temperature: "",
  max_tokens: "",
  seed: "",
  history: true,
  blind: false,
  drafted: false,
};

/** Read what was kept, show it, and keep what changes; `onChange(name)` is told of it. */
export function startSettings(onChange) {
  try {
    Object.assign(settings, JSON.parse(localStorage.getItem(KEPT) ?? "{}"));
  } catch {
    // they begin anew
  }
  for (const box of find("#settings").querySelectorAll("[name]")) {
    if (box.type === "checkbox") box.checked = settings[box.name];
    else box.value = settings[box.name];
  }
  find("#dial").value = settings.dial;
  showDial();
  const take = (name, value) => {
    settings[name] = value;
    localStorage.setItem(KEPT, JSON.stringify(settings));
    showDial();
    onChange(name);
  };
  find("#who").addEventListener("change", ({ target }) => take("who", target.value));
  find("#dial").addEventListener("input", ({ target }) => take("dial", Number(target.value)));
  find("#settings").addEventListener("input", ({ target }) =>
    take(target.name, target.type === "checkbox" ? target.checked : target.value),
  );
}

function showDial() {
  find("#dial-row").hidden = settings.who !== "blend";
  const value = Number(settings.dial);
  find("#dial-value").textContent = value.toFixed(2);
  find("#dial").setAttribute(
    "aria-valuetext",
    { 0: "the Alpaca alone", 1: "exactly the Llama" }[value] ?? value.toFixed(2),
  );
}

/** Offer who can answer: what the server has. */
export function showModels(ids) {
  const known = ["auto", "llama", "alpaca", "blend"].filter((id) => ids.includes(id));
  const choices = known.length ? known : ids.slice(0, 1);
  if (ids.includes("llama") && ids.includes("alpaca")) choices.push(SIDES);
  if (!choices.includes(settings.who))
    settings.who = choices.find((id) => id === "auto" || id === "alpaca") ?? choices[0] ?? "";
  const radios = choices.map((id) => {
    const radio = make("input", { type: "radio", name: "who", value: id, checked: id === settings.who });
    return make("label", { class: `choice ${id}` }, radio, make("span", {}, LABELS[id] ?? id));
  });
  find("#who").replaceChildren(make("legend", { class: "unseen" }, "Who answers"), ...radios);
  find("#welcome").dataset.pair = String(known.length > 1);
  find("#lonely").textContent =
    known.length > 1 ? "" : `${ids[0] ?? "No model"} answers here; there is no pair behind this server.`;
  for (const part of document.querySelectorAll("[data-needs]"))
    part.hidden = !choices.includes(part.dataset.needs);
  for (const part of document.querySelectorAll("[data-without]"))
    part.hidden = choices.includes(part.dataset.without);
  showDial();
}

/** Let another answer from now on. */
export const choose = (id) => find(`#who input[value="${id}"]`)?.click();

/** Return who is asked: one request, or two. */
export function requestsNow() {
  if (settings.who === SIDES) return [{ asked: "llama" }, { asked: "alpaca" }];
  return [
    settings.who === "blend" ? { asked: "blend", dial: Number(settings.dial) } : { asked: settings.who },
  ];
}

/** Return what goes with the messages; retry: so that the answer may differ. */
export function optionsNow({ retry = false } = {}) {
  const options = {};
  for (const name of ["temperature", "max_tokens", "seed"]) {
    if (settings[name] !== "") options[name] = Number(settings[name]);
  }
  if (retry) {
    delete options.seed;
    options.temperature ||= RETRY_TEMPERATURE;
  }
  return options;
}
