// A conversation as data: what was asked, what was answered, what a model is told of it. Nothing here is shown.

const fresh = () => crypto.getRandomValues(new Uint32Array(4)).reduce((text, n) => text + n.toString(36), "");

export const newConversation = () => ({
  id: fresh(),
  title: "",
  renamed: false,
  updated: Date.now(),
  turns: [],
});

export const newQuestion = (text) => ({ id: fresh(), role: "user", text });

/** Return the turn of one answer, or of two side by side; blind: shuffled, names hidden until the vote. */
export function newAnswer(asked, { blind = false } = {}) {
  const replies = asked.map((request) => ({
    ...request,
    model: null,
    text: "",
    state: "running",
    spans: [],
  }));
  const hidden = blind && replies.length === 2;
  if (hidden && crypto.getRandomValues(new Uint8Array(1))[0] % 2) replies.reverse();
  return {
    id: fresh(),
    role: "assistant",
    replies,
    kept: 0,
    blind: hidden,
    vote: null,
    ballot: fresh().slice(0, 20),
  };
}

/** Tell whether two answers can be voted on: both are whole. */
export const isBallot = (turn) =>
  turn.replies.length === 2 && turn.replies.every((reply) => reply.state === "whole" && reply.text);

/** Tell whether a turn's names are still hidden: until the vote, or until there can be none. */
export function isHidden(turn) {
  const isRunning = turn.replies.some((reply) => reply.state === "running");
  return turn.blind && !turn.vote && (isRunning || isBallot(turn));
}

/** Return the name to show of a reply's model. */
export function nameOf(reply) {
  const names = { llama: "Llama", alpaca: "Alpaca", auto: "Auto", blend: "Blend" };
  const model = reply.model ?? reply.asked;
  return names[model] ?? model;
}

/** Return OpenAI's messages: of two answers the one that was kept, and no question that was never answered but the last. */
export function messagesOf(conversation, system = "") {
  const messages = system ? [{ role: "system", content: system }] : [];
  for (const turn of conversation.turns) {
    if (turn.role === "user") messages.push({ role: "user", content: turn.text });
    else {
      const { text } = turn.replies[turn.kept];
      if (text) messages.push({ role: "assistant", content: text });
      else messages.pop();
    }
  }
  return messages;
}

/** Return the last question alone: what a model is told when the rest does not fit. */
export const lastQuestion = (messages) =>
  messages.filter((message, place) => message.role === "system" || place === messages.length - 1);

/** Return a title: the first question, shortened. */
export function titleOf(conversation) {
  if (conversation.title) return conversation.title;
  const line = (conversation.turns[0]?.text ?? "").split(/\s+/).join(" ").trim();
  return line.length > 60 ? `${line.slice(0, 59).trimEnd()}…` : line || "New conversation";
}

const count = new Intl.NumberFormat("en");

/** Return how fast a reply came, in words; "" when that is not known. */
export function figuresOf(reply) {
  const { about = {}, tokens } = reply;
  const { first_token_ms: first, total_ms: total, drafted, accepted } = about;
  const parts = [];
  if (first > 0) parts.push(`first token after ${sayDuration(first)}`);
  if (tokens > 1 && total > first)
    parts.push(`${count.format(Math.round((tokens - 1) / ((total - first) / 1000)))} tokens/s`);
  if (tokens) parts.push(`${count.format(tokens)} ${tokens === 1 ? "token" : "tokens"}`);
  if (drafted) parts.push(`${count.format(accepted ?? 0)} of ${count.format(drafted)} drafts kept`);
  if (reply.temperature) parts.push(`temperature ${reply.temperature}`);
  if (reply.alone) parts.push("without the earlier turns");
  if (reply.finish === "length") parts.push("cut at the token limit");
  if (reply.state === "stopped") parts.push("stopped");
  return parts.join(" · ");
}

export function sayDuration(ms) {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Return the vote as the server takes it; the prompt is what both were asked. */
export function ballotOf(conversation, place, choice) {
  const turn = conversation.turns[place];
  const [left, right] = turn.replies.map((reply) => ({
    model: reply.model ?? reply.asked,
    reply: reply.text,
  }));
  return { id: turn.ballot, prompt: turn.prompt, left, right, choice, blind: turn.blind };
}

/** What was being written when the page was left is not written any more. */
export function settle(conversation) {
  for (const turn of conversation.turns) {
    for (const reply of turn.replies ?? []) {
      if (reply.state === "running") reply.state = "stopped";
    }
  }
}

/** Add what was drafted to the spans there are. */
export function addSpan(spans, start, end) {
  const last = spans.at(-1);
  if (last?.[1] === start) last[1] = end;
  else spans.push([start, end]);
}
