// The page: what is pressed becomes a change in the conversation, and that becomes what is seen.

import { announce, copy, download, find } from "./dom.js";
import { ConversationList } from "./list.js";
import { recount } from "./paint.js";
import { follow, startScrolling, stay } from "./scroll.js";
import { choose, optionsNow, requestsNow, settings, showModels, startSettings } from "./settings.js";
import { showSheet } from "./sheet.js";
import * as store from "./store.js";
import {
  addSpan,
  ballotOf,
  isHidden,
  lastQuestion,
  messagesOf,
  nameOf,
  newAnswer,
  newConversation,
  newQuestion,
  settle,
  titleOf,
} from "./talk.js";
import { AnswerView, QuestionView } from "./view.js";
import { cast, showVotes } from "./votes.js";
import { callJson, complete } from "./wire.js";

const SAVE_EVERY_MS = 1000;

const views = new Map(); // of the open conversation's turns, by id
const running = new Map(); // conversations being answered, by id: { conversation, controller }
const deleted = new Set(); // ids; what is still being answered of them is not kept
let current = newConversation();
let opening = null; // the id of the conversation that was wanted last

// ── showing ─────────────────────────────────────────────────────────────────────────────────────────────────

function showEmptiness() {
  const isEmpty = current.turns.length === 0;
  find("#welcome").hidden = !isEmpty || find("#welcome").dataset.pair !== "true";
  find("#lonely").hidden = !isEmpty || !find("#lonely").textContent;
  find("#export-conversation").hidden = isEmpty;
  find("#conversation-title").textContent = titleOf(current);
  document.title = isEmpty ? "camelid" : `${titleOf(current)} · camelid`;
  const isRunning = running.has(current.id);
  find("#stop").hidden = !isRunning;
  find("#send").hidden = isRunning;
}

function viewOf(turn) {
  const view = turn.role === "user" ? new QuestionView(turn) : new AnswerView(turn, settings);
  views.set(turn.id, view);
  return view.element;
}

function showConversation() {
  views.clear();
  find("#turns").replaceChildren(...current.turns.map(viewOf));
  showEmptiness();
  follow();
}

/** Show what was added to or taken from the end, and nothing else. */
function showEnd() {
  const known = new Set(current.turns.map((turn) => turn.id));
  for (const [id, view] of views) {
    if (!known.has(id)) {
      view.element.remove();
      views.delete(id);
    }
  }
  find("#turns").append(...current.turns.filter((turn) => !views.has(turn.id)).map(viewOf));
  showEmptiness();
}

// ── conversations ───────────────────────────────────────────────────────────────────────────────────────────

const conversations = new ConversationList({
  open: (id) => openConversation(id).then(() => find("#question").focus()),
  rename: async (id, title) => {
    const conversation = id === current.id ? current : await store.load(id);
    conversation.title = title;
    await attempt(() => store.saveHead(conversation));
    showEmptiness();
    showList();
  },
  remove: async (id) => {
    deleted.add(id);
    running.get(id)?.controller.abort();
    await attempt(() => store.remove(id));
    if (id === current.id) startConversation();
    showList();
  },
});

async function showList() {
  const heads = (await attempt(() => store.list())) ?? [];
  conversations.show(heads, current.id);
}

async function openConversation(id) {
  opening = id;
  const found = running.get(id)?.conversation ?? (await attempt(() => store.load(id)));
  if (opening !== id) return; // another was opened meanwhile
  closeDrawer();
  if (!found) return startConversation();
  current = found;
  if (!running.has(id)) settle(current);
  sessionStorage.setItem("camelid.open", id);
  showConversation();
  showList();
}

function startConversation() {
  opening = null;
  current = newConversation();
  sessionStorage.removeItem("camelid.open");
  closeDrawer();
  showConversation();
  showList();
}

/** Another tab has changed a conversation: what is shown of it here is shown anew. */
async function seeOtherTab(id) {
  showList();
  if (id !== current.id || running.has(id) || find(".editor")) return;
  const found = await attempt(() => store.load(id));
  if (!found) return startConversation();
  current = found;
  showConversation();
}

/** Keep a conversation; what was deleted meanwhile stays so. */
async function keep(conversation) {
  if (deleted.has(conversation.id)) return;
  conversation.updated = Date.now();
  conversation.title ||= titleOf(conversation);
  await attempt(() => store.save(conversation));
}

/** Do something with the store; without one the page works, and forgets. */
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    find("#keeping").textContent = `This browser does not keep them: ${error.message}`;
    return undefined;
  }
}

// ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────

function ask(text) {
  if (!text.trim() || running.has(current.id) || !settings.who) return;
  current.turns.push(newQuestion(text.trim()));
  answer();
}

/** Answer the last question; retry: let the answer differ; alone: tell the models nothing of the turns before. */
async function answer({ retry = false, alone = !settings.history } = {}) {
  const conversation = current;
  const options = optionsNow({ retry });
  const messages = messagesOf(conversation, settings.system.trim());
  const prompt = alone ? lastQuestion(messages) : messages;
  const about = { alone: prompt.length < messages.length, temperature: options.temperature ?? null };
  const turn = newAnswer(
    requestsNow().map((request) => ({ ...request, ...about })),
    settings,
  );
  turn.prompt = prompt;
  conversation.turns.push(turn);
  const controller = new AbortController();
  running.set(conversation.id, { conversation, controller });
  sessionStorage.setItem("camelid.open", conversation.id);
  showEnd();
  follow();
  await keep(conversation);
  showList();
  const saver = setInterval(() => keep(conversation), SAVE_EVERY_MS);
  await Promise.all(
    turn.replies.map((_, place) => stream(conversation, turn, place, options, controller.signal)),
  );
  clearInterval(saver);
  running.delete(conversation.id);
  await keep(conversation);
  if (conversation === current) showEmptiness();
  showList();
}

/** Let one reply stream into the data, and into its view if it is in sight. */
async function stream(conversation, turn, place, options, signal) {
  const reply = turn.replies[place];
  const request = { model: reply.asked, messages: turn.prompt, ...options };
  if (reply.dial !== undefined) request.dial = reply.dial;
  try {
    const result = await complete(request, {
      signal,
      onPiece: (text, spans) => {
        const counted = recount(text, spans);
        for (const [start, end] of counted)
          addSpan(reply.spans, reply.text.length + start, reply.text.length + end);
        reply.text += text;
        if (reply.text === text) keep(conversation);
        views.get(turn.id)?.replies[place].push(text, counted);
      },
      onAbout: (about) => {
        reply.about = { ...about };
        if (about.model && about.model !== reply.model) {
          reply.model = about.model;
          views.get(turn.id)?.replies[place].refresh();
        }
      },
    });
    Object.assign(reply, { state: "whole", finish: result.finish, tokens: result.tokens });
  } catch (error) {
    const stopped = error.name === "AbortError";
    Object.assign(
      reply,
      stopped ? { state: "stopped" } : { state: "failed", error: error.message, code: error.code ?? null },
    );
    if (error.code === "model_not_calibrated") choose("alpaca"); // so that a retry asks who can answer
  }
  reply.model ??= ["llama", "alpaca"].includes(reply.asked) ? reply.asked : null;
  settleView(turn, place);
  const name = isHidden(turn) ? `Answer ${"AB"[place]}` : nameOf(reply);
  announce(reply.error ? `${name}: ${reply.error}` : `${name} answered: ${reply.text.slice(0, 600)}`);
}

/** Show a reply that has ended; those that were veiled are shown together. */
function settleView(turn, place) {
  const view = views.get(turn.id);
  if (!view) return;
  if (turn.blind) view.rewrite();
  else {
    view.replies[place].write();
    view.refresh();
  }
  stay();
}

function stop() {
  running.get(current.id)?.controller.abort();
}

// ── what is done to a turn ──────────────────────────────────────────────────────────────────────────────────

const actions = {
  edit: ({ view, index }) => view.edit(current.turns.length - 1 - index),
  cancel: ({ view }) => view.stopEditing(),
  save: ({ view, turn, index }) => {
    const text = view.edited;
    if (!text || isBusy()) return;
    current.turns.length = index;
    showEnd();
    if (index === 0 && current.title === titleOf({ turns: [turn] })) current.title = "";
    ask(text);
    find("#question").focus();
  },
  retry: ({ index }) => again(index, { retry: true }),
  alone: ({ index }) => again(index, { alone: true }),
  copy: async ({ turn, place, pressed }) => said(pressed, await copy(turn.text ?? turn.replies[place].text)),
  "copy-code": async ({ pressed }) =>
    said(pressed, await copy(find("code", pressed.parentElement).textContent)),
  keep: ({ turn, view, place }) => {
    turn.kept = place;
    view.refresh();
    keep(current);
  },
  vote: async ({ turn, view, index, pressed }) => {
    const wasHidden = isHidden(turn);
    turn.vote = pressed.dataset.choice;
    if (turn.vote === "left" || turn.vote === "right") turn.kept = turn.vote === "left" ? 0 : 1;
    if (wasHidden) view.rewrite();
    else view.refresh();
    const conversation = current;
    turn.voteNote = await cast(ballotOf(conversation, index, turn.vote));
    view.refresh();
    announce(turn.voteNote);
    keep(conversation);
  },
};

/** One question at a time; says so when there is one already. */
function isBusy() {
  if (running.has(current.id)) announce("An answer is being written. Stop it first, or wait.");
  return running.has(current.id);
}

function again(index, how) {
  if (isBusy()) return;
  current.turns.length = index;
  showEnd();
  answer(how);
}

function said(pressed, worked) {
  const text = pressed.textContent;
  pressed.textContent = worked ? "Copied" : "Not copied";
  announce(pressed.textContent);
  setTimeout(() => (pressed.textContent = text), 1500);
}

function act(event) {
  const pressed = event.target.closest("[data-act]");
  const id = pressed?.closest("li.turn")?.dataset.id;
  const index = current.turns.findIndex((turn) => turn.id === id);
  if (index < 0) return;
  const place = Number(pressed.closest("[data-place]")?.dataset.place ?? 0);
  actions[pressed.dataset.act]?.({ turn: current.turns[index], view: views.get(id), index, place, pressed });
}

// ── the frame around it ─────────────────────────────────────────────────────────────────────────────────────

function showView() {
  const wanted = ["sheet", "votes"].find((name) => location.hash === `#${name}`) ?? "chat";
  for (const section of document.querySelectorAll("section.view")) section.hidden = section.id !== wanted;
  for (const link of document.querySelectorAll(".views a")) {
    if (link.hash === `#${wanted}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.view = wanted;
  if (wanted === "sheet") showSheet();
  if (wanted === "votes") showVotes();
  if (wanted === "chat") stay();
}

function openDrawer() {
  document.body.classList.add("drawer-open");
  find("#backdrop").hidden = false;
  find("#open-drawer").setAttribute("aria-expanded", "true");
  find("#new-conversation").focus();
}

function closeDrawer() {
  if (!document.body.classList.contains("drawer-open")) return;
  document.body.classList.remove("drawer-open");
  find("#backdrop").hidden = true;
  find("#open-drawer").setAttribute("aria-expanded", "false");
  find("#open-drawer").focus();
}

function exportConversation() {
  const name = titleOf(current)
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 60);
  const messages = messagesOf(current, settings.system.trim());
  download(
    `${name || "conversation"}.json`,
    `${JSON.stringify({ messages }, null, 2)}\n`,
    "application/json",
  );
}

function grow(box) {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, innerHeight * 0.4)}px`;
}

function submit() {
  const box = find("#question");
  const text = box.value;
  if (!text.trim() || running.has(current.id)) return;
  box.value = "";
  grow(box);
  ask(text);
}

function listen() {
  const box = find("#question");
  find("#composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  box.addEventListener("input", () => grow(box));
  find("#stop").onclick = () => {
    stop();
    box.focus();
  };
  find("#turns").addEventListener("click", act);
  find("#turns").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && event.target.matches(".editor textarea")) {
      event.preventDefault();
      find('[data-act="save"]', event.target.closest(".editor")).click();
    }
  });
  find("#new-conversation").onclick = () => {
    startConversation();
    location.hash = "#chat";
    box.focus();
  };
  find("#export-conversation").onclick = exportConversation;
  find("#open-drawer").onclick = openDrawer;
  find("#backdrop").onclick = closeDrawer;
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const editor = event.target.closest?.(".editor");
    if (editor) find('[data-act="cancel"]', editor).click();
    else if (document.body.classList.contains("drawer-open")) closeDrawer();
    else if (find("#settings").open) {
      find("#settings").open = false;
      find("#settings summary").focus();
    } else if (!document.querySelector("dialog[open]")) stop();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("#settings")) find("#settings").open = false;
  });
  addEventListener("hashchange", showView);
  addEventListener("pagehide", () => running.forEach(({ conversation }) => keep(conversation)));
  store.onChange(seeOtherTab);
}

async function start() {
  listen();
  startScrolling();
  startSettings((name) => name === "drafted" && views.forEach((view) => view.rewrite?.()));
  showView();
  const open = sessionStorage.getItem("camelid.open");
  await (open ? openConversation(open) : showConversation());
  showList();
  try {
    const { data } = await callJson("/v1/models");
    showModels(data.map((model) => model.id));
    showEmptiness();
  } catch (error) {
    find("#lonely").textContent = error.message;
    showEmptiness();
  }
  document.body.dataset.ready = "true";
}

start();
