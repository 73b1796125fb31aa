// Elements made from text, never from HTML.

/** Return an element; attributes that are null or false are left out, children are elements or text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return a button that acts when it or its list is listened to. */
export function button(act, text, attributes = {}) {
  return make("button", { type: "button", class: "quiet", "data-act": act, ...attributes }, text);
}

export const find = (selector, within = document) => within.querySelector(selector);

/** Say something to those who listen rather than look. */
export function announce(text) {
  find("#status").textContent = text;
}

/** Hand a file to the browser. */
export function download(name, text, kind) {
  const address = URL.createObjectURL(new Blob([text], { type: kind }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Put a text on the clipboard; true when that worked. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without a secure address there is no clipboard object; the old way still works.
    const box = make("textarea", { class: "unseen", "aria-hidden": "true" });
    box.value = text;
    document.body.append(box);
    box.select();
    const worked = document.execCommand("copy");
    box.remove();
    return worked;
  }
}
