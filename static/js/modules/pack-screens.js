// @ts-check
// How a plant is cut into screens of a wall.

/**
 * Which tiles stand together: lines in their order, whole where they fit, else cut into full screens.
 * @param {{ name: string, count: number }[]} lines @param {number} most tiles of a screen
 * @returns {{ names: string[], from: number, to: number }[]} ranges over all tiles in order
 */
export function packScreens(lines, most) {
  /** @type {{ names: string[], from: number, to: number }[]} */
  const screens = [];
  let at = 0;
  for (const { name, count } of lines) {
    const last = screens[screens.length - 1];
    if (last && last.to - last.from + count <= most) {
      last.names.push(name);
      last.to += count;
    } else {
      for (let from = at; from < at + count; from += most) screens.push({ names: [name], from, to: Math.min(at + count, from + most) });
    }
    at += count;
  }
  return screens;
}
