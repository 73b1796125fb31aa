// The sheet's frame: it has no origin of its own, and takes its content from the page around it, once.
"use strict";

addEventListener("message", (event) => {
  if (event.source !== parent || typeof event.data !== "string") return;
  document.open();
  document.write(event.data); // its scripts do not run: the frame's policy lets none but this file's
  document.close();
});
parent.postMessage("ready", "*");
