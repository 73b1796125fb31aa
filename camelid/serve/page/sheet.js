// The second view: the sheet that `camelid compare` wrote, in a frame that can do nothing but be looked at.

import { find, make } from "./dom.js";
import { call } from "./wire.js";

/** Show the sheet, read anew; without one, which command makes it. */
export async function showSheet() {
  const place = find("#sheet-place");
  let html;
  try {
    html = await (await call("/sheet")).text();
  } catch (error) {
    const text =
      error.status === 404 ? "There is no sheet yet. It is made by comparing the two:" : error.message;
    const command = error.status === 404 ? make("pre", { tabindex: "0" }, "camelid compare PAIR") : null;
    place.replaceChildren(make("div", { class: "column" }, make("p", {}, text), command));
    return;
  }
  const frame = make("iframe", {
    title: "The sheet: what was measured of the two",
    sandbox: "allow-scripts",
    src: "/page/frame.html",
  });
  const send = (event) => {
    if (event.source !== frame.contentWindow) return;
    removeEventListener("message", send);
    frame.contentWindow.postMessage(html, "*"); // the frame has no origin that could be named
  };
  addEventListener("message", send);
  place.replaceChildren(frame);
}
