// Conversations kept in the browser: their heads, for the list, apart from their turns.

const VERSION = 1;
let opening = null;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("camelid", VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("heads", { keyPath: "id" });
      request.result.createObjectStore("turns", { keyPath: "id" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

async function act(mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(["heads", "turns"], mode);
    const request = work(transaction.objectStore("heads"), transaction.objectStore("turns"));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/** Return the heads of all conversations, the latest first. */
export async function list() {
  const heads = await act("readonly", (heads) => heads.getAll());
  return heads.sort((a, b) => b.updated - a.updated);
}

/** Return a conversation with its turns; null when it is not there. */
export async function load(id) {
  const head = await act("readonly", (heads) => heads.get(id));
  const body = await act("readonly", (_, turns) => turns.get(id));
  return head && body ? { ...head, turns: body.turns } : null;
}

/** Keep a conversation, head and turns together or neither. */
export async function save({ turns: said, ...head }) {
  await act("readwrite", (heads, turns) => {
    heads.put(head);
    return turns.put({ id: head.id, turns: said });
  });
  channel?.postMessage(head.id);
}

/** Keep a conversation's head alone: its title. */
export async function saveHead({ turns: _, ...head }) {
  await act("readwrite", (heads) => heads.put(head));
  channel?.postMessage(head.id);
}

export async function remove(id) {
  await act("readwrite", (heads, turns) => {
    heads.delete(id);
    return turns.delete(id);
  });
  channel?.postMessage(id);
}

// Another tab's changes: the listener is told which conversation.
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("camelid") : null;
export function onChange(listener) {
  if (channel) channel.onmessage = (event) => listener(event.data);
}
