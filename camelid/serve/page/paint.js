// Text onto the page: once per frame however fast it comes, and only ever added to.
//
// A reply is written into one block per line, so that a browser lays out the last line again and not the
// whole answer. Markdown is rendered by the server, which sanitises it, when an answer is whole and in sight.

import { make } from "./dom.js";
import { callJson } from "./wire.js";

const waiting = new Set();
const listeners = new Set();
let frame = 0;

/** Call `listener` after each frame in which something was written. */
export const afterPaint = (listener) => listeners.add(listener);

function paint() {
  frame = 0;
  for (const painter of waiting) painter.flush();
  for (const listener of listeners) listener();
}

/** Writes pieces of a text into an element, those that were drafted marked as such. */
export class Painter {
  #pieces = [];
  #line = null;
  #last = null;

  constructor(box) {
    this.box = box;
    box.replaceChildren();
    box.classList.add("written");
  }

  push(text, drafted = false) {
    this.#pieces.push([text, drafted]);
    waiting.add(this);
    frame ||= requestAnimationFrame(paint);
  }

  /** Write what waits, now. */
  flush() {
    waiting.delete(this);
    const pieces = this.#pieces;
    this.#pieces = [];
    for (const [text, drafted] of pieces) {
      text.split("\n").forEach((part, place) => {
        if (place || !this.#line) this.#startLine();
        if (part) this.#write(part, drafted);
      });
    }
  }

  /** Write nothing more: another painter has the box. */
  retire() {
    waiting.delete(this);
    this.#pieces = [];
  }

  #startLine() {
    this.#line = make("div", { class: "line" });
    this.#last = null;
    this.box.append(this.#line);
  }

  #write(text, drafted) {
    if (this.#last?.drafted === drafted) {
      this.#last.node.appendData(text);
      return;
    }
    const node = document.createTextNode(text);
    this.#line.append(drafted ? make("span", { class: "drafted" }, node) : node);
    this.#last = { node, drafted };
  }
}

/** Return a text as [part, drafted] pairs; spans are [start, end) in it. */
export function cut(text, spans) {
  const parts = [];
  let place = 0;
  for (const [start, end] of spans) {
    if (start > place) parts.push([text.slice(place, start), false]);
    parts.push([text.slice(start, end), true]);
    place = end;
  }
  if (place < text.length) parts.push([text.slice(place), false]);
  return parts;
}

/** Return spans counted in characters as spans counted in JavaScript's units. */
export function recount(text, spans) {
  if (!spans.length || !/[\ud800-\udfff]/.test(text)) return spans;
  const characters = Array.from(text);
  const units = (end) => characters.slice(0, end).join("").length;
  return spans.map(([start, end]) => [units(start), units(end)]);
}

const MARKS = /[*_`#>|~[\]\\&]|^\s*(?:[-+]|\d+[.)])\s|^\s*[-=]{3,}\s*$/m;
const rendered = new Map();
const policy = globalThis.trustedTypes?.createPolicy("markdown", { createHTML: (html) => html });

/** Render a box's text as Markdown when it comes into sight; plain text is plain already. */
export function renderInSight(box, text) {
  if (MARKS.test(text)) {
    texts.set(box, text);
    sight.observe(box);
  }
}

const texts = new WeakMap();
const sight = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      sight.unobserve(target);
      render(target, texts.get(target));
    }
  },
  { rootMargin: "600px" },
);

async function render(box, text) {
  let html = rendered.get(text);
  if (html === undefined) {
    try {
      html = (await callJson("/markdown", { body: { text } })).html;
    } catch {
      return; // it stays as it was written
    }
    if (rendered.size > 500) rendered.clear();
    rendered.set(text, html);
  }
  if (texts.get(box) !== text) return;
  box.classList.remove("written");
  box.innerHTML = policy ? policy.createHTML(html) : html; // sanitised by the server
  finish(box);
}

/** Let wide things scroll by keyboard too, and code be copied. */
function finish(box) {
  for (const table of box.querySelectorAll("table")) {
    const around = make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Table" });
    table.replaceWith(around);
    around.append(table);
  }
  for (const code of box.querySelectorAll("pre")) {
    const around = make("div", { class: "code" });
    code.replaceWith(around);
    code.tabIndex = 0;
    code.setAttribute("role", "region");
    code.setAttribute("aria-label", "Code");
    around.append(
      code,
      make("button", { type: "button", class: "quiet", "data-act": "copy-code" }, "Copy code"),
    );
  }
}

/** Forget what a box was to show. */
export function forget(box) {
  texts.delete(box);
  sight.unobserve(box);
}
