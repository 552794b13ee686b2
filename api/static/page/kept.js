// What is kept in the browser, for as long as it lets us; one that keeps nothing forgets it with the page.
function keeper(name) {
  const meanwhile = new Map();
  const attempt = (act, instead) => {
    try {
      return act(window[name]);
    } catch {
      return instead();
    }
  };
  return {
    get: (key) => attempt((store) => store.getItem(key), () => meanwhile.get(key) ?? null),
    set: (key, value) => attempt((store) => store.setItem(key, value), () => meanwhile.set(key, value)),
    remove: (key) => attempt((store) => store.removeItem(key), () => meanwhile.delete(key)),
  };
}

/** Kept until this tab is closed, and known to no other tab. */
export const tab = keeper("sessionStorage");

/** Kept by this browser for all its tabs. */
export const browser = keeper("localStorage");

/** Return a list that was kept as JSON; what is none, or cannot be read, is an empty one. */
export function keptList(store, key) {
  try {
    const list = JSON.parse(store.get(key));
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}
