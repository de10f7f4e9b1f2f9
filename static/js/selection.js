// @ts-check
// Which rows of a list are chosen, by id, whatever becomes of the rows.

export function createSelection() {
  /** @type {Set<string>} */
  const chosen = new Set();
  return {
    /** @param {string} id */
    has: (id) => chosen.has(id),
    /** @param {string} id @param {boolean} on */
    set(id, on) {
      if (on) chosen.add(id);
      else chosen.delete(id);
    },
    clear: () => chosen.clear(),
    /** Let go of everything that is not among these. @param {string[]} ids */
    keep(ids) {
      const there = new Set(ids);
      for (const id of chosen) if (!there.has(id)) chosen.delete(id);
    },
    values: () => [...chosen],
    get size() {
      return chosen.size;
    },
  };
}
